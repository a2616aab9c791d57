// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The EL1 and EL0 registers that both worlds and all partitions share, and that are exchanged at each world switch.
//!
//! TF-A switches none of them when the SPMC is at S-EL2. Not here, because a partition's access traps: ACTLR_EL1,
//! LORegions, error records, debug, PMU, trace, profiling, the physical timer, the GIC, memory tagging, SCXTNUM and all
//! that HCRX_EL2 and the fine-grained traps close (el2_control.rs); and, exchanged on first use, FP (fp_context.rs)
//! and pointer authentication keys (pac_keys.rs). CNTVOFF_EL2 and the rest of EL2 is exchanged by TF-A.
#![expect(unsafe_code, reason = "exchanges registers of lower levels by MRS and MSR")]

use super::gic::PMR_SECURE_ONLY;

macro_rules! register_pairs {
    ($($first:ident = $first_name:literal, $second:ident = $second_name:literal;)*) => {
        /// One world's values. Fields are named like the registers.
        #[repr(C)]
        pub(crate) struct El1Context {
            $(pub(crate) $first: u64, pub(crate) $second: u64,)*
        }

        impl El1Context {
            /// Values of a context that never ran: all zero.
            pub(crate) const RESET: Self = Self { $($first: 0, $second: 0,)* };

            /// Stores what the registers hold.
            #[inline(always)]
            pub(crate) fn save(&mut self) {
                // SAFETY: post-indexed stores fill this structure from its first field to its last: the macro makes
                // both in one order, and repr(C) keeps it. Reading these registers has no side effect.
                unsafe {
                    core::arch::asm!(
                        $(
                            concat!("mrs {first}, ", $first_name),
                            concat!("mrs {second}, ", $second_name),
                            "stp {first}, {second}, [{at}], #16",
                        )*
                        first = out(reg) _,
                        second = out(reg) _,
                        at = inout(reg) &raw mut *self => _,
                        options(nostack, preserves_flags)
                    );
                }
            }

            /// Puts these values into the registers. They take effect at the exception return that follows.
            #[inline(always)]
            pub(crate) fn load(&self) {
                // SAFETY: as in `save`; none of these registers affects execution at EL2.
                unsafe {
                    core::arch::asm!(
                        // It must fire neither on the compare value of before nor on the one that comes by the control of before.
                        "msr cntv_ctl_el0, xzr",
                        $(
                            "ldp {first}, {second}, [{at}], #16",
                            concat!("msr ", $first_name, ", {first}"),
                            concat!("msr ", $second_name, ", {second}"),
                        )*
                        first = out(reg) _,
                        second = out(reg) _,
                        at = inout(reg) &raw const *self => _,
                        options(nostack, preserves_flags)
                    );
                }
            }
        }
    };
}

register_pairs! {
    sctlr = "sctlr_el1", cpacr = "cpacr_el1";
    ttbr0 = "ttbr0_el1", ttbr1 = "ttbr1_el1";
    tcr = "tcr_el1", mair = "mair_el1";
    amair = "amair_el1", vbar = "vbar_el1";
    contextidr = "contextidr_el1", tpidr_el0 = "tpidr_el0";
    tpidr_el1 = "tpidr_el1", tpidrro_el0 = "tpidrro_el0";
    elr = "elr_el1", spsr = "spsr_el1";
    sp_el0 = "sp_el0", sp_el1 = "sp_el1";
    esr = "esr_el1", far = "far_el1";
    afsr0 = "afsr0_el1", afsr1 = "afsr1_el1";
    par = "par_el1", cntkctl = "cntkctl_el1";
    // The timer's compare value before its control, which is off meanwhile.
    csselr = "csselr_el1", cntv_cval = "cntv_cval_el0";
    cntv_ctl = "cntv_ctl_el0", pmr = "s3_0_c4_c6_0";
    // VDISR_EL2, which EL1 reaches as DISR_EL1, and VSESR_EL2: TF-A exchanges them with ENABLE_FEAT_RAS only.
    vdisr = "s3_4_c12_c1_1", vsesr = "s3_4_c5_c2_3";
}

/// SCTLR_EL1 with the MMU and the caches off: its bits that are reserved as one (Arm ARM D24.2.175).
pub(crate) const SCTLR_EL1_RESET: u64 = 0x30d0_0800;
/// PSTATE of a partition's first instruction: EL1 with its own stack pointer, all exceptions masked.
pub(crate) const SPSR_EL1_ENTRY: u64 = 0x3c5;
/// PSTATE of the first instruction of a partition at S-EL0: no exception masked, and EL0 cannot mask any.
pub(crate) const SPSR_EL0_ENTRY: u64 = 0;
/// SCTLR_EL1 while EL0 runs without an EL1: as at reset, and EL0 may read CTR_EL0 (UCT), maintain caches by address (UCI) and
/// zero by DC ZVA (DZE). All else that EL1 can allow it stays closed, pointer authentication among it, whose instructions do
/// nothing then.
const SCTLR_EL1_APPLICATION: u64 = SCTLR_EL1_RESET | 1 << 26 | 1 << 15 | 1 << 14;
/// CPACR_EL1: EL0's FP, SIMD (FPEN) and SVE (ZEN) are left to EL2's traps.
const CPACR_EL1_APPLICATION: u64 = 0b11 << 20 | 0b11 << 16;
/// CNTKCTL_EL1: EL0 may read both counters and use no timer (EL0PCTEN, EL0VCTEN).
const CNTKCTL_EL1_APPLICATION: u64 = 0b11;

impl El1Context {
    /// Returns what lets EL0 run without an EL1.
    pub(crate) const fn for_application() -> Self {
        Self {
            sctlr: SCTLR_EL1_APPLICATION,
            cpacr: CPACR_EL1_APPLICATION,
            cntkctl: CNTKCTL_EL1_APPLICATION,
            pmr: PMR_SECURE_ONLY,
            ..Self::RESET
        }
    }
}
