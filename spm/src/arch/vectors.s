// SPDX-License-Identifier: Apache-2.0 OR MIT
//
// Exception vectors of S-EL2, and the way into a partition and out of it.
//
// From a lower level: what the partition had in its registers goes into the structure that enter_partition was called
// with, and enter_partition returns the kind of exit. From S-EL2 itself: fatal, except that a boot-time probe of a
// register that EL3 traps is skipped (src/arch/probe.rs); handled on the core's emergency stack.

.equ EXIT_SYNC, 0
.equ EXIT_IRQ, 1
.equ EXIT_FIQ, 2
.equ EXIT_SERROR, 3

.equ FRAME, 288                         // x0-x30, sp, elr, spsr, esr, far: Frame in src/arch/exceptions.rs

.macro own kind
    .balign 128
    msr     tpidr_el0, x0               // scratch: nothing goes on from here but a probe, made before the register is used
    mrs     x0, tpidr_el2
    ldr     x0, [x0, #{emergency_stack}]
    sub     x0, x0, #FRAME
    stp     x1, x2, [x0, #8]
    mov     x1, #\kind
    b       own_exception
.endm

.macro lower kind
    .balign 128
    stp     x0, x1, [sp, #-16]!
    mov     x0, #\kind
    b       leave_partition
.endm

.section .text.vectors, "ax"
.balign 2048
.global vectors
vectors:
    own     EXIT_SYNC                   // current level with SP_EL0: never selected
    own     EXIT_IRQ
    own     EXIT_FIQ
    own     EXIT_SERROR
    own     EXIT_SYNC                   // current level
    own     EXIT_IRQ
    own     EXIT_FIQ
    own     EXIT_SERROR
    lower   EXIT_SYNC                   // lower level, AArch64
    lower   EXIT_IRQ
    lower   EXIT_FIQ
    lower   EXIT_SERROR
    own     EXIT_SYNC                   // lower level, AArch32: HCR_EL2.RW rules it out
    own     EXIT_IRQ
    own     EXIT_FIQ
    own     EXIT_SERROR
    .balign 128

own_exception:
    stp     x3, x4, [x0, #24]
    stp     x5, x6, [x0, #40]
    stp     x7, x8, [x0, #56]
    stp     x9, x10, [x0, #72]
    stp     x11, x12, [x0, #88]
    stp     x13, x14, [x0, #104]
    stp     x15, x16, [x0, #120]
    stp     x17, x18, [x0, #136]
    stp     x19, x20, [x0, #152]
    stp     x21, x22, [x0, #168]
    stp     x23, x24, [x0, #184]
    stp     x25, x26, [x0, #200]
    stp     x27, x28, [x0, #216]
    stp     x29, x30, [x0, #232]
    mrs     x2, tpidr_el0
    str     x2, [x0]
    mov     x2, sp
    mrs     x3, elr_el2
    stp     x2, x3, [x0, #248]
    mrs     x2, spsr_el2
    mrs     x3, esr_el2
    stp     x2, x3, [x0, #264]
    mrs     x2, far_el2
    str     x2, [x0, #280]
    mov     sp, x0
    mov     x19, x0
    mov     x29, xzr
    bl      exception_in_spm
    ldp     x2, x3, [x19, #248]
    msr     elr_el2, x3
    mov     sp, x2
    mov     x0, x19
    ldp     x1, x2, [x0, #8]
    ldp     x3, x4, [x0, #24]
    ldp     x5, x6, [x0, #40]
    ldp     x7, x8, [x0, #56]
    ldp     x9, x10, [x0, #72]
    ldp     x11, x12, [x0, #88]
    ldp     x13, x14, [x0, #104]
    ldp     x15, x16, [x0, #120]
    ldp     x17, x18, [x0, #136]
    ldp     x19, x20, [x0, #152]
    ldp     x21, x22, [x0, #168]
    ldp     x23, x24, [x0, #184]
    ldp     x25, x26, [x0, #200]
    ldp     x27, x28, [x0, #216]
    ldp     x29, x30, [x0, #232]
    ldr     x0, [x0]
    eret

// enter_partition(x0 = &mut Registers) -> kind of exit. Registers: x0-x30, elr, spsr.
.section .text.enter_partition, "ax"
.global enter_partition
enter_partition:
    stp     x29, x30, [sp, #-112]!
    stp     x27, x28, [sp, #16]
    stp     x25, x26, [sp, #32]
    stp     x23, x24, [sp, #48]
    stp     x21, x22, [sp, #64]
    stp     x19, x20, [sp, #80]
    str     x0, [sp, #96]
    ldp     x1, x2, [x0, #248]
    msr     elr_el2, x1
    msr     spsr_el2, x2
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    eret
    dsb     nsh                         // no speculation past eret
    isb

leave_partition:
    ldr     x1, [sp, #112]              // 16 bytes of x0, x1 lie above enter_partition's frame
    stp     x2, x3, [x1, #16]
    stp     x4, x5, [x1, #32]
    stp     x6, x7, [x1, #48]
    stp     x8, x9, [x1, #64]
    stp     x10, x11, [x1, #80]
    stp     x12, x13, [x1, #96]
    stp     x14, x15, [x1, #112]
    stp     x16, x17, [x1, #128]
    stp     x18, x19, [x1, #144]
    stp     x20, x21, [x1, #160]
    stp     x22, x23, [x1, #176]
    stp     x24, x25, [x1, #192]
    stp     x26, x27, [x1, #208]
    stp     x28, x29, [x1, #224]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x1]
    mrs     x2, elr_el2
    stp     x30, x2, [x1, #240]
    mrs     x2, spsr_el2
    str     x2, [x1, #256]
    ldp     x19, x20, [sp, #80]
    ldp     x21, x22, [sp, #64]
    ldp     x23, x24, [sp, #48]
    ldp     x25, x26, [sp, #32]
    ldp     x27, x28, [sp, #16]
    ldp     x29, x30, [sp], #112
    ret

// call_spmd(x0 = &mut [u64; 18]): SMC with x0-x17 from there, and what came back stored there.
.section .text.call_spmd, "ax"
.global call_spmd
call_spmd:
    stp     x29, x30, [sp, #-32]!
    str     x19, [sp, #16]
    mov     x29, sp
    mov     x19, x0
    ldp     x2, x3, [x19, #16]
    ldp     x4, x5, [x19, #32]
    ldp     x6, x7, [x19, #48]
    ldp     x8, x9, [x19, #64]
    ldp     x10, x11, [x19, #80]
    ldp     x12, x13, [x19, #96]
    ldp     x14, x15, [x19, #112]
    ldp     x16, x17, [x19, #128]
    ldp     x0, x1, [x19]
    smc     #0
    stp     x0, x1, [x19]
    stp     x2, x3, [x19, #16]
    stp     x4, x5, [x19, #32]
    stp     x6, x7, [x19, #48]
    stp     x8, x9, [x19, #64]
    stp     x10, x11, [x19, #80]
    stp     x12, x13, [x19, #96]
    stp     x14, x15, [x19, #112]
    stp     x16, x17, [x19, #128]
    ldr     x19, [sp, #16]
    ldp     x29, x30, [sp], #32
    ret
