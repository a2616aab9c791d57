// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which optional parts of the architecture this CPU has and EL3 lets S-EL2 use, found once while the core boots.
#![expect(unsafe_code, reason = "a probe of a write")]

use tock_registers::fields::FieldValue;

use super::probe::works;
use super::sysreg::{
    CPTR, FPMR, HCRX_EL2, HFGRTR_EL2, HFGRTR2_EL2, ID_AA64DFR0_EL1, ID_AA64ISAR1_EL1, ID_AA64ISAR2_EL1,
    ID_AA64MMFR0_EL1, ID_AA64MMFR1_EL1, ID_AA64PFR0_EL1, ID_AA64PFR1_EL1, ID_AA64SMFR0_EL1, MPAM2_EL2,
};

/// What a core has. Fields are the architecture's names, in short.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Features {
    /// Size of a physical address in bits, at most 48: spm's tables describe no more.
    pub(crate) pa_bits: u8,
    /// Secure EL2.
    pub(crate) sel2: bool,
    /// Scalable vectors.
    pub(crate) sve: bool,
    /// Scalable matrices, and the full instruction set in streaming mode.
    pub(crate) sme: bool,
    pub(crate) sme_fa64: bool,
    /// FPMR, the mode of 8-bit floating point.
    pub(crate) fpmr: bool,
    /// Pointer authentication whose keys EL3 does not trap.
    pub(crate) pauth: bool,
    /// Fine-grained traps, the first and the second set.
    pub(crate) fgt: bool,
    pub(crate) fgt2: bool,
    /// HCRX_EL2.
    pub(crate) hcx: bool,
    /// LORegions; error records; memory tagging's ID register; resource partitioning; activity monitors.
    pub(crate) lor: bool,
    pub(crate) ras: bool,
    pub(crate) mte: bool,
    pub(crate) mpam: bool,
    pub(crate) amu: bool,
    /// The performance monitors.
    pub(crate) pmu: bool,
    /// The GIC's CPU interface by system registers.
    pub(crate) gic: bool,
    /// Something that only fine-grained traps can keep partitions from: SME's TPIDR2_EL0, branch records, 64-byte
    /// stores with status, permission indirection.
    pub(crate) needs_fgt: bool,
}

/// A four-bit field of an ID register.
fn field(register: u64, lowest_bit: u32) -> u64 {
    register.unbounded_shr(lowest_bit) & 0xf
}

impl Features {
    /// Reads the ID registers and tries out what they do not tell.
    pub(crate) fn detect() -> Self {
        // Fields: Arm ARM D24.2, the register's section.
        let pfr0 = ID_AA64PFR0_EL1::read();
        let pfr1 = ID_AA64PFR1_EL1::read();
        let isar1 = ID_AA64ISAR1_EL1::read();
        let isar2 = ID_AA64ISAR2_EL1::read();
        let mmfr0 = ID_AA64MMFR0_EL1::read();
        let mmfr1 = ID_AA64MMFR1_EL1::read();
        let dfr0 = ID_AA64DFR0_EL1::read();
        let sme = field(pfr1, 24) != 0;
        let pmu = !matches!(field(dfr0, 8), 0 | 0xf);
        // APA, API, GPA, GPI; GPA3, APA3.
        let pauth = [4, 8, 24, 28].iter().any(|&bit| field(isar1, bit) != 0)
            || [8, 12].iter().any(|&bit| field(isar2, bit) != 0);
        let fgt = field(mmfr0, 56);
        let branch_records = field(dfr0, 52) != 0;
        let status_stores = field(isar1, 60) >= 3;
        Self {
            pa_bits: physical_address_bits(field(mmfr0, 0)),
            sel2: field(pfr0, 36) != 0,
            sve: field(pfr0, 32) != 0,
            sme,
            sme_fa64: sme && ID_AA64SMFR0_EL1::read() >> 63 != 0,
            fpmr: field(super::id_registers::read(4, 2), 32) != 0 && works(|| _ = FPMR::read()),
            pauth: pauth && works(read_a_pointer_key),
            fgt: fgt >= 1 && works(|| _ = HFGRTR_EL2::read()),
            fgt2: fgt >= 2 && works(|| _ = HFGRTR2_EL2::read()),
            hcx: field(mmfr1, 40) != 0 && works(|| _ = HCRX_EL2::read()),
            lor: field(mmfr1, 16) != 0,
            ras: field(pfr0, 28) != 0,
            mte: field(pfr1, 8) >= 2,
            mpam: (field(pfr0, 40) != 0 || field(pfr1, 16) != 0) && works(|| _ = MPAM2_EL2::read()),
            amu: field(pfr0, 44) != 0,
            pmu,
            gic: field(pfr0, 24) != 0,
            needs_fgt: sme || branch_records || status_stores || permission_indirection(),
        }
    }

    /// CPTR_EL2 between calls: as `cptr_closed`, but spm can see the streaming mode.
    pub(crate) fn cptr_resting(&self) -> u64 {
        if self.sme { self.cptr_closed() & !CPTR::TSM::SET.value } else { self.cptr_closed() }
    }

    /// CPTR_EL2 with every trap that a partition starts with.
    #[inline(always)]
    pub(crate) fn cptr_closed(&self) -> u64 {
        self.cptr_base().value | CPTR::TFP::SET.value | CPTR::TZ::SET.value | CPTR::TSM::SET.value
    }

    /// CPTR_EL2 for a partition that has the vector registers: SME stays closed.
    pub(crate) fn cptr_vectors(&self) -> u64 {
        let sve = if self.sve { CPTR::TZ::CLEAR } else { CPTR::TZ::SET };
        self.cptr_base().value | sve.value | CPTR::TSM::SET.value
    }

    /// CPTR_EL2 for spm itself, while it exchanges vector registers.
    pub(crate) fn cptr_open(&self) -> u64 {
        let sve = if self.sve { CPTR::TZ::CLEAR } else { CPTR::TZ::SET };
        let sme = if self.sme { CPTR::TSM::CLEAR } else { CPTR::TSM::SET };
        self.cptr_base().value | sve.value | sme.value
    }

    fn cptr_base(&self) -> FieldValue<u64, CPTR::Register> {
        let monitors = if self.amu { CPTR::TAM::SET } else { CPTR::TAM::CLEAR };
        CPTR::RES1_LOW.val(0xff) + CPTR::RES1_9::SET + CPTR::RES1_13::SET + CPTR::TTA::SET + monitors
    }
}

/// ID_AA64MMFR0_EL1.PARange in bits; what needs other tables than spm's is cut down to 48.
fn physical_address_bits(range: u64) -> u8 {
    match range {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// ID_AA64MMFR3_EL1: permission indirection and overlays of stage 1 (S1PIE, S1POE), further memory attributes (AIE).
fn permission_indirection() -> bool {
    let mmfr3 = super::id_registers::read(7, 3);
    [8, 16, 24].iter().any(|&bit| field(mmfr3, bit) != 0)
}

fn read_a_pointer_key() {
    // SAFETY: reading a key has no side effect.
    unsafe { core::arch::asm!("mrs {0}, s3_0_c2_c1_0", out(reg) _, options(nostack)) }
}
