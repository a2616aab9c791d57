// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual timer (class 2): enabled, masked, and due in centuries. The physical one is the partition manager's to give
//! or to keep; a partition that touches what is kept would fault.
#![expect(unsafe_code, reason = "writes timer registers")]

use super::access::register_list;

/// Bits of the compare value that are filled. Bit 62 is set before and stays.
const LATER: u64 = 0x3fff_ffff_ffff_ffff;
/// ENABLE; IMASK is set before and stays.
const ENABLE: u64 = 1;

register_list![
    ("cntv_cval_el0", LATER),
    ("cntv_ctl_el0", ENABLE),
    // Access to counters from EL0, where nothing runs.
    ("cntkctl_el1", 0x303),
];

/// Fills the registers; they are always there.
pub(super) fn poison(pattern: u64, values: &mut super::Values) -> bool {
    // SAFETY: 1. IMASK keeps the timer from raising interrupts. 2. 2^62 ticks are more than a century.
    unsafe {
        core::arch::asm!(
            "msr cntv_ctl_el0, {mask}",
            "msr cntv_cval_el0, {late}",
            "isb",
            mask = in(reg) 2_u64,
            late = in(reg) 1_u64 << 62,
            options(nostack),
        );
    }
    write_all(pattern, values);
    true
}
