// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot of a service that one request makes abort: it must start again, and leave no way open to memory meanwhile.

use super::prepare_one;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::firmware::Broken;
use crate::platform::Machine;
use crate::qemu::{Boot, Flow};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::Set;
use std::time::Duration;

/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);

/// Boots the image, and counts what holds.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn check(workspace: &Workspace, machine: Machine, cores: u64) -> Result<Tally> {
    let broken = Broken::ServiceAborts;
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Product, Some(broken))?;
    let seed = random_seed()?;
    println!("\nA service that aborts on {machine} with {cores} core(s), seed {seed:#018x}");
    let boot = Boot {
        machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Restart, flags: 0, cores },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot.run(workspace, &format!("restart-{cores}"), |_, _, _| Flow::Continue)?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}
