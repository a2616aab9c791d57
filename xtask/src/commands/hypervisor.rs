// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot under a policy by which a hypervisor must claim its role: the client is hypervisor and kernel in one.

use super::prepare_one;
use crate::contract::{Mailbox, Mode, random_seed};
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
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Hyp, None)?;
    let seed = random_seed()?;
    println!("\nA hypervisor on {machine} with {cores} core(s), seed {seed:#018x}");
    let boot = Boot {
        machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Hyp, flags: 0, cores },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot.run(workspace, &format!("hypervisor-{cores}"), |_, _, _| Flow::Continue)?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}
