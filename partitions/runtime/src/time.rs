// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual counter, for bounds on waiting.
#![expect(unsafe_code, reason = "reads system registers")]

use core::arch::asm;

/// Returns the virtual counter (CNTVCT_EL0), in ticks of [`frequency`].
#[must_use]
pub fn ticks() -> u64 {
    let value;
    // SAFETY: reading CNTVCT_EL0 has no effects; the ISB keeps the read from being made early.
    unsafe {
        asm!("isb", "mrs {value}, cntvct_el0", value = out(reg) value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Returns the counter's frequency (CNTFRQ_EL0), in hertz.
#[must_use]
pub fn frequency() -> u64 {
    let value;
    // SAFETY: reading CNTFRQ_EL0 has no effects.
    unsafe {
        asm!("mrs {value}, cntfrq_el0", value = out(reg) value, options(nomem, nostack, preserves_flags))
    };
    value
}
