// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A secure interrupt that comes while the normal world runs, until the waiting partition that has it runs for it: its
//! timer runs out, and it looks at the counter first of all.

use super::clock::Clock;
use crate::{ensure, firmware::command, report, scenario::Failure};
use nwd::{counter, ffa};

/// Fewer than elsewhere: the normal world has to wait each time.
const ROUNDS: u64 = 100;
/// Ticks until the timer runs out: the partition has answered long before.
const LATER: u64 = 50_000;

pub(super) fn count(clock: &Clock, to: u16) -> Result<(), Failure> {
    let mut all = 0_u64;
    for _ in 0..ROUNDS {
        let [status, ..] = ffa::direct(to, [command::ARM_TIMER, LATER, 0, 0, 0])?;
        ensure!(status == 0, "interrupt_to_sp: the timer: {status:#x}");
        let limit = counter::now().saturating_add(2 * LATER);
        while counter::now() < limit {}
        let [status, ticks, ..] = ffa::direct(to, [command::LATENESS, 0, 0, 0, 0])?;
        ensure!(status == 0, "interrupt_to_sp: no interrupt came: {status:#x}");
        all = all.saturating_add(ticks);
    }
    report::bench("interrupt_to_sp", clock.instructions(all, ROUNDS));
    Ok(())
}
