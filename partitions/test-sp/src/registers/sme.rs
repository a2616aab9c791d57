// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SME (class 6): the array ZA at the largest streaming vector length, outside streaming mode.
//!
//! Bits of an answer: n = rows n, n + 63, … of ZA; 63 = access was taken away, ZA was switched off, or the length changed.
#![expect(unsafe_code, reason = "ZA exists in assembly only")]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU64, Ordering};

use super::access::{allow, allowed, field, pfr1};

/// The largest streaming vector length of the architecture, in bytes.
const MAX_BYTES: usize = 256;
/// CPACR_EL1.SMEN and FPEN: no traps.
const ALLOWED: u64 = 3 << 24 | 3 << 20;
/// The largest value of SMCR_EL1.LEN.
const SMCR_MAX: u64 = 0xf;
/// Answer bit for everything that is not a row.
const LOST: u64 = 1 << 63;

global_asm!(
    r#"
    .arch_extension sme
    .section .text.sp_sme, "ax"

sp_za_start:
    smstart za
    ret

    // w0 = row, x1 = memory
sp_za_load_row:
    mov     w12, w0
    ldr     za[w12, 0], [x1]
    ret

sp_za_store_row:
    mov     w12, w0
    str     za[w12, 0], [x1]
    ret

sp_za_bytes:
    rdsvl   x0, #1
    ret

    .arch_extension nosme
"#
);

unsafe extern "C" {
    safe fn sp_za_start();
    fn sp_za_load_row(row: u32, memory: *const u8);
    fn sp_za_store_row(row: u32, memory: *mut u8);
    safe fn sp_za_bytes() -> u64;
}

/// Rows of ZA when it was filled, the same on all cores.
static ROWS: AtomicU64 = AtomicU64::new(0);

#[repr(C, align(16))]
struct Row([u8; MAX_BYTES]);

/// Fills ZA, if the core has SME.
pub(super) fn poison(pattern: u64) -> bool {
    if field(pfr1(), 24) == 0 {
        return false;
    }
    allow(ALLOWED);
    // SAFETY: SMCR_EL1 (by its number) bounds the streaming vector length, on which compiled code does not depend.
    unsafe { asm!("msr s3_0_c1_c2_6, {0}", "isb", in(reg) SMCR_MAX, options(nostack)) };
    sp_za_start();
    let rows = sp_za_bytes();
    ROWS.store(rows, Ordering::Relaxed);
    for row in (0..u32::MAX).take_while(|row| u64::from(*row) < rows) {
        let memory = Row(core::array::from_fn(|at| expected_byte(pattern, row, at)));
        // SAFETY: a row has at most 256 bytes.
        unsafe { sp_za_load_row(row, memory.0.as_ptr()) };
    }
    true
}

/// Compares ZA with what `pattern` filled it with.
pub(super) fn check(pattern: u64) -> u64 {
    if allowed() & ALLOWED != ALLOWED || !is_on() {
        return LOST;
    }
    let rows = sp_za_bytes();
    let Ok(length) = usize::try_from(rows) else { return LOST };
    if rows != ROWS.load(Ordering::Relaxed) {
        return LOST;
    }
    let mut bits = 0;
    for row in (0..u32::MAX).take_while(|row| u64::from(*row) < rows) {
        let mut memory = Row([0; MAX_BYTES]);
        // SAFETY: a row has at most 256 bytes.
        unsafe { sp_za_store_row(row, memory.0.as_mut_ptr()) };
        let mut bytes = memory.0.iter().take(length).enumerate();
        if !bytes.all(|(at, byte)| *byte == expected_byte(pattern, row, at)) {
            bits |= 1 << (row % 63);
        }
    }
    bits
}

/// Tells whether SVCR.ZA is set.
fn is_on() -> bool {
    let svcr: u64;
    // SAFETY: reading SVCR (by its number) has no effects.
    unsafe { asm!("mrs {0}, s3_3_c4_c2_2", out(reg) svcr, options(nostack, preserves_flags)) };
    svcr & 2 != 0
}

fn expected_byte(pattern: u64, row: u32, at: usize) -> u8 {
    let bytes = super::mixed(pattern, u64::from(row) << 8 | (at / 8) as u64).to_le_bytes();
    bytes.get(at % 8).copied().unwrap_or_default()
}
