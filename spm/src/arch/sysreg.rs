// SPDX-License-Identifier: Apache-2.0 OR MIT
//! System registers by name, and the fields of those that spm builds from parts.
//!
//! Names and encodings are those of the Arm ARM (DDI 0487), D19 and D24. A register newer than the assembler's default
//! is named by its encoding.
#![expect(unsafe_code, reason = "system registers are reached by MRS and MSR")]
#![expect(
    non_camel_case_types,
    clippy::upper_case_acronyms,
    reason = "the names are those of the architecture"
)]

use tock_registers::register_bitfields;

macro_rules! system_registers {
    ($($name:ident = $encoding:literal: $($access:ident)+;)*) => {$(
        #[doc = concat!("The register `", $encoding, "`.")]
        pub(crate) struct $name;

        impl $name {
            $(system_registers!(@$access $encoding);)+
        }
    )*};
    (@read $encoding:literal) => {
        /// Reads the register.
        #[inline(always)]
        pub(crate) fn read() -> u64 {
            let value: u64;
            // SAFETY: reading these registers changes nothing that memory safety rests on. If EL3 traps the read, the
            // exception is fatal or a probe skips it.
            unsafe {
                core::arch::asm!(
                    concat!("mrs {0}, ", $encoding), out(reg) value, options(nostack, preserves_flags)
                );
            }
            value
        }
    };
    (@write $encoding:literal) => {
        /// Writes the register.
        ///
        /// # Safety
        /// With this value spm's own code must go on to see its memory as before, and whatever the value lets a
        /// partition or the normal world reach must be theirs.
        #[inline(always)]
        pub(crate) unsafe fn write(value: u64) {
            // SAFETY: the caller answers for the value.
            unsafe {
                core::arch::asm!(
                    concat!("msr ", $encoding, ", {0}"), in(reg) value, options(nostack, preserves_flags)
                );
            }
        }
    };
}

