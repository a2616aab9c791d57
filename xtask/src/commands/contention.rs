// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether cores that send direct messages at once wait for each other, with emulated cores that really run at once: spm
//! counts how often it finds a lock taken. With a lock that all share, the same run has to fail.

use super::prepare_one;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::firmware::Broken;
use crate::platform::Machine;
use crate::qemu::{Boot, Flow, Outcome};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::time::Duration;

/// Where it is looked at.
pub(super) const MACHINE: Machine = Machine::Virt;
/// How many cores send.
pub(super) const CORES: u64 = 4;
/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);
/// The claim that has to hold in the one image and to fail in the other.
const CLAIM: &str = "nobody-waits";

/// Runs both images.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    println!("\nLocks on the way of direct messages on {MACHINE} with {CORES} cores");
    let mut outcome = boot(workspace, Broken::CountContention)?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let mut tally = Tally::of_run(&outcome.transcript);
    let mut outcome = boot(workspace, Broken::GlobalLock)?;
    outcome.finish();
    let transcript = &outcome.transcript;
    let seen = transcript.claims.iter().find(|claim| claim.name == CLAIM && !claim.holds);
    let noticed = seen.is_some() && transcript.failed() == 1;
    let mark = if noticed { "ok  " } else { "FAIL" };
    let what = seen.map_or("nothing", |claim| &claim.seen);
    println!("    {mark} with one lock for all: {what}; logs: {}", outcome.dir.display());
    tally.add(Tally::of(noticed));
    Ok(tally)
}

fn boot(workspace: &Workspace, broken: Broken) -> Result<Outcome> {
    let (kit, image) = prepare_one(workspace, MACHINE.platform(), Set::Product, Some(broken))?;
    let boot = Boot {
        machine: MACHINE,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: random_seed()?, mode: Mode::Contention, flags: 0, cores: CORES },
        counted: false,
        limit: LIMIT,
        extra: &["-accel", "tcg,thread=multi"].map(str::to_owned),
    };
    boot.run(workspace, broken.feature(), |_, _, _| Flow::Continue)
}
