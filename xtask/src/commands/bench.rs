// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `bench`: instructions per operation, counted by QEMU, and sizes of the images that were booted for it. Fails where a
//! target is missed: counts are alike from run to run, so a miss is a change of ours.

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
    target: Target,
}

/// The most that a figure is to be.
#[derive(Clone, Copy)]
enum Target {
    /// Nobody said.
    None,
    /// So much.
    AtMost(u64),
    /// So much more than another figure.
    Above(&'static str, u64),
}

impl Target {
    /// Returns the most that the figure is to be, when `values` are the figures.
    fn most(self, values: &[(String, u64)]) -> Option<u64> {
        match self {
            Self::None => None,
            Self::AtMost(most) => Some(most),
            // A figure that is missed is complained of elsewhere.
            Self::Above(base, most) => {
                values.iter().find(|(name, _)| name == base).map(|(_, value)| value.saturating_add(most))
            }
        }
    }
}

const fn figure(name: &'static str, meaning: &'static str, target: Target) -> Figure {
    Figure { name, meaning, target }
}

/// The figures of the client with one core, in the order of the table.
const COUNTS: [Figure; 14] = [
    figure("el3_call", "a call that EL3 answers itself", Target::None),
    figure("spmc_call", "an FF-A call that spm answers at its entry", Target::None),
    figure("direct_message", "a direct message to a partition and back", Target::Above("spmc_call", 450)),
    figure("direct_req2", "the same by FFA_MSG_SEND_DIRECT_REQ2", Target::None),
    figure("partition_info_get_2", "FFA_PARTITION_INFO_GET of two partitions", Target::AtMost(2500)),
    figure("rx_release", "FFA_RX_RELEASE", Target::Above("spmc_call", 250)),
    figure("notification_round", "a notification set, told of and got", Target::None),
    figure("interrupt_to_sp", "a secure interrupt until its partition runs", Target::None),
    figure("mem_cycle_1", "share, retrieve, relinquish, reclaim of one page", Target::AtMost(25_000)),
    figure("mem_cycle_512", "the same of 512 pages in one range", Target::AtMost(60_000)),
    figure("mem_cycle_200x1", "the same of 200 pages here and there", Target::AtMost(250_000)),
    figure("map_unmap_4k", "map and unmap of one 4K page", Target::None),
    figure("map_2m_block", "map of 2 MiB as one block", Target::None),
    figure("map_512x4k", "map of 512 times 4K in one request", Target::None),
];

/// Those with four cores.
const COUNTS_4CORE: [Figure; 1] =
    [figure("direct_message_4core", "of four cores at once: all instructions by all messages", Target::None)];

/// The figures of the images.
const SIZES: [Figure; 4] = [
    // 98,304 while spm had direct messages only. Interrupts, notifications, indirect messages, CPU cycles of others and
    // memory management came since; Hafnium's, with as much, is 216 KiB.
    figure("spm_text_rodata_bytes", "spm: .text and .rodata", Target::AtMost(160 * 1024)),
    figure("iommu_sp_text_rodata_bytes", "iommu-sp: .text and .rodata", Target::AtMost(96 * 1024)),
    figure("spm_ram_bytes", "spm: memory, with stacks and tables", Target::None),
    figure("iommu_sp_ram_bytes", "iommu-sp: memory, with stacks and tables", Target::None),
];

pub(super) fn bench(workspace: &Workspace, arguments: &Bench) -> Result<ExitCode> {
    let (kit, image) = prepare_one(workspace, arguments.machine.platform(), Set::Product, None)?;
    println!("Counting on QEMU {} ...", arguments.machine);
    let mut values = counts(workspace, arguments.machine, &kit, &image, 1, &COUNTS)?;
    values.extend(counts(workspace, arguments.machine, &kit, &image, 4, &COUNTS_4CORE)?);
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

/// Returns the figure with a name, if it is known.
fn known(name: &str) -> Option<&'static Figure> {
    COUNTS.iter().chain(&COUNTS_4CORE).chain(&SIZES).find(|figure| figure.name == name)
}

/// Returns what a figure is to be at most, if it has a target.
fn most(name: &str, values: &[(String, u64)]) -> Option<u64> {
    known(name)?.target.most(values)
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
