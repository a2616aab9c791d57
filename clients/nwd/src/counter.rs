// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The generic timer's virtual counter, and who this core is.
#![expect(unsafe_code, reason = "system registers are read by assembly")]

use crate::entry;
use core::arch::asm;

/// Returns the counter after all earlier instructions have completed.
#[must_use]
pub fn now() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; touches neither memory nor stack.
    unsafe {
        asm!("isb", "mrs {ticks}, cntvct_el0", ticks = out(reg) ticks, options(nostack));
    }
    ticks
}

/// Returns what the physical counter was at this image's first instruction.
#[must_use]
pub fn at_entry() -> u64 {
    entry::entered()
}

/// Returns the counter's ticks per second.
#[must_use]
pub fn frequency() -> u64 {
    let hertz: u64;
    // SAFETY: reads a constant register; touches neither memory nor stack.
    unsafe {
        asm!("mrs {hertz}, cntfrq_el0", hertz = out(reg) hertz, options(nomem, nostack));
    }
    hertz
}

/// Returns this core's MPIDR_EL1.
#[must_use]
pub fn mpidr() -> u64 {
    let value: u64;
    // SAFETY: reads a constant register; touches neither memory nor stack.
    unsafe {
        asm!("mrs {value}, mpidr_el1", value = out(reg) value, options(nomem, nostack));
    }
    value
}
