// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What EL2 lets a partition do: the trap and configuration registers of a core, set once. TF-A exchanges them with the
//! normal world's at each world switch.
//!
//! Closed here, so that nothing in them needs to be exchanged: debug, PMU, trace, profiling, activity monitors, the
//! physical timer, the GIC, LORegions, error records, implementation-defined registers, memory tagging, SME, and, by
//! HCRX_EL2 and the fine-grained traps, all newer EL1 registers: with all of their bits 0 a register named `n…` there is
//! trapped, and TCR2_EL1 and SCTLR2_EL1 are treated as 0 whatever the normal world put into them.
#![expect(unsafe_code, reason = "writes EL2 control registers")]

use spm_core::interrupts::Signals;

use super::features::Features;
use super::gic;
use super::sysreg::{
    CNTHCTL_EL2, CNTVOFF_EL2, CPTR_EL2, HCR, HCR_EL2, HCRX_EL2, HDFGRTR_EL2, HDFGRTR2_EL2, HDFGWTR_EL2,
    HDFGWTR2_EL2, HFGITR_EL2, HFGITR2_EL2, HFGRTR_EL2, HFGRTR2_EL2, HFGWTR_EL2, HFGWTR2_EL2, HSTR_EL2, MDCR,
    MDCR_EL2, MIDR_EL1, MPAM2_EL2, PMCR_EL0, VPIDR_EL2, isb,
};

/// CNTHCTL_EL2.EL1PCTEN: EL1 may read the physical counter. EL1PCEN, its timer, stays closed.
const COUNTER_READABLE: u64 = 1;
/// MPAM2_EL2.TRAPMPAM0EL1 and TRAPMPAM1EL1.
const MPAM_TRAPS: u64 = 0b11 << 48;

/// Returns HCR_EL2 for a partition; `keys` says whether it has the pointer authentication keys, `signals` what it is told.
#[inline(always)]
pub(crate) fn hcr(features: &Features, keys: bool, signals: Signals) -> u64 {
    let base = HCR::VM::SET
        + HCR::SWIO::SET
        + HCR::FMO::SET
        + HCR::IMO::SET
        + HCR::AMO::SET
        + HCR::FB::SET
        + HCR::BSU.val(1)
        + HCR::TWI::SET
        + HCR::TWE::SET
        + HCR::TID3::SET
        + HCR::TSC::SET
        + HCR::TIDCP::SET
        + HCR::TACR::SET
        + HCR::TSW::SET
        + HCR::RW::SET;
    let mut value = base.value;
    if features.lor {
        value |= HCR::TLOR::SET.value;
    }
    if features.ras {
        value |= HCR::TERR::SET.value;
    }
    if features.mte {
        value |= HCR::TID5::SET.value;
    }
    if signals.irq {
        value |= HCR::VI::SET.value;
    }
    if signals.fiq {
        value |= HCR::VF::SET.value;
    }
    if keys {
        value |= (HCR::APK::SET + HCR::API::SET).value;
    }
    value
}

/// As [`hcr`], for a partition at S-EL0: its exceptions go to EL2, stage 1 is off, and stage 2 alone protects the rest of the
/// machine (Arm ARM D24.2.55, TGE and DC with E2H = 0). It has no virtual interrupts.
pub(crate) fn hcr_application(features: &Features, keys: bool) -> u64 {
    hcr(features, keys, Signals::default()) | (HCR::TGE::SET + HCR::DC::SET).value
}

/// Sets all of them for this core.
pub(crate) fn initialise(features: &Features) {
    // SAFETY, for each write below: EL2's own translation and execution do not depend on these registers (E2H is 0), and
    // each value only takes from what a lower level may do.
    macro_rules! set {
        ($register:ident, $value:expr) => {
            // SAFETY: see above.
            unsafe { $register::write($value) }
        };
    }
    set!(HCR_EL2, hcr(features, false, Signals::default()));
    set!(CPTR_EL2, features.cptr_resting());
    set!(CNTHCTL_EL2, COUNTER_READABLE);
    set!(CNTVOFF_EL2, 0);
    set!(HSTR_EL2, 0);
    set!(VPIDR_EL2, MIDR_EL1::read());
    let counters = if features.pmu { (PMCR_EL0::read() >> 11) & 0x1f } else { 0 };
    let debug = MDCR::HPMN.val(counters)
        + MDCR::TPMCR::SET
        + MDCR::TPM::SET
        + MDCR::TDA::SET
        + MDCR::TDOSA::SET
        + MDCR::TDRA::SET
        + MDCR::TPMS::SET
        + MDCR::TTRF::SET;
    set!(MDCR_EL2, debug.value);
    if features.hcx {
        set!(HCRX_EL2, 0);
    }
    if features.fgt {
        set!(HFGRTR_EL2, 0);
        set!(HFGWTR_EL2, 0);
        set!(HFGITR_EL2, 0);
        set!(HDFGRTR_EL2, 0);
        set!(HDFGWTR_EL2, 0);
    }
    if features.fgt2 {
        set!(HFGRTR2_EL2, 0);
        set!(HFGWTR2_EL2, 0);
        set!(HFGITR2_EL2, 0);
        set!(HDFGRTR2_EL2, 0);
        set!(HDFGWTR2_EL2, 0);
    }
    if features.mpam {
        set!(MPAM2_EL2, MPAM2_EL2::read() | MPAM_TRAPS);
    }
    gic::initialise(features);
    isb();
}
