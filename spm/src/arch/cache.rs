// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data cache maintenance for memory that a partition will first see with its caches off.
#![expect(unsafe_code, reason = "cache maintenance instructions")]

use super::sysreg::CTR_EL0;

/// Writes back and forgets all lines of `memory`.
pub(crate) fn clean_and_invalidate(memory: &[u8]) {
    let line = 4_usize << ((CTR_EL0::read() >> 16) & 0xf);
    let start = memory.as_ptr().addr();
    let mut at = start & !(line - 1);
    while at < start + memory.len() {
        // SAFETY: cleaning and invalidating keeps what the memory holds; the address is mapped, being in `memory` or in
        // the same line.
        unsafe { core::arch::asm!("dc civac, {0}", in(reg) at, options(nostack, preserves_flags)) };
        at += line;
    }
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
}
