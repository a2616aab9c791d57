// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secure interrupts that come while the normal world runs: its partition runs for each of them, and it goes on.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::World,
};
use nwd::{ffa, timer};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "secure-timer",
    claim: "A waiting partition runs each time that its timer runs out while the normal world has the core",
    expected: "no interrupt before it is due, one each time after",
    audience: Test,
    cores: 1,
    run: secure_timer,
}];

/// Once would not show that the interrupt was ended.
const TIMES: u64 = 3;
const TICKS: u64 = 1000;

fn secure_timer(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let mut latest = 0;
    for time in 1..=TIMES {
        // In a century.
        let [armed, ..] = ffa::direct(to, [command::ARM_TIMER, 1 << 61, 0, 0, 0])?;
        let [early, ..] = ffa::direct(to, [command::LATENESS, 0, 0, 0, 0])?;
        ensure!(armed == 0 && early.cast_signed() == -9, "armed: {armed:#x}; interrupt {time}: {early:#x}");
        let [armed, ..] = ffa::direct(to, [command::ARM_TIMER, TICKS, 0, 0, 0])?;
        let mut answer = [u64::MAX; 5];
        for _ in 0..1000 {
            timer::sleep_us(1000);
            answer = ffa::direct(to, [command::LATENESS, 0, 0, 0, 0])?;
            if answer[0] == 0 {
                break;
            }
        }
        let [status, late, ..] = answer;
        ensure!(armed == 0 && status == 0, "armed: {armed:#x}; interrupt {time} did not come: {status:#x}");
        latest = latest.max(late);
    }
    seen!("{TIMES} interrupts, the latest {latest} ticks after it was due")
}
