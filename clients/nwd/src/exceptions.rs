// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exception vectors of both exception levels: a guarded access goes on at its landing pad, everything else ends the run.
//!
//! Interrupts stay masked; they only end a `WFI`.
#![expect(unsafe_code, reason = "vectors are assembly, and call their handler by its symbol")]

use crate::fatal;
use core::arch::global_asm;

global_asm!(
    r#"
    .section .text.vectors, "ax"
// Vectors of an exception level; its registers carry its name.
    .macro  nwd_vectors_of level
    .balign 2048
    .global nwd_vectors_\level
nwd_vectors_\level:
    .rept 4
    b       nwd_exception_\level
    .balign 128
    .endr
    b       nwd_current_sync_\level
    .balign 128
    .rept 11
    b       nwd_exception_\level
    .balign 128
    .endr

// A guarded access stands in a function of its own: x16 and x17 are free there by the calling convention.
nwd_current_sync_\level:
    mrs     x16, elr_\level
    adrp    x17, nwd_guarded_start
    add     x17, x17, :lo12:nwd_guarded_start
    cmp     x16, x17
    b.lo    nwd_exception_\level
    adrp    x17, nwd_guarded_end
    add     x17, x17, :lo12:nwd_guarded_end
    cmp     x16, x17
    b.hs    nwd_exception_\level
    adrp    x17, nwd_guarded_landing
    add     x17, x17, :lo12:nwd_guarded_landing
    msr     elr_\level, x17
    mrs     x1, esr_\level
    eret

nwd_exception_\level:
    mrs     x0, esr_\level
    mrs     x1, elr_\level
    mrs     x2, far_\level
    b       nwd_fatal_exception
    .endm

    nwd_vectors_of el2
    nwd_vectors_of el1
"#
);

#[unsafe(no_mangle)]
extern "C" fn nwd_fatal_exception(esr: u64, elr: u64, far: u64) -> ! {
    fatal(format_args!("exception: esr {esr:#x} elr {elr:#x} far {far:#x}"))
}
