// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pointer authentication keys: exchanged when a partition first uses them, and back before the normal world goes on.
#![expect(unsafe_code, reason = "exchanges registers of lower levels by MRS and MSR")]

/// The five 128-bit keys of one context: instruction A and B, data A and B, generic; low half first.
pub(crate) struct PacKeys([u64; 10]);

impl PacKeys {
    /// Keys of a context that never set any.
    pub(crate) const RESET: Self = Self([0; 10]);

    /// Stores what the key registers hold. Only on a CPU that has them, and if EL3 does not trap them.
    pub(crate) fn save(&mut self) {
        // SAFETY: writes ten words to an array of ten; reading the keys has no side effect.
        unsafe {
            core::arch::asm!(
                "mrs {a}, s3_0_c2_c1_0", "mrs {b}, s3_0_c2_c1_1", "stp {a}, {b}, [{at}]",
                "mrs {a}, s3_0_c2_c1_2", "mrs {b}, s3_0_c2_c1_3", "stp {a}, {b}, [{at}, #16]",
                "mrs {a}, s3_0_c2_c2_0", "mrs {b}, s3_0_c2_c2_1", "stp {a}, {b}, [{at}, #32]",
                "mrs {a}, s3_0_c2_c2_2", "mrs {b}, s3_0_c2_c2_3", "stp {a}, {b}, [{at}, #48]",
                "mrs {a}, s3_0_c2_c3_0", "mrs {b}, s3_0_c2_c3_1", "stp {a}, {b}, [{at}, #64]",
                a = out(reg) _, b = out(reg) _, at = in(reg) self.0.as_mut_ptr(),
                options(nostack, preserves_flags)
            );
        }
    }

    /// Puts these values into the key registers. spm itself signs no pointers.
    pub(crate) fn load(&self) {
        // SAFETY: reads ten words of an array of ten; the keys do not affect spm, which has no signed pointers.
        unsafe {
            core::arch::asm!(
                "ldp {a}, {b}, [{at}]", "msr s3_0_c2_c1_0, {a}", "msr s3_0_c2_c1_1, {b}",
                "ldp {a}, {b}, [{at}, #16]", "msr s3_0_c2_c1_2, {a}", "msr s3_0_c2_c1_3, {b}",
                "ldp {a}, {b}, [{at}, #32]", "msr s3_0_c2_c2_0, {a}", "msr s3_0_c2_c2_1, {b}",
                "ldp {a}, {b}, [{at}, #48]", "msr s3_0_c2_c2_2, {a}", "msr s3_0_c2_c2_3, {b}",
                "ldp {a}, {b}, [{at}, #64]", "msr s3_0_c2_c3_0, {a}", "msr s3_0_c2_c3_1, {b}",
                a = out(reg) _, b = out(reg) _, at = in(reg) self.0.as_ptr(),
                options(nostack, preserves_flags)
            );
        }
    }
}
