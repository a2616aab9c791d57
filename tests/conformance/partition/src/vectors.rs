// SPDX-License-Identifier: Apache-2.0 OR MIT
//! V0 to V31 of this endpoint, which no code of its own uses otherwise.
#![expect(unsafe_code, reason = "registers that the compiler does not know")]

use core::arch::global_asm;

/// All of them, by halves.
type Vectors = [u64; 64];

global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd
    .section .text.vectors, "ax"
conformance_store_vectors:
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
conformance_load_vectors:
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
"#
);

unsafe extern "C" {
    fn conformance_store_vectors(to: *mut Vectors);
    fn conformance_load_vectors(from: *const Vectors);
}

/// What they hold after [`fill`].
fn values(word: u64) -> Vectors {
    core::array::from_fn(|half| word.wrapping_mul(2 * half as u64 + 1))
}

/// Fills them with values that follow from `word`.
pub(crate) fn fill(word: u64) {
    let values = values(word);
    // SAFETY: reads an array of the size of all registers; the compiler uses none of them.
    unsafe { conformance_load_vectors(&raw const values) }
}

/// Tells how many halves hold the values of `word`.
pub(crate) fn held(word: u64) -> u64 {
    let mut seen = [0; 64];
    // SAFETY: writes an array of the size of all registers.
    unsafe { conformance_store_vectors(&raw mut seen) };
    seen.iter().zip(values(word)).filter(|(seen, value)| **seen == *value).count() as u64
}
