// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition reads from the ID registers: what the CPU has, less what spm keeps from partitions.
//!
//! The registers are S3_0_C0_Cm_op2. Fields, by their lowest bit: Arm ARM D24.2. A field whose meaning is not listed
//! here is passed on.

/// Replaces the four-bit field at `bit` by `value`.
const fn with_field(register: u64, bit: u32, value: u64) -> u64 {
    register & !(0xf << bit) | value << bit
}

/// Clears the four-bit fields at `bits`.
fn without(register: u64, bits: &[u32]) -> u64 {
    bits.iter().fold(register, |value, &bit| with_field(value, bit, 0))
}

/// Returns what a partition reads from the register `crm`, `op2`, of which the CPU has the value `raw`.
#[must_use]
pub fn visible(crm: u8, op2: u8, raw: u64) -> u64 {
    match (crm, op2) {
        // PFR0: partitions are AArch64 only, at EL1 and EL0, without GIC, RAS records, secure EL2, resource partitioning,
        // activity monitors, realms. FP, SIMD, SVE, DIT and CSV3 stay; CSV2 too, but for SCXTNUM (1: none).
        (4, 0) => {
            let levels = with_field(with_field(raw, 0, 1), 4, 1);
            let speculation = (raw >> 56 & 0xf).min(1);
            without(with_field(levels, 56, speculation), &[8, 12, 24, 28, 36, 40, 44, 52])
        }
        // PFR1: no memory tagging with tags (1: the instructions), RAS and MPAM fractions, SME, RNDR trap, SCXTNUM, NMI,
        // MTE fraction, GCS, THE, MTEX, double fault 2, PFAR. BTI and SSBS stay.
        (4, 1) => {
            let tagging = (raw >> 8 & 0xf).min(1);
            without(with_field(raw, 8, tagging), &[12, 16, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60])
        }
        // PFR2: nothing that it lists. ZFR0 stays. SMFR0, FPFR0: nothing.
        (4, 2 | 5 | 7) => 0,
        (4, 4) => raw,
        // DFR0: debug architecture as it is, and nothing to use it with: no trace, PMU, profiling, trace filter, trace
        // buffer, branch records, and the smallest number of breakpoints and watchpoints.
        (5, 0) => (raw & 0xf) | 0x10_1000 | 0x1000_0000,
        (5, _) => 0,
        // ISAR1: no 64-byte loads and stores; ISAR2: no memory copy instructions, no 128-bit system registers and
        // instructions: HCRX_EL2 keeps them closed. ISAR0: no transactions, which HCR_EL2 does. ISAR3 stays.
        (6, 0) => without(raw, &[24]),
        (6, 1) => without(raw, &[60]),
        (6, 2) => without(raw, &[16, 32, 36]),
        (6, 3) => raw,
        // MMFR0: no fine-grained traps, no counter scaling to write. MMFR1: no LORegions, VHE, HCRX.
        (7, 0) => without(raw, &[56]),
        (7, 1) => without(raw, &[8, 16, 40]),
        // MMFR2: no nested virtualization, enhanced traps.
        (7, 2) => without(raw, &[24, 56]),
        // MMFR3: none of the newer registers (TCR2, SCTLR2, permission indirection, overlays and so on). MMFR4: nothing.
        (7, 3 | 4) => 0,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn partitions_see_no_hypervisor_features() {
        // PFR0 of a CPU with everything.
        let visible = visible(4, 0, 0x1311_1111_1111_2222);
        assert_eq!(visible & 0xffff, 0x0011, "EL0 and EL1 as AArch64, no EL2, no EL3");
        assert_eq!(visible >> 32 & 0xf, 1, "SVE");
        assert_eq!(visible >> 36 & 0xf, 0, "secure EL2");
    }

    #[test]
    fn what_traps_is_not_there() {
        // Register, field, and the most that a partition may see of it.
        for (crm, op2, bit, most) in [
            (4, 0, 56, 1), // CSV2: SCXTNUM
            (4, 1, 8, 1),  // MTE: tag registers
            (4, 1, 60, 0), // PFAR
            (6, 0, 24, 0), // TME
            (6, 1, 60, 0), // LS64
            (6, 2, 16, 0), // MOPS
            (6, 2, 32, 0), // SYSREG_128
            (6, 2, 36, 0), // SYSINSTR_128
        ] {
            for value in 0..16 {
                let seen = visible(crm, op2, value << bit) >> bit & 0xf;
                assert_eq!(seen, value.min(most), "{crm} {op2} {bit}");
            }
        }
    }

    #[test]
    fn reserved_registers_read_as_zero() {
        for crm in [1, 2, 3, 8, 15] {
            assert_eq!(visible(crm, 0, u64::MAX), 0);
        }
        assert_eq!(visible(4, 3, u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn no_field_grows_but_the_levels(op2 in 0_u8..8, crm in 4_u8..8, raw: u64) {
            if (crm, op2) != (4, 0) && (crm, op2) != (5, 0) {
                let seen = visible(crm, op2, raw);
                for bit in (0..64).step_by(4) {
                    prop_assert!(seen >> bit & 0xf <= raw >> bit & 0xf);
                }
            }
        }
    }
}
