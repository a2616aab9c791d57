// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SME's streaming mode and its array ZA, at their greatest length (Arm ARM, B1.4).
#![expect(unsafe_code, reason = "ZA is loaded and stored by assembly")]

use super::vectors::MAX_VECTOR;
use core::{arch::global_asm, cell::UnsafeCell};
use nwd::random::Random;

/// ZA is a square of bytes.
const ARRAY: usize = MAX_VECTOR * MAX_VECTOR;
/// Z0–Z31 in streaming mode.
const VECTORS: usize = 32 * MAX_VECTOR;

#[repr(C, align(256))]
struct Image(UnsafeCell<[u8; ARRAY + VECTORS]>);

// SAFETY: only the first core runs scenarios, one after the other.
unsafe impl Sync for Image {}

static FILLED: Image = Image(UnsafeCell::new([0; ARRAY + VECTORS]));
static FOUND: Image = Image(UnsafeCell::new([0; ARRAY + VECTORS]));

global_asm!(
    r#"
    .section .text.streaming_poison, "ax"
    .arch_extension sve
    .arch_extension sme
// x0: 1 where this core has SME.
scenarios_has_sme:
    mrs     x0, id_aa64pfr1_el1
    ubfx    x0, x0, #24, #4
    cmp     x0, #0
    cset    x0, ne
    ret
// Sets the greatest streaming length; x0: that length in bytes.
scenarios_streaming_length:
    mov     x9, #0xf
    msr     S3_4_C1_C2_6, x9        // SMCR_EL2
    isb
    rdsvl   x0, #1
    ret
// x0: image to load ZA and then Z0-Z31 from. Leaves streaming mode on.
scenarios_load_streaming:
    smstart
    rdsvl   x9, #1
    mov     w12, #0
1:  ldr     za[w12, 0], [x0]
    add     x0, x0, x9
    add     w12, w12, #1
    cmp     w12, w9
    b.lo    1b
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ldr     z\n, [x0, #\n, mul vl]
    .endr
    ret
// x0: image to store to. Returns x0: SVCR, bit 0 streaming mode, bit 1 ZA.
scenarios_store_streaming:
    mrs     x10, S3_3_C4_C2_2       // SVCR
    cmp     x10, #3
    b.ne    3f
    rdsvl   x9, #1
    mov     w12, #0
2:  str     za[w12, 0], [x0]
    add     x0, x0, x9
    add     w12, w12, #1
    cmp     w12, w9
    b.lo    2b
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    str     z\n, [x0, #\n, mul vl]
    .endr
3:  mov     x0, x10
    ret
scenarios_stop_streaming:
    smstop
    ret
"#
);

unsafe extern "C" {
    fn scenarios_has_sme() -> u64;
    fn scenarios_streaming_length() -> u64;
    fn scenarios_load_streaming(image: *const u8);
    fn scenarios_store_streaming(image: *mut u8) -> u64;
    fn scenarios_stop_streaming();
}

fn has_sme() -> bool {
    // SAFETY: reads an ID register.
    unsafe { scenarios_has_sme() != 0 }
}

/// Returns the bytes of ZA and the streaming vectors at the greatest length, or `None` without SME.
fn size() -> Option<usize> {
    if !has_sme() {
        return None;
    }
    // SAFETY: the core has SME, whose traps entry code switched off; nothing here depends on the length.
    let length = unsafe { scenarios_streaming_length() };
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_VECTOR)?;
    Some(length * length + 32 * length)
}

/// Switches streaming mode and ZA on and fills them. Returns how many rows and registers they are.
pub(super) fn fill(pattern: u64) -> Option<usize> {
    let size = size()?;
    // SAFETY: only this core and this module use the image, and no other reference to it is alive.
    let image = unsafe { &mut *FILLED.0.get() };
    Random::new(pattern).fill(image.get_mut(..size)?);
    // SAFETY: the image is as large as the registers are at this length; nothing in this program uses them.
    unsafe { scenarios_load_streaming(image.as_ptr()) };
    Some(size / MAX_VECTOR)
}

/// Returns what is no longer as it was filled.
pub(super) fn changed(_: u64) -> Option<&'static str> {
    let Some(size) = size() else { return Some("the streaming length") };
    // SAFETY: only this core and this module use the image, and no other reference to it is alive.
    let found = unsafe { &mut *FOUND.0.get() };
    // SAFETY: as above; it is only read here.
    let filled = unsafe { &*FILLED.0.get() };
    // SAFETY: the image is as large as the registers are at this length.
    if unsafe { scenarios_store_streaming(found.as_mut_ptr()) } != 0b11 {
        Some("streaming mode")
    } else if found.get(..size) != filled.get(..size) {
        Some("ZA or a streaming Z register")
    } else {
        None
    }
}

/// Switches streaming mode and ZA off.
pub(super) fn stop() {
    if has_sme() {
        // SAFETY: the core has SME; nothing in this program uses its registers.
        unsafe { scenarios_stop_streaming() };
    }
}
