// SPDX-License-Identifier: Apache-2.0 OR MIT
//! EL1 system registers (class 0). Exceptions are masked, so those that an exception would write are free.
#![expect(unsafe_code, reason = "writes system registers")]

use super::access::register_list;

register_list![
    ("tpidr_el0", u64::MAX),
    ("tpidrro_el0", u64::MAX),
    ("tpidr_el1", u64::MAX),
    ("contextidr_el1", 0xffff_ffff),
    // TCR_EL1.EPD1 switches off walks by TTBR1; bit 0, CnP, would be a promise to the other cores.
    ("ttbr1_el1", !1),
    ("far_el1", u64::MAX),
    ("par_el1", 0x0000_ffff_ffff_f000),
    ("afsr0_el1", 0xffff_ffff),
    ("afsr1_el1", 0xffff_ffff),
    ("esr_el1", 0xffff_ffff),
    ("elr_el1", u64::MAX),
    // Flags and masks; the mode stays.
    ("spsr_el1", 0xf000_03c0),
    ("sp_el0", u64::MAX),
    // The level of a cache that exists everywhere: level 1, instructions or data.
    ("csselr_el1", 1),
    ("amair_el1", u64::MAX),
    // DISR_EL1, by its number: a partition manager at EL2 that takes SErrors makes VDISR_EL2 of it.
    ("s3_0_c12_c1_1", 0x81ff_ffff),
    // In use by the running code.
    ("sctlr_el1", 0),
    ("tcr_el1", 0),
    ("ttbr0_el1", 0),
    ("mair_el1", 0),
    ("vbar_el1", 0),
];

/// Fills the registers; they are always there.
pub(super) fn poison(pattern: u64, values: &mut super::Values) -> bool {
    write_all(pattern, values);
    true
}
