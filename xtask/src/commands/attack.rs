// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `attack`: a hostile host above a small hypervisor tries what it can, and the list says what stopped it. `test` runs it
//! too, and once more with a hypervisor that holds its host by nothing: just the attacks that it stops must come through.

use super::prepare_one;
use crate::cli::Attack;
use crate::contract::{Mailbox, Mode, Transcript, random_seed};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow, Outcome};
use crate::report::{self, Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);
/// Cores of the runs of `test`.
pub(super) const CORES: u64 = 4;
/// Flag of the mailbox: the hypervisor holds its host by nothing.
const UNGUARDED: u64 = 1 << 0;
/// Devices beside those of every run: a PCI root port, and a DMA engine behind it.
const DEVICES: [&str; 4] =
    ["-device", "pcie-root-port,id=behind", "-device", "edu,dma_mask=0xffffffffffffffff,bus=behind"];
/// Attacks that only the hypervisor's own protections stop.
const STOPPED_BY_HYPERVISOR: [&str; 14] = [
    "cores",
    "device-registers",
    "smmu-registers",
    "command-queue",
    "tables-in-the-pool",
    "unprotected-masters",
    "gic-tables",
    "bus-renumbered",
    "buffers",
    "shared-with-a-partition",
    "handles",
    "descriptor-changed",
    "switched-on-core",
    "suspend",
];

pub(super) fn attack(workspace: &Workspace, arguments: &Attack) -> Result<ExitCode> {
    let mut total = Tally::default();
    for machine in Machine::ALL {
        if arguments.machine.is_none_or(|only| only == machine) {
            if arguments.check {
                total.add(check(workspace, machine)?);
                continue;
            }
            let (kit, image) = prepare_one(workspace, machine.platform(), Set::Attack, None)?;
            let run = Run { machine, cores: arguments.smp, guarded: !arguments.hypervisor_off };
            let outcome = run.boot(workspace, &kit, &image)?;
            print_attacks(&outcome.transcript);
            println!("Logs of this run: {}", outcome.dir.display());
            total.add(Tally::of_run(&outcome.transcript));
        }
    }
    println!("{total}");
    Ok(if total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Boots twice: with the hypervisor's protections everything is stopped, without them just what others stop.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn check(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Attack, None)?;
    let guarded = Run { machine, cores: CORES, guarded: true }.boot(workspace, &kit, &image)?;
    print_failures(&guarded.transcript);
    let mut tally = Tally::of_run(&guarded.transcript);
    let unguarded = Run { machine, cores: CORES, guarded: false }.boot(workspace, &kit, &image)?;
    tally.add(judge_unguarded(&unguarded.transcript));
    println!("    {tally}; logs: {} and {}", guarded.dir.display(), unguarded.dir.display());
    Ok(tally)
}

/// Counts the attacks that went as they should where the hypervisor holds its host by nothing.
fn judge_unguarded(transcript: &Transcript) -> Tally {
    let mut tally = Tally { passed: 0, failed: transcript.complaints.len() };
    for complaint in &transcript.complaints {
        println!("    FAIL {complaint}");
    }
    for claim in &transcript.claims {
        let stopped_by_others = !STOPPED_BY_HYPERVISOR.contains(&claim.name.as_str());
        let as_it_should = claim.holds == stopped_by_others;
        if !as_it_should {
            let what = if claim.holds { "did not come through" } else { "came through" };
            println!("    FAIL without the hypervisor, {} {what}: {}", claim.name, claim.seen);
        }
        tally.add(Tally::of(as_it_should));
    }
    for name in STOPPED_BY_HYPERVISOR {
        if !transcript.claims.iter().any(|claim| claim.name == name) {
            println!("    FAIL no attack is named {name}");
            tally.add(Tally::of(false));
        }
    }
    tally
}

/// One boot.
struct Run {
    machine: Machine,
    cores: u64,
    guarded: bool,
}

impl Run {
    fn boot(&self, workspace: &Workspace, kit: &Kit, image: &Image) -> Result<Outcome> {
        let Self { machine, cores, guarded } = *self;
        let seed = random_seed()?;
        let (held, name) = if guarded { ("", "attack") } else { (" that nobody holds", "attack-unguarded") };
        println!("\nA hostile host{held} on {machine} with {cores} core(s), seed {seed:#018x}");
        let boot = Boot {
            machine,
            image,
            platform: &kit.platform,
            mailbox: Mailbox { seed, mode: Mode::Attack, flags: if guarded { 0 } else { UNGUARDED }, cores },
            counted: false,
            limit: LIMIT,
            extra: &DEVICES.map(str::to_owned),
        };
        let mut outcome = boot.run(workspace, name, |_, _, _| Flow::Continue)?;
        outcome.finish();
        Ok(outcome)
    }
}

/// Prints the list: each attack, what was tried, what stopped it.
fn print_attacks(transcript: &Transcript) {
    let mut rows = vec![["", "attack", "tried", "what stopped it"].map(str::to_owned)];
    for claim in &transcript.claims {
        let mark = if claim.holds { "ok" } else { "FAIL" };
        rows.push([mark.to_owned(), claim.what.clone(), claim.expected.clone(), claim.seen.clone()]);
    }
    for untried in &transcript.untried {
        rows.push(["-".to_owned(), untried.what.clone(), "not tried".to_owned(), untried.reason.clone()]);
    }
    print!("{}", report::table(&rows));
    for complaint in &transcript.complaints {
        println!("FAIL  {complaint}");
    }
}
