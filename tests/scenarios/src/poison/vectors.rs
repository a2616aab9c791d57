// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SVE's registers at their greatest length, and FP's status (Arm ARM, B1.2; a write to V clears the rest of Z).
#![expect(unsafe_code, reason = "vector registers are loaded and stored by assembly")]

use core::{arch::global_asm, cell::UnsafeCell};
use nwd::random::Random;

/// The greatest vector length that SVE has, in bytes.
pub(super) const MAX_VECTOR: usize = 256;
/// Z0–Z31, P0–P15 and FFR one after the other, each at the greatest length.
const IMAGE: usize = 32 * MAX_VECTOR + 17 * MAX_VECTOR / 8;

/// Memory that the assembly loads from and stores to.
#[repr(C, align(256))]
struct Image(UnsafeCell<[u8; IMAGE]>);

// SAFETY: only the first core runs scenarios, one after the other.
unsafe impl Sync for Image {}

static FILLED: Image = Image(UnsafeCell::new([0; IMAGE]));
static FOUND: Image = Image(UnsafeCell::new([0; IMAGE]));

global_asm!(
    r#"
    .section .text.vectors_poison, "ax"
    .arch_extension sve
    .arch_extension sme
// x0: 1 where this core has SVE.
scenarios_has_sve:
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #32, #4
    cmp     x0, #0
    cset    x0, ne
    ret
// Sets the greatest length; x0: that length in bytes.
scenarios_vector_length:
    mov     x9, #0xf
    msr     S3_4_C1_C2_0, x9        // ZCR_EL2
    isb
    rdvl    x0, #1
    ret
// x0: image to load Z, FFR and P from, x1: FPCR and FPSR.
scenarios_load_vectors:
    rdvl    x9, #1                  // bytes of a Z register
    add     x10, x0, x9, lsl #5     // P registers behind 32 of them
    ldr     p0, [x10, #16, mul vl]
    wrffr   p0.b
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    ldr     p\n, [x10, #\n, mul vl]
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ldr     z\n, [x0, #\n, mul vl]
    .endr
    and     x9, x1, #0x03c00000     // FPCR: rounding mode, flush to zero, default NaN
    msr     fpcr, x9
    and     x9, x1, #0x0000001f     // FPSR: cumulative exceptions
    msr     fpsr, x9
    ret
// x0: image to store to. Returns x0: FPCR and FPSR.
scenarios_store_vectors:
    rdvl    x9, #1
    add     x10, x0, x9, lsl #5
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    str     p\n, [x10, #\n, mul vl]
    .endr
    rdffr   p0.b
    str     p0, [x10, #16, mul vl]
    ldr     p0, [x10]
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    str     z\n, [x0, #\n, mul vl]
    .endr
    mrs     x9, fpcr
    mrs     x10, fpsr
    orr     x0, x9, x10
    ret
"#
);

unsafe extern "C" {
    fn scenarios_has_sve() -> u64;
    fn scenarios_vector_length() -> u64;
    fn scenarios_load_vectors(image: *const u8, status: u64);
    fn scenarios_store_vectors(image: *mut u8) -> u64;
}

const STATUS_BITS: u64 = 0x03c0_001f;

/// Returns the greatest vector length in bytes, or `None` without SVE.
pub(super) fn length() -> Option<usize> {
    // SAFETY: reads an ID register.
    if unsafe { scenarios_has_sve() } == 0 {
        return None;
    }
    // SAFETY: the core has SVE, whose traps entry code switched off; nothing here depends on the length.
    let length = unsafe { scenarios_vector_length() };
    usize::try_from(length).ok().filter(|length| *length <= MAX_VECTOR)
}

/// Bytes of an image at a vector length: that of Z registers, and that with P registers and FFR.
fn sizes(length: usize) -> (usize, usize) {
    (32 * length, 32 * length + 17 * length / 8)
}

/// Fills all registers. Returns how many they are.
pub(super) fn fill(pattern: u64) -> Option<usize> {
    let length = length()?;
    let (vectors, all) = sizes(length);
    // SAFETY: only this core and this module use the image, and no other reference to it is alive.
    let image = unsafe { &mut *FILLED.0.get() };
    Random::new(pattern).fill(image.get_mut(..all)?);
    // FFR holds a run of ones from bit 0 on, or nothing that can be read back is promised (Arm ARM, FFR).
    for (index, byte) in image.get_mut(vectors + 16 * (length / 8)..all)?.iter_mut().enumerate() {
        *byte = if index < length / 16 { 0xff } else { 0 };
    }
    // SAFETY: the image is as large as the registers are at this length; nothing in this program uses them.
    unsafe { scenarios_load_vectors(image.as_ptr(), pattern) };
    Some(32 + 16 + 3)
}

/// Returns what is no longer as it was filled.
pub(super) fn changed(pattern: u64) -> Option<&'static str> {
    let Some(length) = length() else { return Some("the vector length") };
    let (vectors, all) = sizes(length);
    // SAFETY: only this core and this module use the image, and no other reference to it is alive.
    let found = unsafe { &mut *FOUND.0.get() };
    // SAFETY: as above; it is only read here.
    let filled = unsafe { &*FILLED.0.get() };
    // SAFETY: the image is as large as the registers are at this length.
    let status = unsafe { scenarios_store_vectors(found.as_mut_ptr()) };
    let predicates = vectors + 16 * (length / 8);
    if found.get(..vectors) != filled.get(..vectors) {
        Some("a Z register")
    } else if found.get(vectors..predicates) != filled.get(vectors..predicates) {
        Some("a P register")
    } else if found.get(predicates..all) != filled.get(predicates..all) {
        Some("FFR")
    } else if status & STATUS_BITS != pattern & STATUS_BITS {
        Some("FPCR or FPSR")
    } else {
        None
    }
}
