// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exception vectors of EL2: a guarded access goes on at its landing pad, everything else ends the run.
//!
//! Interrupts stay masked; they only end a `WFI`.
#![expect(unsafe_code, reason = "vectors are assembly, and call their handler by its symbol")]

use crate::fatal;
use core::arch::global_asm;

global_asm!(
    r#"
    .section .text.vectors, "ax"
    .balign 2048
    .global nwd_vectors
nwd_vectors:
    .rept 4
    b       nwd_exception
    .balign 128
    .endr
    b       nwd_current_sync
    .balign 128
    .rept 11
    b       nwd_exception
    .balign 128
    .endr

// A guarded access stands in a function of its own: x16 and x17 are free there by the calling convention.
nwd_current_sync:
    mrs     x16, elr_el2
    adrp    x17, nwd_guarded_start
    add     x17, x17, :lo12:nwd_guarded_start
    cmp     x16, x17
    b.lo    nwd_exception
    adrp    x17, nwd_guarded_end
    add     x17, x17, :lo12:nwd_guarded_end
    cmp     x16, x17
    b.hs    nwd_exception
    adrp    x17, nwd_guarded_landing
    add     x17, x17, :lo12:nwd_guarded_landing
    msr     elr_el2, x17
    mrs     x1, esr_el2
    eret

nwd_exception:
    mrs     x0, esr_el2
    mrs     x1, elr_el2
    mrs     x2, far_el2
    b       nwd_fatal_exception
"#
);

#[unsafe(no_mangle)]
extern "C" fn nwd_fatal_exception(esr: u64, elr: u64, far: u64) -> ! {
    fatal(format_args!("exception: esr {esr:#x} elr {elr:#x} far {far:#x}"))
}
