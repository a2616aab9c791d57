// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Self-hosted debug and performance monitor (class 5): values, with everything that would act on them switched off.
#![expect(unsafe_code, reason = "writes debug registers")]

use super::access::{dfr0, field, register_list};

/// PMUVer values that stand for "there is no architected performance monitor".
const NO_PMU: [u64; 2] = [0, 0xf];

register_list![
    // TDCC: traps what only EL0 would do.
    ("mdscr_el1", 1 << 12),
    ("dbgbvr0_el1", 0x0000_ffff_ffff_fffc),
    ("dbgwvr0_el1", 0x0000_ffff_ffff_fff8),
    ("pmccntr_el0", u64::MAX),
    ("pmccfiltr_el0", 0xc000_0000),
    ("pmuserenr_el0", 0xf),
];

/// Fills the registers, if the core has a performance monitor.
pub(super) fn poison(pattern: u64, values: &mut super::Values) -> bool {
    let present = !NO_PMU.contains(&field(dfr0(), 8));
    if present {
        // SAFETY: clearing E stops the counters, on which nothing depends.
        unsafe { core::arch::asm!("msr pmcr_el0, xzr", "isb", options(nostack)) };
        write_all(pattern, values);
    }
    present
}
