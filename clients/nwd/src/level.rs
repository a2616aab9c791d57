// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The exception level that this program runs at: EL2 as firmware starts it, or EL1 above a hypervisor.
#![expect(unsafe_code, reason = "a system register is read by assembly")]

use core::arch::asm;

/// CurrentEL (Arm ARM, C5.2.2): the level in bits 3:2.
const SHIFT: u32 = 2;
/// EL1.
const KERNEL: u64 = 1;

/// Returns the exception level, 1 or 2.
#[must_use]
pub fn current() -> u64 {
    let value: u64;
    // SAFETY: reads a constant register; touches neither memory nor stack.
    unsafe {
        asm!("mrs {value}, CurrentEL", value = out(reg) value, options(nomem, nostack, preserves_flags));
    }
    value >> SHIFT
}

/// Tells whether this program runs at EL1.
#[must_use]
pub fn is_kernel() -> bool {
    current() == KERNEL
}