system_registers! {
    CNTHCTL_EL2 = "cnthctl_el2": write;
    CNTHPS_CTL_EL2 = "s3_4_c14_c5_1": write;
    CNTHPS_CVAL_EL2 = "s3_4_c14_c5_2": write;
    CNTFRQ_EL0 = "cntfrq_el0": read;
    CNTPCT_EL0 = "cntpct_el0": read;
    CNTVOFF_EL2 = "cntvoff_el2": write;
    CPTR_EL2 = "cptr_el2": write;
    CTR_EL0 = "ctr_el0": read;
    ESR_EL2 = "esr_el2": read;
    FAR_EL2 = "far_el2": read;
    HCR_EL2 = "hcr_el2": write;
    HCRX_EL2 = "s3_4_c1_c2_2": read write;
    HDFGRTR_EL2 = "s3_4_c3_c1_4": write;
    HDFGRTR2_EL2 = "s3_4_c3_c1_0": write;
    HDFGWTR_EL2 = "s3_4_c3_c1_5": write;
    HDFGWTR2_EL2 = "s3_4_c3_c1_1": write;
    HFGITR_EL2 = "s3_4_c1_c1_6": write;
    HFGITR2_EL2 = "s3_4_c3_c1_7": write;
    HFGRTR_EL2 = "s3_4_c1_c1_4": read write;
    HFGRTR2_EL2 = "s3_4_c3_c1_2": read write;
    HFGWTR_EL2 = "s3_4_c1_c1_5": write;
    HFGWTR2_EL2 = "s3_4_c3_c1_3": write;
    HPFAR_EL2 = "hpfar_el2": read;
    HSTR_EL2 = "hstr_el2": write;
    ICC_ASGI1R_EL1 = "s3_0_c12_c11_6": write;
    ICC_CTLR_EL1 = "s3_0_c12_c12_4": read write;
    ICC_EOIR1_EL1 = "s3_0_c12_c12_1": write;
    ICC_HPPIR0_EL1 = "s3_0_c12_c8_2": read;
    ICC_IAR1_EL1 = "s3_0_c12_c12_0": read;
    ICC_PMR_EL1 = "s3_0_c4_c6_0": write;
    ICC_SGI1R_EL1 = "s3_0_c12_c11_5": write;
    ICC_SRE_EL2 = "s3_4_c12_c9_5": read write;
    ICH_HCR_EL2 = "s3_4_c12_c11_0": write;
    ID_AA64DFR0_EL1 = "id_aa64dfr0_el1": read;
    ID_AA64MMFR0_EL1 = "id_aa64mmfr0_el1": read;
    ID_AA64MMFR1_EL1 = "id_aa64mmfr1_el1": read;
    ID_AA64PFR0_EL1 = "id_aa64pfr0_el1": read;
    ID_AA64PFR1_EL1 = "id_aa64pfr1_el1": read;
    ID_AA64ISAR1_EL1 = "id_aa64isar1_el1": read;
    ID_AA64ISAR2_EL1 = "s3_0_c0_c6_2": read;
    ID_AA64SMFR0_EL1 = "s3_0_c0_c4_5": read;
    MDCR_EL2 = "mdcr_el2": write;
    MIDR_EL1 = "midr_el1": read;
    MPAM2_EL2 = "s3_4_c10_c5_0": read write;
    MPIDR_EL1 = "mpidr_el1": read;
    PMCR_EL0 = "pmcr_el0": read;
    SMCR_EL2 = "s3_4_c1_c2_6": read write;
    SVCR = "s3_3_c4_c2_2": read write;
    FPMR = "s3_3_c4_c4_2": read write;
    TPIDR_EL2 = "tpidr_el2": read;
    VBAR_EL1 = "vbar_el1": read;
    VMPIDR_EL2 = "vmpidr_el2": write;
    VPIDR_EL2 = "vpidr_el2": write;
    VSTCR_EL2 = "s3_4_c2_c6_2": write;
    VSTTBR_EL2 = "s3_4_c2_c6_0": read write;
    VTCR_EL2 = "vtcr_el2": write;
    VTTBR_EL2 = "vttbr_el2": read write;
    ZCR_EL1 = "s3_0_c1_c2_0": read write;
    ZCR_EL2 = "s3_4_c1_c2_0": read write;
}

/// Waits until system-register writes so far are in effect.
#[inline(always)]
pub(crate) fn isb() {
    // SAFETY: a barrier has no other effect.
    unsafe { core::arch::asm!("isb", options(nostack, preserves_flags)) }
}

