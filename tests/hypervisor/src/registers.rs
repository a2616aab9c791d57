// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System registers of EL2 and EL1 that the hypervisor works with, by their names in the Arm ARM.
#![expect(unsafe_code, reason = "system registers are read and written by assembly")]

use core::arch::asm;
use nwd::Region;

macro_rules! register {
    ($read:ident, $write:ident, $name:literal) => {
        #[doc = concat!("Reads ", $name, ".")]
        pub(crate) fn $read() -> u64 {
            let value: u64;
            // SAFETY: reading the register changes nothing.
            unsafe { asm!(concat!("mrs {value}, ", $name), value = out(reg) value, options(nomem, nostack)) };
            value
        }

        #[doc = concat!("Writes ", $name, ", which the host's core uses once it runs again.")]
        pub(crate) fn $write(value: u64) {
            // SAFETY: nothing of this program depends on the register; it decides what the host finds.
            unsafe { asm!(concat!("msr ", $name, ", {value}"), value = in(reg) value, options(nomem, nostack)) };
        }
    };
}

register!(elr_el2, set_elr_el2, "elr_el2");
register!(spsr_el2, set_spsr_el2, "spsr_el2");
register!(_elr_el1, set_elr_el1, "elr_el1");
register!(_spsr_el1, set_spsr_el1, "spsr_el1");
register!(_esr_el1, set_esr_el1, "esr_el1");
register!(_far_el1, set_far_el1, "far_el1");
register!(vbar_el1, _set_vbar_el1, "vbar_el1");
register!(esr_el2, _set_esr_el2, "esr_el2");
register!(far_el2, _set_far_el2, "far_el2");
register!(hpfar_el2, _set_hpfar_el2, "hpfar_el2");

/// Returns the address, in the host's view of memory, whose access was stopped by stage 2 (HPFAR_EL2.FIPA, D24.2).
pub(crate) fn fault_address() -> u64 {
    const FIPA: u64 = 0x0000_0fff_ffff_fff0;
    (hpfar_el2() & FIPA) << 8 | far_el2() & 0xfff
}

/// Waits until no core translates an address as it did before (Arm ARM, D8.13).
pub(crate) fn forget_translation(address: u64) {
    // SAFETY: forgets translations of the host's; what it may reach is translated anew. The barriers order it behind
    // the descriptor that was written, which stands in memory when the first of them completes.
    unsafe {
        asm!(
            "dsb ishst",
            "tlbi ipas2e1is, {page}",
            "dsb ish",
            "tlbi vmalle1is",
            "dsb ish",
            "isb",
            page = in(reg) address >> 12,
            options(nostack),
        );
    }
}

/// Writes what was put into memory back from the caches, for a core that starts without them.
pub(crate) fn clean(range: Region, length: u64) {
    /// The smallest cache line that the architecture allows, in bytes.
    const LINE: usize = 16;
    let end = range.base.saturating_add(length.min(range.size));
    for address in (range.base..end).step_by(LINE) {
        // SAFETY: cleaning a line changes no content.
        unsafe { asm!("dc civac, {address}", address = in(reg) address, options(nostack)) };
    }
    // SAFETY: a barrier only waits.
    unsafe { asm!("dsb sy", options(nostack)) };
}
