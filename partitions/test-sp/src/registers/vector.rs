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

global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd
    .arch_extension sve
    .section .text.sp_vector, "ax"

sp_simd_load:
    ldp     q0, q1, [x0, #0]
    ldp     q2, q3, [x0, #32]
    ldp     q4, q5, [x0, #64]
    ldp     q6, q7, [x0, #96]
    ldp     q8, q9, [x0, #128]
    ldp     q10, q11, [x0, #160]
    ldp     q12, q13, [x0, #192]
    ldp     q14, q15, [x0, #224]
    ldp     q16, q17, [x0, #256]
    ldp     q18, q19, [x0, #288]
    ldp     q20, q21, [x0, #320]
    ldp     q22, q23, [x0, #352]
    ldp     q24, q25, [x0, #384]
    ldp     q26, q27, [x0, #416]
    ldp     q28, q29, [x0, #448]
    ldp     q30, q31, [x0, #480]
    ret

sp_simd_store:
    stp     q0, q1, [x0, #0]
    stp     q2, q3, [x0, #32]
    stp     q4, q5, [x0, #64]
    stp     q6, q7, [x0, #96]
    stp     q8, q9, [x0, #128]
    stp     q10, q11, [x0, #160]
    stp     q12, q13, [x0, #192]
    stp     q14, q15, [x0, #224]
    stp     q16, q17, [x0, #256]
    stp     q18, q19, [x0, #288]
    stp     q20, q21, [x0, #320]
    stp     q22, q23, [x0, #352]
    stp     q24, q25, [x0, #384]
    stp     q26, q27, [x0, #416]
    stp     q28, q29, [x0, #448]
    stp     q30, q31, [x0, #480]
    ret

    // x0 = Z registers, x1 = P registers, x2 = elements that the first-fault register counts
sp_sve_load:
    whilelo p0.b, xzr, x2
    wrffr   p0.b
    ldr     z0, [x0, #0, mul vl]
    ldr     z1, [x0, #1, mul vl]
    ldr     z2, [x0, #2, mul vl]
    ldr     z3, [x0, #3, mul vl]
    ldr     z4, [x0, #4, mul vl]
    ldr     z5, [x0, #5, mul vl]
    ldr     z6, [x0, #6, mul vl]
    ldr     z7, [x0, #7, mul vl]
    ldr     z8, [x0, #8, mul vl]
    ldr     z9, [x0, #9, mul vl]
    ldr     z10, [x0, #10, mul vl]
    ldr     z11, [x0, #11, mul vl]
    ldr     z12, [x0, #12, mul vl]
    ldr     z13, [x0, #13, mul vl]
    ldr     z14, [x0, #14, mul vl]
    ldr     z15, [x0, #15, mul vl]
    ldr     z16, [x0, #16, mul vl]
    ldr     z17, [x0, #17, mul vl]
    ldr     z18, [x0, #18, mul vl]
    ldr     z19, [x0, #19, mul vl]
    ldr     z20, [x0, #20, mul vl]
    ldr     z21, [x0, #21, mul vl]
    ldr     z22, [x0, #22, mul vl]
    ldr     z23, [x0, #23, mul vl]
    ldr     z24, [x0, #24, mul vl]
    ldr     z25, [x0, #25, mul vl]
    ldr     z26, [x0, #26, mul vl]
    ldr     z27, [x0, #27, mul vl]
    ldr     z28, [x0, #28, mul vl]
    ldr     z29, [x0, #29, mul vl]
    ldr     z30, [x0, #30, mul vl]
    ldr     z31, [x0, #31, mul vl]
    ldr     p0, [x1, #0, mul vl]
    ldr     p1, [x1, #1, mul vl]
    ldr     p2, [x1, #2, mul vl]
    ldr     p3, [x1, #3, mul vl]
    ldr     p4, [x1, #4, mul vl]
    ldr     p5, [x1, #5, mul vl]
    ldr     p6, [x1, #6, mul vl]
    ldr     p7, [x1, #7, mul vl]
    ldr     p8, [x1, #8, mul vl]
    ldr     p9, [x1, #9, mul vl]
    ldr     p10, [x1, #10, mul vl]
    ldr     p11, [x1, #11, mul vl]
    ldr     p12, [x1, #12, mul vl]
    ldr     p13, [x1, #13, mul vl]
    ldr     p14, [x1, #14, mul vl]
    ldr     p15, [x1, #15, mul vl]
    ret

    // x0 = Z registers, x1 = P registers, then the first-fault register
sp_sve_store:
    str     z0, [x0, #0, mul vl]
    str     z1, [x0, #1, mul vl]
    str     z2, [x0, #2, mul vl]
    str     z3, [x0, #3, mul vl]
    str     z4, [x0, #4, mul vl]
    str     z5, [x0, #5, mul vl]
    str     z6, [x0, #6, mul vl]
    str     z7, [x0, #7, mul vl]
    str     z8, [x0, #8, mul vl]
    str     z9, [x0, #9, mul vl]
    str     z10, [x0, #10, mul vl]
    str     z11, [x0, #11, mul vl]
    str     z12, [x0, #12, mul vl]
    str     z13, [x0, #13, mul vl]
    str     z14, [x0, #14, mul vl]
    str     z15, [x0, #15, mul vl]
    str     z16, [x0, #16, mul vl]
    str     z17, [x0, #17, mul vl]
    str     z18, [x0, #18, mul vl]
    str     z19, [x0, #19, mul vl]
    str     z20, [x0, #20, mul vl]
    str     z21, [x0, #21, mul vl]
    str     z22, [x0, #22, mul vl]
    str     z23, [x0, #23, mul vl]
    str     z24, [x0, #24, mul vl]
    str     z25, [x0, #25, mul vl]
    str     z26, [x0, #26, mul vl]
    str     z27, [x0, #27, mul vl]
    str     z28, [x0, #28, mul vl]
    str     z29, [x0, #29, mul vl]
    str     z30, [x0, #30, mul vl]
    str     z31, [x0, #31, mul vl]
    str     p0, [x1, #0, mul vl]
    str     p1, [x1, #1, mul vl]
    str     p2, [x1, #2, mul vl]
    str     p3, [x1, #3, mul vl]
    str     p4, [x1, #4, mul vl]
    str     p5, [x1, #5, mul vl]
    str     p6, [x1, #6, mul vl]
    str     p7, [x1, #7, mul vl]
    str     p8, [x1, #8, mul vl]
    str     p9, [x1, #9, mul vl]
    str     p10, [x1, #10, mul vl]
    str     p11, [x1, #11, mul vl]
    str     p12, [x1, #12, mul vl]
    str     p13, [x1, #13, mul vl]
    str     p14, [x1, #14, mul vl]
    str     p15, [x1, #15, mul vl]
    rdffr   p0.b
    str     p0, [x1, #16, mul vl]
    ldr     p0, [x1]
    ret

sp_sve_bytes:
    rdvl    x0, #1
    ret

    .arch_extension nosve
    .arch_extension nosimd
    .arch_extension nofp
"#
);

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
