// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `memcpy`, which the compiler calls wherever it moves what is large. That of the compiler's own library copies 8 bytes by
//! four instructions; this one 64 by twelve. No vector registers: those are the normal world's.
#![expect(unsafe_code, reason = "assembly")]

// x0 = where to, x1 = where from, x2 = bytes; returns x0. Both are normal memory, with the MMU on and alignment unchecked
// (entry.s, SCTLR_EL2), so that they need no alignment. Clobbers x1 to x11.
core::arch::global_asm!(
    r#"
    .section .text.memcpy, "ax"
    .global memcpy
    .type memcpy, %function
memcpy:
    mov     x3, x0
    subs    x2, x2, #64
    b.lo    2f
1:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    ldp     x8, x9, [x1, #32]
    ldp     x10, x11, [x1, #48]
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    stp     x8, x9, [x3, #32]
    stp     x10, x11, [x3, #48]
    add     x1, x1, #64
    add     x3, x3, #64
    subs    x2, x2, #64
    b.hs    1b
2:  adds    x2, x2, #48                 // what is left, less 16
    b.mi    4f
3:  ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
    subs    x2, x2, #16
    b.pl    3b
4:  tbz     x2, #3, 5f                  // below 16 are left, the number's low 4 bits
    ldr     x4, [x1], #8
    str     x4, [x3], #8
5:  ands    x2, x2, #7
    b.eq    7f
6:  ldrb    w4, [x1], #1
    strb    w4, [x3], #1
    subs    x2, x2, #1
    b.ne    6b
7:  ret
    .size memcpy, . - memcpy
"#
);
