// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FP, SIMD and SVE (class 1): Z0 to Z31, P0 to P15 and FFR at the largest vector length that this core gives us, or V0 to
//! V31 where there is no SVE; FPCR and FPSR.
//!
//! Bits of an answer: 0–31 Zn or Vn, 32–47 Pn, 48 FFR, 49 FPCR, 50 FPSR, 51 access was taken away, 52 the length changed.
#![expect(unsafe_code, reason = "vector registers exist in assembly only")]

use core::arch::{asm, global_asm};

use super::access::{allow, allowed, field, pfr0};

/// The largest vector length of the architecture, in bytes.
const MAX_BYTES: usize = 256;
const REGISTERS: usize = 32;
const PREDICATES: usize = 16;
/// CPACR_EL1.FPEN and ZEN: no traps.
const FP_ALLOWED: u64 = 3 << 20;
const SVE_ALLOWED: u64 = 3 << 16;
/// The largest value of ZCR_EL1.LEN: every implementation rounds it down to what it has.
const ZCR_MAX: u64 = 0xf;
/// FPCR.RMode and FPSR.QC with the cumulative exception bits.
const FPCR_BITS: u64 = 0b11 << 22;
const FPSR_BITS: u64 = 1 << 27 | 0x9f;

global_asm!(include_str!("vector.S"));

unsafe extern "C" {
    fn sp_simd_load(registers: *const u8);
    fn sp_simd_store(registers: *mut u8);
    fn sp_sve_load(registers: *const u8, predicates: *const u8, elements: u64);
    fn sp_sve_store(registers: *mut u8, predicates: *mut u8);
    safe fn sp_sve_bytes() -> u64;
}

/// Memory for all vector registers, and how they were when they were filled.
#[repr(C, align(16))]
pub(super) struct Image {
    registers: [u8; REGISTERS * MAX_BYTES],
    /// The predicates, then FFR: one bit for each byte of a vector.
    predicates: [u8; (PREDICATES + 1) * MAX_BYTES / 8],
    /// Bytes of a vector when they were filled.
    length: u64,
}

impl Image {
    pub(super) const fn new() -> Self {
        Self {
            registers: [0; REGISTERS * MAX_BYTES],
            predicates: [0; (PREDICATES + 1) * MAX_BYTES / 8],
            length: 0,
        }
    }

    /// Writes into memory what the registers are to hold.
    fn fill(&mut self, pattern: u64) {
        for (index, byte) in self.registers.iter_mut().chain(&mut self.predicates).enumerate() {
            *byte = expected_byte(pattern, index);
        }
    }
}

/// Fills the registers and returns the vector length in bytes: 16 without SVE, 0 without FP.
pub(super) fn poison(pattern: u64, image: &mut Image) -> u64 {
    image.length = reach_largest_length();
    image.fill(pattern);
    match image.length {
        0 => {}
        // SAFETY: the image has room for 32 registers, and code compiled from Rust uses none of them.
        16 if !has_sve() => unsafe { sp_simd_load(image.registers.as_ptr()) },
        // SAFETY: the image has room for 32 registers and 16 predicates of the largest length.
        _ => unsafe {
            sp_sve_load(
                image.registers.as_ptr(),
                image.predicates.as_ptr(),
                first_fault_elements(pattern, image.length),
            );
        },
    }
    if image.length != 0 {
        write_controls(pattern);
    }
    image.length
}

/// Compares the registers with what `pattern` filled them with.
pub(super) fn check(pattern: u64, image: &mut Image) -> u64 {
    let needed = if has_sve() { FP_ALLOWED | SVE_ALLOWED } else { FP_ALLOWED };
    if allowed() & needed != needed {
        return 1 << 51;
    }
    let length = if has_sve() { sp_sve_bytes() } else { 16 };
    if length != image.length {
        return 1 << 52;
    }
    image.registers.fill(0);
    image.predicates.fill(0);
    if has_sve() {
        // SAFETY: the image has room for 32 registers, 16 predicates and FFR of the largest length.
        unsafe { sp_sve_store(image.registers.as_mut_ptr(), image.predicates.as_mut_ptr()) };
    } else {
        // SAFETY: the image has room for 32 registers.
        unsafe { sp_simd_store(image.registers.as_mut_ptr()) };
    }
    let Ok(length) = usize::try_from(length) else { return u64::MAX };
    let mut bits = controls_differ(pattern) | differing_registers(pattern, &image.registers, length);
    if has_sve() {
        bits |= differing_predicates(pattern, &image.predicates, length);
    }
    bits
}

