// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cache maintenance for memory that spm hands to a partition.
#![expect(unsafe_code, reason = "cache maintenance instructions")]

use super::sysreg::CTR_EL0;

/// Writes back and forgets all lines of `memory`.
pub(crate) fn clean_and_invalidate(memory: &[u8]) {
    clean_and_invalidate_at(memory.as_ptr().addr(), memory.len());
}

/// Forgets all instructions, on all cores: memory has become code.
pub(crate) fn forget_instructions() {
    // SAFETY: invalidation only costs new fetches.
    unsafe { core::arch::asm!("ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Writes back and forgets all lines of `bytes` of mapped memory at `start`.
pub(crate) fn clean_and_invalidate_at(start: usize, bytes: usize) {
    let line = 4_usize << ((CTR_EL0::read() >> 16) & 0xf);
    let mut at = start & !(line - 1);
    while at < start.saturating_add(bytes) {
        // SAFETY: cleaning and invalidating keeps what the memory holds. Where the address is not mapped, it faults, which
        // spm does not survive, but nothing is written.
        unsafe { core::arch::asm!("dc civac, {0}", in(reg) at, options(nostack, preserves_flags)) };
        at = at.saturating_add(line);
    }
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("dsb sy", options(nostack, preserves_flags)) };
}
