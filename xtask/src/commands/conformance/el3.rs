// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The normal world's side against another implementation: TF-A's own SPMC at EL3, with one partition of the suite at S-EL1.
//! Cases that fail there are listed in the crate `conformance`, as its deviations.

use super::{boot, complain_of_strangers};
use crate::commands::prepare_kit;
use crate::platform::Machine;
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use conformance::case::{Instance, Spmc};
use conformance::suite::Setting;
use manifests::Set;

const MACHINE: Machine = Machine::Virt;

/// Boots the suite above it.
///
/// # Errors
/// Something does not build, or QEMU cannot be run.
pub(crate) fn check(workspace: &Workspace) -> Result<Tally> {
    let (kit, image) = prepare_kit(workspace, MACHINE.platform(), Set::Conformance, |kit| {
        kit.image_for_el3_spmc(workspace)
    })?;
    let [normal, ..] = Instance::NORMAL else { return Ok(Tally::of(false)) };
    let setting = Setting { spmc: Spmc::El3, normal: *normal, cores: 1 };
    println!("\nTF-A's SPMC at EL3:");
    let mut outcome = boot(workspace, MACHINE, &kit, &image, setting)?;
    complain_of_strangers(setting, &mut outcome.transcript);
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}
