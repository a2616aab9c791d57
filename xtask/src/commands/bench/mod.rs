// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bench`: instructions per operation, counted by QEMU, and sizes of the images that were booted for it. Fails where a
//! target is missed: counts are alike from run to run, so a miss is a change of ours.

mod boot;
mod figures;

use super::prepare_one;
use crate::cli::Bench;
use crate::contract::{Mailbox, Mode};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow};
use crate::report::{self, print_failures};
use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use figures::{COUNTS, COUNTS_4CORE, COUNTS_HYP, Figure, SIZES, Target, known, most};
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

/// Counting instructions is slower than running freely.
const LIMIT: Duration = Duration::from_secs(300);
/// Counts are to be alike from run to run, so the patterns are too.
const SEED: u64 = 0x5eed;

pub(super) fn bench(workspace: &Workspace, arguments: &Bench) -> Result<ExitCode> {
    let (kit, image) = prepare_one(workspace, arguments.machine.platform(), Set::Product, None)?;
    println!("Counting on QEMU {} ...", arguments.machine);
    let mut values = counts(workspace, arguments.machine, &kit, &image, 1, &COUNTS)?;
    let (hyp_kit, hyp_image) = prepare_one(workspace, arguments.machine.platform(), Set::Hyp, None)?;
    values.extend(counts(workspace, arguments.machine, &hyp_kit, &hyp_image, 1, &COUNTS_HYP)?);
    values.extend(counts(workspace, arguments.machine, &kit, &image, 4, &COUNTS_4CORE)?);
    values.push(boot::count(workspace, arguments.machine)?);
    values.extend(sizes(&kit)?);
    print!("{}", report::table(&rows(&values)));
    if let Some(file) = &arguments.json {
        let object: serde_json::Map<String, serde_json::Value> =
            values.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
        let text = serde_json::to_string_pretty(&object)? + "\n";
        write_whole(file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed =
        values.iter().filter(|(name, value)| most(name, &values).is_some_and(|most| *value > most)).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots the client once, which counts what `figures` name.
fn counts(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    image: &Image,
    cores: u64,
    figures: &[Figure],
) -> Result<Vec<(String, u64)>> {
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: SEED, mode: Mode::Bench, flags: 0, cores },
        counted: true,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot.run(workspace, &format!("bench-{cores}"), |_, _, _| Flow::Continue)?;
    outcome.finish();
    if outcome.transcript.failed() != 0 {
        print_failures(&outcome.transcript);
        bail!("the client did not count to its end; logs: {}", outcome.dir.display());
    }
    let counts = outcome.transcript.counts;
    if let Some(figure) = figures.iter().find(|figure| !counts.iter().any(|(name, _)| name == figure.name)) {
        bail!("the client did not count `{}`", figure.name);
    }
    Ok(counts)
}

/// Returns the sizes of the images by their names.
fn sizes(kit: &Kit) -> Result<Vec<(String, u64)>> {
    let service = kit.platform.iommu_partition().map(|partition| partition.name.as_str());
    let (_, service) = kit
        .firmware
        .partitions
        .iter()
        .find(|(name, _)| Some(name.as_str()) == service)
        .context("the platform has no iommu service")?;
    let spm = &kit.firmware.spm.flat;
    let sizes =
        [spm.text_rodata_size, service.flat.text_rodata_size, spm.memory_size, service.flat.memory_size];
    Ok(SIZES.iter().zip(sizes).map(|(figure, size)| (figure.name.to_owned(), size)).collect())
}

fn rows(values: &[(String, u64)]) -> Vec<[String; 4]> {
    let mut rows = vec![["name".to_owned(), "number".to_owned(), "target".to_owned(), "what".to_owned()]];
    for (name, value) in values {
        let target = most(name, values).map_or(String::new(), |most| {
            let met = if *value <= most { "met" } else { "MISSED" };
            match known(name).map(|figure| figure.target) {
                Some(Target::Above(base, above)) => format!("<= {base} + {above} {met}"),
                _ => format!("<= {most} {met}"),
            }
        });
        let meaning = known(name).map_or("", |figure| figure.meaning);
        rows.push([name.clone(), value.to_string(), target, meaning.to_owned()]);
    }
    rows
}