fn differing_registers(pattern: u64, registers: &[u8], length: usize) -> u64 {
    let mut bits = 0;
    for (number, register) in registers.chunks_exact(length).take(REGISTERS).enumerate() {
        let first = number * length;
        let intact =
            register.iter().enumerate().all(|(at, byte)| *byte == expected_byte(pattern, first + at));
        if !intact {
            bits |= 1 << number;
        }
    }
    bits
}

fn differing_predicates(pattern: u64, predicates: &[u8], length: usize) -> u64 {
    let size = length / 8;
    let mut bits = 0;
    for (number, predicate) in predicates.chunks_exact(size).take(PREDICATES).enumerate() {
        let first = REGISTERS * MAX_BYTES + number * size;
        let intact =
            predicate.iter().enumerate().all(|(at, byte)| *byte == expected_byte(pattern, first + at));
        if !intact {
            bits |= 1 << (32 + number);
        }
    }
    let elements = first_fault_elements(pattern, length as u64);
    let first_fault = predicates.chunks_exact(size).nth(PREDICATES).unwrap_or_default();
    let true_bits: u64 = first_fault.iter().map(|byte| u64::from(byte.count_ones())).sum();
    if true_bits != elements || first_fault.is_empty() {
        bits |= 1 << 48;
    }
    bits
}

/// FFR has to be a run of ones from the lowest element on: its length is what can vary.
const fn first_fault_elements(pattern: u64, length: u64) -> u64 {
    1 + pattern % length
}

fn expected_byte(pattern: u64, index: usize) -> u8 {
    let bytes = super::mixed(pattern, (index / 8) as u64).to_le_bytes();
    bytes.get(index % 8).copied().unwrap_or_default()
}

fn has_sve() -> bool {
    field(pfr0(), 32) == 1
}

/// Allows access and returns the vector length in bytes.
fn reach_largest_length() -> u64 {
    // ID_AA64PFR0_EL1.FP is 0xf where there is none.
    if field(pfr0(), 16) == 0xf {
        return 0;
    }
    allow(FP_ALLOWED);
    if !has_sve() {
        return 16;
    }
    allow(SVE_ALLOWED);
    // SAFETY: ZCR_EL1 (by its number) bounds the vector length, on which compiled code does not depend.
    unsafe { asm!("msr s3_0_c1_c2_0, {0}", "isb", in(reg) ZCR_MAX, options(nostack)) };
    sp_sve_bytes()
}

fn write_controls(pattern: u64) {
    let mixed = super::mixed(pattern, !0);
    // SAFETY: FPCR and FPSR (by number) concern floating point only, which compiled code does not use.
    unsafe {
        asm!(
            "msr s3_3_c4_c4_0, {0}",
            "msr s3_3_c4_c4_1, {1}",
            in(reg) mixed & FPCR_BITS, in(reg) mixed & FPSR_BITS, options(nostack),
        );
    }
}

fn controls_differ(pattern: u64) -> u64 {
    let (fpcr, fpsr): (u64, u64);
    // SAFETY: reading FPCR and FPSR has no effects.
    unsafe {
        asm!("mrs {0}, s3_3_c4_c4_0", "mrs {1}, s3_3_c4_c4_1", out(reg) fpcr, out(reg) fpsr, options(nostack))
    };
    let mixed = super::mixed(pattern, !0);
    let mut bits = 0;
    if fpcr & FPCR_BITS != mixed & FPCR_BITS {
        bits |= 1 << 49;
    }
    if fpsr & FPSR_BITS != mixed & FPSR_BITS {
        bits |= 1 << 50;
    }
    bits
}
