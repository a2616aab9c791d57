// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The scenarios on a machine whose SMMU has stage 1 alone.
//!
//! QEMU's `virt` had such SMMUs up to its version 9.1, and still makes them where it is asked for that version. Everything else of
//! the machine is as the platform's description says.

use crate::contract::{Mailbox, Mode, random_seed};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Console, Flow};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::Result;
use std::time::Duration;

/// The machine that can be had so.
pub(super) const MACHINE: Machine = Machine::Virt;
/// What it is run with.
pub(super) const CORES: u64 = 4;
/// A later `-M` takes the place of the machine's type, and leaves the properties of the one before.
const VERSION: &str = "virt-9.1";
/// Flag of the mailbox: what an SMMU with both stages does is not to be demanded.
const STAGE_1_ALONE: u64 = 1 << 1;
/// What the service says of an SMMU without stage 2.
const SAID: &str = "until stage 1 translates it";
/// The scenarios take seconds; on a machine under load they may take this long.
const LIMIT: Duration = Duration::from_secs(300);

/// Boots the product's image, and counts what holds.
///
/// # Errors
/// QEMU cannot be run.
pub(super) fn check(workspace: &Workspace, kit: &Kit, image: &Image) -> Result<Tally> {
    let seed = random_seed()?;
    println!("\nScenarios on {MACHINE} with stage 1 alone, {CORES} core(s), seed {seed:#018x}");
    let boot = Boot {
        machine: MACHINE,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Test, flags: STAGE_1_ALONE, cores: CORES },
        counted: false,
        limit: LIMIT,
        extra: &["-M".to_owned(), VERSION.to_owned()],
    };
    let mut said = false;
    let mut outcome = boot.run(workspace, "stage1", |console, text, _| {
        said |= console == Console::Secure && text.contains(SAID);
        Flow::Continue
    })?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let mut tally = Tally::of_run(&outcome.transcript);
    if !said {
        println!("    FAIL {MACHINE}: the service does not say \"{SAID}\"");
    }
    tally.add(Tally::of(said));
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}