register_bitfields! [u64,
    /// Hypervisor Configuration Register, layout with E2H = 0 (Arm ARM D24.2.55).
    pub(crate) HCR [
        /// Stage 2 translation of EL1&0.
        VM OFFSET(0) NUMBITS(1) [],
        /// Set/way invalidation also cleans.
        SWIO OFFSET(1) NUMBITS(1) [],
        /// FIQ, IRQ and SError go to EL2 while a lower level runs.
        FMO OFFSET(3) NUMBITS(1) [],
        IMO OFFSET(4) NUMBITS(1) [],
        AMO OFFSET(5) NUMBITS(1) [],
        /// Virtual FIQ and IRQ are pending.
        VF OFFSET(6) NUMBITS(1) [],
        VI OFFSET(7) NUMBITS(1) [],
        /// EL1's TLB and instruction-cache maintenance is broadcast.
        FB OFFSET(9) NUMBITS(1) [],
        /// EL1's barriers reach at least the inner shareable domain (1).
        BSU OFFSET(10) NUMBITS(2) [],
        /// Without a stage 1 memory is normal and write-back.
        DC OFFSET(12) NUMBITS(1) [],
        /// Traps: WFI, WFE, ID registers, SMC, implementation-defined registers, ACTLR_EL1, set/way maintenance.
        TWI OFFSET(13) NUMBITS(1) [],
        TWE OFFSET(14) NUMBITS(1) [],
        TID3 OFFSET(18) NUMBITS(1) [],
        TSC OFFSET(19) NUMBITS(1) [],
        TIDCP OFFSET(20) NUMBITS(1) [],
        TACR OFFSET(21) NUMBITS(1) [],
        TSW OFFSET(22) NUMBITS(1) [],
        /// EL0's exceptions go to EL2; there is no stage 1 and no EL1.
        TGE OFFSET(27) NUMBITS(1) [],
        /// EL1 is AArch64.
        RW OFFSET(31) NUMBITS(1) [],
        /// Traps: LORegion registers, error records.
        TLOR OFFSET(35) NUMBITS(1) [],
        TERR OFFSET(36) NUMBITS(1) [],
        /// Pointer authentication keys, and its instructions, are *not* trapped.
        APK OFFSET(40) NUMBITS(1) [],
        API OFFSET(41) NUMBITS(1) [],
        /// Trap of GMID_EL1.
        TID5 OFFSET(58) NUMBITS(1) []
    ],
    /// Architectural Feature Trap Register, layout with E2H = 0 (Arm ARM D24.2.33).
    pub(crate) CPTR [
        /// Reserved, reads as one.
        RES1_LOW OFFSET(0) NUMBITS(8) [],
        /// Traps of SVE, FP and SIMD, SME; all at EL2 too. Reserved as one without SVE or SME.
        TZ OFFSET(8) NUMBITS(1) [],
        RES1_9 OFFSET(9) NUMBITS(1) [],
        TFP OFFSET(10) NUMBITS(1) [],
        TSM OFFSET(12) NUMBITS(1) [],
        RES1_13 OFFSET(13) NUMBITS(1) [],
        /// Traps of trace and activity monitor registers.
        TTA OFFSET(20) NUMBITS(1) [],
        TAM OFFSET(30) NUMBITS(1) []
    ],
    /// Monitor Debug Configuration Register (Arm ARM D24.3.13).
    pub(crate) MDCR [
        /// Event counters that EL1 may use.
        HPMN OFFSET(0) NUMBITS(5) [],
        /// Traps: PMCR, all PMU registers, debug, OS lock and ROM address registers, profiling, trace filter.
        TPMCR OFFSET(5) NUMBITS(1) [],
        TPM OFFSET(6) NUMBITS(1) [],
        TDA OFFSET(9) NUMBITS(1) [],
        TDOSA OFFSET(10) NUMBITS(1) [],
        TDRA OFFSET(11) NUMBITS(1) [],
        TPMS OFFSET(14) NUMBITS(1) [],
        TTRF OFFSET(19) NUMBITS(1) []
    ],
    /// Hyp control of the GIC's virtual CPU interface (GICv3, IHI 0069, 12.4.5).
    pub(crate) ICH_HCR [
        /// Traps of the common, group 0 and group 1 registers from EL1.
        TC OFFSET(10) NUMBITS(1) [],
        TALL0 OFFSET(11) NUMBITS(1) [],
        TALL1 OFFSET(12) NUMBITS(1) []
    ],
    /// Virtualization Translation Control Register (Arm ARM D24.2.206); VSTCR_EL2 has the first fields alike.
    pub(crate) VTCR [
        /// 64 minus the size of the IPA in bits.
        T0SZ OFFSET(0) NUMBITS(6) [],
        /// Start level of the walk: 1 = level 1, 2 = level 0.
        SL0 OFFSET(6) NUMBITS(2) [],
        /// Walks: inner and outer write-back, inner shareable.
        IRGN0 OFFSET(8) NUMBITS(2) [],
        ORGN0 OFFSET(10) NUMBITS(2) [],
        SH0 OFFSET(12) NUMBITS(2) [],
        /// Size of physical addresses, as in ID_AA64MMFR0_EL1.PARange.
        PS OFFSET(16) NUMBITS(3) [],
        /// The tables for non-secure IPAs lie in non-secure memory.
        NSW OFFSET(29) NUMBITS(1) [],
        /// Non-secure IPAs lead to non-secure memory.
        NSA OFFSET(30) NUMBITS(1) [],
        RES1 OFFSET(31) NUMBITS(1) []
    ]
];
