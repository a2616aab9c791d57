// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The timer that the partition manager gives to a partition, as a source of interrupts: how late is the partition told
//! that it ran out?

use core::sync::atomic::{AtomicU64, Ordering};

use sp_runtime::interrupts;

use crate::protocol::Status;

/// As [`Timer::lateness`]: there was no interrupt.
const NONE: u64 = u64::MAX;

/// The timer of a vCPU, which alone uses it.
pub(crate) struct Timer {
    /// When it runs out, in ticks of the counter.
    deadline: AtomicU64,
    /// How many ticks later its interrupt came.
    lateness: AtomicU64,
}

impl Timer {
    pub(crate) const fn new() -> Self {
        Self { deadline: AtomicU64::new(0), lateness: AtomicU64::new(NONE) }
    }
}

/// Lets the timer run out `ticks` from now.
pub(crate) fn arm(timer: &Timer, ticks: u64) -> [u64; 5] {
    if !interrupts::enable(interrupts::TIMER) {
        return Status::NotSupported.answer();
    }
    let deadline = interrupts::now().saturating_add(ticks);
    timer.deadline.store(deadline, Ordering::Relaxed);
    timer.lateness.store(NONE, Ordering::Relaxed);
    interrupts::set_timer(Some(deadline));
    [0; 5]
}

/// Notes when the vCPU was interrupted, if that was the timer's doing.
pub(crate) fn note_interrupt(timer: &Timer) {
    let now = interrupts::now();
    let taken = interrupts::take();
    interrupts::set_timer(None);
    if taken == Some(interrupts::TIMER) {
        let deadline = timer.deadline.load(Ordering::Relaxed);
        timer.lateness.store(now.saturating_sub(deadline), Ordering::Relaxed);
    }
}

/// Tells how late the interrupt was.
pub(crate) fn lateness(timer: &Timer) -> [u64; 5] {
    match timer.lateness.load(Ordering::Relaxed) {
        NONE => Status::NoData.answer(),
        ticks => [0, ticks, 0, 0, 0],
    }
}
