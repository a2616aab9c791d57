// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FP, SIMD and SVE registers: exchanged when a partition first uses them, and back before the normal world goes on.
//!
//! They are exchanged at the largest vector length that EL3 allows, whatever lengths the worlds chose: the upper part of
//! a Z register is lost by any write to its V register. ZCR_EL2 and SMCR_EL2 belong to the normal world's hypervisor
//! (TF-A does not switch them), so they are kept too. SME is denied to partitions: if the normal world called in
//! streaming mode, that mode is left, and entered again with its registers; ZA and ZT0 are not touched.
#![expect(unsafe_code, reason = "exchanges registers of lower levels by assembly")]

use core::ptr::NonNull;

use super::features::Features;
use super::sysreg::{CPTR_EL2, FPMR, SMCR_EL2, SVCR, ZCR_EL1, ZCR_EL2, isb};

core::arch::global_asm!(include_str!("fp_context.s"));

unsafe extern "C" {
    fn vectors_save_sve(buffer: NonNull<u8>, with_ffr: u64);
    fn vectors_load_sve(buffer: NonNull<u8>, with_ffr: u64);
    fn vectors_save_simd(buffer: NonNull<u8>);
    fn vectors_load_simd(buffer: NonNull<u8>);
}

/// Largest Z register, in bytes (Arm ARM A1.4: 2048 bits).
const MAX_Z_BYTES: usize = 256;
/// 32 Z registers, 16 predicates and FFR of an eighth of a Z register each.
const VECTOR_BYTES: usize = 32 * MAX_Z_BYTES + 17 * (MAX_Z_BYTES / 8);
/// ZCR_ELx.LEN and SMCR_ELx.LEN: as long as the level above allows.
const LONGEST: u64 = 0xf;
/// SMCR_ELx.FA64, bit 31: all SVE instructions, FFR included, in streaming mode.
const SMCR_FA64: u64 = 1 << 31;
/// SVCR.SM, bit 0: streaming mode.
const SVCR_SM: u64 = 1;

/// One context's values.
#[repr(C, align(16))]
pub(crate) struct FpContext {
    vectors: [u8; VECTOR_BYTES],
    fpcr: u64,
    fpsr: u64,
    zcr_el1: u64,
    zcr_el2: u64,
    svcr: u64,
    fpmr: u64,
}

impl FpContext {
    /// A context that never used them: all zero.
    pub(crate) const RESET: Self =
        Self { vectors: [0; VECTOR_BYTES], fpcr: 0, fpsr: 0, zcr_el1: 0, zcr_el2: 0, svcr: 0, fpmr: 0 };

    /// Makes it [`Self::RESET`], which is too large to be copied.
    pub(crate) fn reset(&mut self) {
        let Self { vectors, fpcr, fpsr, zcr_el1, zcr_el2, svcr, fpmr } = self;
        vectors.fill(0);
        (*fpcr, *fpsr, *zcr_el1, *zcr_el2, *svcr, *fpmr) = (0, 0, 0, 0, 0, 0);
    }

    /// Lets the context choose any vector length up to the longest that EL3 allows.
    pub(crate) const fn allow_longest(&mut self) {
        self.zcr_el2 = LONGEST;
    }

    /// As [`Self::allow_longest`], for a partition without an EL1 that would choose.
    pub(crate) const fn allow_longest_at_el0(&mut self) {
        self.allow_longest();
        self.zcr_el1 = LONGEST;
    }

    fn buffer(&mut self) -> NonNull<u8> {
        NonNull::from(&mut self.vectors).cast()
    }

    fn streaming(&self) -> bool {
        self.svcr & SVCR_SM != 0
    }

    /// Stores what the registers hold and leaves streaming mode. CPTR_EL2 must be open.
    fn save(&mut self, features: &Features) {
        let buffer = self.buffer();
        self.svcr = if features.sme { SVCR::read() } else { 0 };
        (self.fpcr, self.fpsr) = status();
        if features.fpmr {
            self.fpmr = FPMR::read();
        }
        if features.sve {
            self.zcr_el1 = ZCR_EL1::read();
            self.zcr_el2 = ZCR_EL2::read();
            // SAFETY: vector lengths do not concern spm's own code, which uses no vectors.
            unsafe { ZCR_EL2::write(LONGEST) };
        }
        if self.streaming() {
            at_longest_streaming_length(|smcr| {
                let ffr = features.sme_fa64 && smcr & SMCR_FA64 != 0;
                // SAFETY: the buffer holds the registers at the architecture's largest length.
                unsafe { vectors_save_sve(buffer, u64::from(ffr)) };
            });
            // SAFETY: leaving streaming mode only clears vector registers, which were just stored.
            unsafe { SVCR::write(self.svcr & !SVCR_SM) };
        } else if features.sve {
            isb();
            // SAFETY: as above.
            unsafe { vectors_save_sve(buffer, 1) };
        } else {
            // SAFETY: as above.
            unsafe { vectors_save_simd(buffer) };
        }
    }

