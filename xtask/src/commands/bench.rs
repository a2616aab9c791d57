// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bench`: instructions per operation, counted by QEMU, and sizes of the images that were booted for it. Fails where a
//! target is missed: counts are alike from run to run, so a miss is a change of ours.

use super::prepare_one;
use crate::cli::Bench;
use crate::contract::{Mailbox, Mode};
use crate::image::Kit;
use crate::qemu::{Boot, Flow};
use crate::report::{self, print_failures};
use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

/// Counting instructions is slower than running freely.
const LIMIT: Duration = Duration::from_secs(300);
/// Counts are to be alike from run to run, so the patterns are too.
const SEED: u64 = 0x5eed;

/// One figure: its name, what it means, and the most that it is to be.
struct Figure {
    name: &'static str,
    meaning: &'static str,
    target: Option<u64>,
}

const fn figure(name: &'static str, meaning: &'static str, target: Option<u64>) -> Figure {
    Figure { name, meaning, target }
}

/// The figures of the client, in the order of the table.
const COUNTS: [Figure; 9] = [
    figure("el3_call", "a call that EL3 answers itself", None),
    figure("spmc_call", "an FF-A call that spm answers at its entry", None),
    figure("direct_message", "a direct message to a partition and back", Some(2000)),
    figure("mem_cycle_1", "share, retrieve, relinquish, reclaim of one page", Some(25_000)),
    figure("mem_cycle_512", "the same of 512 pages in one range", Some(60_000)),
    figure("mem_cycle_200x1", "the same of 200 pages here and there", Some(250_000)),
    figure("map_unmap_4k", "map and unmap of one 4K page", None),
    figure("map_2m_block", "map of 2 MiB as one block", None),
    figure("map_512x4k", "map of 512 times 4K in one request", None),
];

/// The figures of the images.
const SIZES: [Figure; 4] = [
    figure("spm_text_rodata_bytes", "spm: .text and .rodata", Some(96 * 1024)),
    figure("iommu_sp_text_rodata_bytes", "iommu-sp: .text and .rodata", Some(96 * 1024)),
    figure("spm_ram_bytes", "spm: memory, with stacks and tables", None),
    figure("iommu_sp_ram_bytes", "iommu-sp: memory, with stacks and tables", None),
];

pub(super) fn bench(workspace: &Workspace, arguments: &Bench) -> Result<ExitCode> {
    let (kit, image) = prepare_one(workspace, arguments.machine.platform(), Set::Product, None)?;
    let boot = Boot {
        machine: arguments.machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: SEED, mode: Mode::Bench, flags: 0, cores: 1 },
        counted: true,
        limit: LIMIT,
        extra: &[],
    };
    println!("Counting on QEMU {} ...", arguments.machine);
    let mut outcome = boot.run(workspace, "bench", |_, _, _| Flow::Continue)?;
    outcome.finish();
    if outcome.transcript.failed() != 0 {
        print_failures(&outcome.transcript);
        bail!("the client did not count to its end; logs: {}", outcome.dir.display());
    }
    let values = values(&kit, &outcome.transcript.counts)?;
    print!("{}", report::table(&rows(&values)));
    if let Some(file) = &arguments.json {
        let object: serde_json::Map<String, serde_json::Value> =
            values.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
        let text = serde_json::to_string_pretty(&object)? + "\n";
        write_whole(file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed =
        values.iter().filter(|(name, value)| target(name).is_some_and(|target| *value > target)).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns what a figure is to be at most, if it has a target.
fn target(name: &str) -> Option<u64> {
    COUNTS.iter().chain(&SIZES).find(|figure| figure.name == name)?.target
}

/// Puts counts and sizes together by their names.
fn values(kit: &Kit, counts: &[(String, u64)]) -> Result<Vec<(String, u64)>> {
    for figure in &COUNTS {
        if !counts.iter().any(|(name, _)| name == figure.name) {
            bail!("the client did not count `{}`", figure.name);
        }
    }
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
    let sizes = SIZES.iter().zip(sizes).map(|(figure, size)| (figure.name.to_owned(), size));
    Ok(counts.iter().cloned().chain(sizes).collect())
}

fn rows(values: &[(String, u64)]) -> Vec<[String; 4]> {
    let mut rows = vec![["name".to_owned(), "number".to_owned(), "target".to_owned(), "what".to_owned()]];
    for (name, value) in values {
        let known = COUNTS.iter().chain(&SIZES).find(|figure| figure.name == name);
        let target = target(name).map_or(String::new(), |target| {
            let met = if *value <= target { "met" } else { "MISSED" };
            format!("<= {target} {met}")
        });
        let meaning = known.map_or("", |figure| figure.meaning);
        rows.push([name.clone(), value.to_string(), target, meaning.to_owned()]);
    }
    rows
}
