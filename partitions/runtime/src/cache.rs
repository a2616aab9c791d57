// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cache maintenance for observers that do not look into this core's caches.
#![expect(unsafe_code, reason = "cache maintenance instructions")]

use core::arch::asm;
use core::ops::Range;

use crate::memory::NonSecureMemory;

/// Returns the size of the smallest data cache line, in bytes (CTR_EL0.DminLine).
#[must_use]
pub fn line_bytes() -> usize {
    let value: usize;
    // SAFETY: reading CTR_EL0 has no effects.
    unsafe { asm!("mrs {value}, ctr_el0", value = out(reg) value, options(nomem, nostack, preserves_flags)) };
    4 << ((value >> 16) & 0xf)
}

/// Writes back what caches hold of the words `words` of `memory`, so that a device which does not snoop sees it. Words
/// outside `memory` are left out.
pub fn clean_to_coherency(memory: &NonSecureMemory, words: Range<usize>) {
    let Some(part) = memory.words().get(words) else { return };
    let line = line_bytes();
    let Range { start, end } = part.as_ptr_range();
    let mut address = start as usize & !(line - 1);
    while address < end as usize {
        // SAFETY: the line lies in a page of `memory`, which is mapped; cleaning changes no contents.
        unsafe { asm!("dc cvac, {address}", address = in(reg) address, options(nostack, preserves_flags)) };
        address += line;
    }
    // SAFETY: a barrier only waits.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
