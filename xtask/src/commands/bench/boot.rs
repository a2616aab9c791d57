// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Instructions of a boot, from spm's entry to the first of the normal world: both tell what the counter was then.

use super::figures::BOOT;
use super::{LIMIT, SEED};
use crate::commands::prepare_one;
use crate::contract::{Mailbox, Mode};
use crate::platform::Machine;
use crate::qemu::{Boot, Console, Flow};
use crate::report::print_failures;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::Set;

/// What stands in spm's line before the number.
const ENTERED: &str = "entered at tick ";
/// How many partitions have to come up.
const PARTITIONS: usize = 2;

/// Boots two partitions that do nothing, and counts.
///
/// # Errors
/// Something does not compile, QEMU cannot be run, or somebody does not say what was asked for.
pub(super) fn count(workspace: &Workspace, machine: Machine) -> Result<(String, u64)> {
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Bench, None)?;
    let boot = Boot {
        machine,
        image: &image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: SEED, mode: Mode::Boot, flags: 0, cores: 1 },
        counted: true,
        limit: LIMIT,
        extra: &[],
    };
    let (mut start, mut ready) = (None, 0);
    let mut outcome = boot.run(workspace, "bench-boot", |console, line, _| {
        if console == Console::Secure {
            start = start.or_else(|| line.split_once(ENTERED)?.1.parse::<u64>().ok());
            ready += usize::from(line.ends_with("is ready"));
        }
        Flow::Continue
    })?;
    outcome.finish();
    if outcome.transcript.failed() != 0 {
        print_failures(&outcome.transcript);
        bail!("the boot did not come to the normal world; logs: {}", outcome.dir.display());
    }
    if ready != PARTITIONS {
        bail!("{ready} of {PARTITIONS} partitions came up; logs: {}", outcome.dir.display());
    }
    let said = |name: &str| {
        let found = outcome.transcript.counts.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| *value).with_context(|| format!("the client did not say `{name}`"))
    };
    let start = start.context("spm did not say when it was entered")?;
    let ticks = said("entered_at_tick")?.checked_sub(start).context("the normal world came before spm")?;
    let instructions = ticks.saturating_mul(1000).checked_div(said("ticks_of_1000_instructions")?);
    let [figure] = BOOT;
    Ok((figure.name.to_owned(), instructions.context("the counter stands still")?))
}
