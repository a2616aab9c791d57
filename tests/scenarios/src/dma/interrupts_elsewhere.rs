// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMU's interrupts when the core that gets them is off.

use super::interrupts::{ONE, prepare};
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    smmu::{EVENTQ_CONS, EVENTQ_PROD},
    world::{World, describe},
};
use core::sync::atomic::{AtomicBool, Ordering};
use ffa_abi::Iova;
use nwd::{
    core_off::{bring_back, go_off, is_off},
    cores, counter,
    edu::{Direction, Edu},
    timer,
};
use spin::mutex::SpinMutex;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "fault-interrupt-elsewhere",
    claim: "A stopped transfer is taken note of when it happens, also while the core that gets the interrupts is off",
    expected: "the first core is off; the SMMU's record is taken before any message",
    audience: Test,
    cores: 4,
    run: elsewhere,
}];

/// Seconds until something counts as not happening.
const PATIENCE: u64 = 10;
/// The core that stays on.
const OTHER: usize = 1;

/// What the other core works with.
#[derive(Clone, Copy)]
struct Task {
    /// The core that goes off.
    first: u64,
    device: Edu,
    nowhere: Iova,
}

/// The other core is on; the first is on again. Each goes off only when firmware has the other one to give its interrupts to.
static OTHER_IS_ON: AtomicBool = AtomicBool::new(false);
static FIRST_IS_BACK: AtomicBool = AtomicBool::new(false);
static TASK: SpinMutex<Option<Task>> = SpinMutex::new(None);
/// Where the service read its next record, before and after.
static SEEN: SpinMutex<Option<Result<(u32, u32), Failure>>> = SpinMutex::new(None);

fn elsewhere(world: &mut World) -> Outcome {
    let nowhere = prepare(world)?;
    let affinities = world.machine.cores();
    let first = *affinities.first().ok_or(Failure::new(format_args!("no core has an affinity")))?;
    *TASK.lock() = Some(Task { first, device: world.device, nowhere });
    *SEEN.lock() = None;
    OTHER_IS_ON.store(false, Ordering::SeqCst);
    FIRST_IS_BACK.store(false, Ordering::SeqCst);
    cores::run(affinities, OTHER, fault_while_off)?;
    ensure!(comes(|| OTHER_IS_ON.load(Ordering::SeqCst)), "the other core does not come on");
    go_off()?;
    FIRST_IS_BACK.store(true, Ordering::SeqCst);
    world.machine.receive(0, timer::INTERRUPT);
    cores::wait(affinities, OTHER, PATIENCE)?;
    let seen = SEEN.lock().take().unwrap_or(Err(Failure::new(format_args!("the other core saw nothing"))));
    let (before, after) = seen?;
    ensure!(before != after, "the record at {before:#x} was not taken");
    let Some(fault) = world.fault_of(world.device.stream())? else {
        return Err(Failure::new(format_args!("the record was taken and not reported")));
    };
    seen!("records {before:#x} to {after:#x} taken while the first core was off; then {}", describe(&fault))
}

/// On the other core: waits until the first is off, lets the device fault, and switches the first on again.
fn fault_while_off(_: usize) {
    OTHER_IS_ON.store(true, Ordering::SeqCst);
    let Some(task) = *TASK.lock() else { return };
    *SEEN.lock() = Some(observe(&task));
    // Without the first core the run does not end, and its limit says so.
    let _: Result<(), cores::CoreError> = bring_back(task.first);
    comes(|| FIRST_IS_BACK.load(Ordering::SeqCst));
}

fn observe(task: &Task) -> Result<(u32, u32), Failure> {
    ensure!(comes(|| is_off(task.first)), "the first core does not go off");
    let before = EVENTQ_CONS.read()?;
    task.device.start(Direction::ToRam, task.nowhere, 0, ONE)?;
    ensure!(comes(|| !task.device.is_busy()), "the transfer did not end");
    let producer = EVENTQ_PROD.read()?;
    ensure!(producer != before, "the device did not fault");
    comes(|| EVENTQ_CONS.read().is_ok_and(|consumer| consumer == producer));
    Ok((before, EVENTQ_CONS.read()?))
}

/// Waits until something holds, without sleep: the other core has no timer. Tells whether it does.
fn comes(holds: impl Fn() -> bool) -> bool {
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while counter::now() < limit {
        if holds() {
            return true;
        }
        core::hint::spin_loop();
    }
    false
}