    /// Puts these values into the registers. CPTR_EL2 must be open and streaming mode off.
    fn load(&mut self, features: &Features) {
        let buffer = self.buffer();
        if self.streaming() {
            // SAFETY: spm uses no vectors; ZA was on before if the value says so, and stayed on.
            unsafe { SVCR::write(self.svcr) };
            at_longest_streaming_length(|smcr| {
                let ffr = features.sme_fa64 && smcr & SMCR_FA64 != 0;
                // SAFETY: the buffer was filled at this same length.
                unsafe { vectors_load_sve(buffer, u64::from(ffr)) };
            });
        } else if features.sve {
            // SAFETY: spm uses no vectors.
            unsafe { ZCR_EL2::write(LONGEST) };
            isb();
            // SAFETY: the buffer was filled at this same length, the largest that EL3 allows.
            unsafe { vectors_load_sve(buffer, 1) };
        } else {
            // SAFETY: the buffer holds 32 registers of 16 bytes.
            unsafe { vectors_load_simd(buffer) };
        }
        if features.sve {
            // SAFETY: spm uses no vectors.
            unsafe { ZCR_EL1::write(self.zcr_el1) };
            // SAFETY: as above.
            unsafe { ZCR_EL2::write(self.zcr_el2) };
        }
        // Last: entering and leaving streaming mode sets these.
        set_status(self.fpcr, self.fpsr);
        if features.fpmr {
            // SAFETY: spm uses no vectors.
            unsafe { FPMR::write(self.fpmr) };
        }
    }
}

/// Runs `transfer` at the largest streaming vector length and gives it SMCR_EL2, which it leaves as it was.
fn at_longest_streaming_length(transfer: impl FnOnce(u64)) {
    let smcr = SMCR_EL2::read();
    // SAFETY: spm uses no vectors.
    unsafe { SMCR_EL2::write(smcr | LONGEST) };
    isb();
    transfer(smcr);
    // SAFETY: the value that was in force before.
    unsafe { SMCR_EL2::write(smcr) };
}

/// Stores the registers into `from` and fills them from `to`. The caller sets the traps that hold afterwards.
pub(crate) fn exchange(from: &mut FpContext, to: &mut FpContext, features: &Features) {
    // SAFETY: only this function uses vector registers while they are open.
    unsafe { CPTR_EL2::write(features.cptr_open()) };
    isb();
    from.save(features);
    to.load(features);
}

/// Lets the partition use vector registers without a trap.
pub(crate) fn open_vectors(features: &Features) {
    // SAFETY: the registers hold the partition's values.
    unsafe { CPTR_EL2::write(features.cptr_vectors()) };
}

/// Makes a partition's first use of vector registers trap, and any use of SME.
#[inline(always)]
pub(crate) fn close(features: &Features) {
    // SAFETY: takes from what a partition may do.
    unsafe { CPTR_EL2::write(features.cptr_closed()) };
}

/// Lets spm look at the streaming mode. No partition may run like this.
#[inline(always)]
pub(crate) fn open_streaming(features: &Features) {
    // SAFETY: only concerns this core while spm itself runs.
    unsafe { CPTR_EL2::write(features.cptr_resting()) };
}

/// Tells whether the normal world called in streaming mode. Only on a CPU with SME, and after [`open_streaming`].
#[inline(always)]
pub(crate) fn is_streaming() -> bool {
    SVCR::read() & SVCR_SM != 0
}

fn status() -> (u64, u64) {
    let (fpcr, fpsr);
    // SAFETY: FP access is open; reading has no side effect.
    unsafe {
        core::arch::asm!("mrs {0}, s3_3_c4_c4_0", "mrs {1}, s3_3_c4_c4_1", out(reg) fpcr, out(reg) fpsr, options(nomem, nostack));
    }
    (fpcr, fpsr)
}

fn set_status(fpcr: u64, fpsr: u64) {
    // SAFETY: FP access is open; spm uses no FP that these could affect.
    unsafe {
        core::arch::asm!("msr s3_3_c4_c4_0, {0}", "msr s3_3_c4_c4_1, {1}", in(reg) fpcr, in(reg) fpsr, options(nomem, nostack));
    }
}
