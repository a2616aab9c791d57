// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What brings the host to EL2: its registers are kept, somebody answers, it goes on.
#![expect(unsafe_code, reason = "vectors are assembly, and call their handler by its symbol")]

use crate::{abort, guest, host::EL1H_MASKED, registers, smc};
use core::arch::global_asm;
use nwd::fatal;

/// General registers of the host, x0 to x30.
#[repr(C)]
pub(crate) struct Frame {
    pub(crate) x: [u64; 31],
    _aligned: u64,
}

global_asm!(
    r#"
    .section .text.traps, "ax"
    .balign 2048
hypervisor_vectors:
    .rept 8
    b       hypervisor_unexpected
    .balign 128
    .endr
    b       hypervisor_sync
    .balign 128
    .rept 7
    b       hypervisor_unexpected
    .balign 128
    .endr

hypervisor_sync:
    sub     sp, sp, #256
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mov     x0, sp
    bl      hypervisor_trapped
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    add     sp, sp, #256
    eret

hypervisor_unexpected:
    mrs     x0, esr_el2
    mrs     x1, elr_el2
    mrs     x2, far_el2
    b       hypervisor_fatal
"#
);

/// Exception classes (Arm ARM, ESR_ELx.EC).
const HVC: u64 = 0x16;
const SMC: u64 = 0x17;
const INSTRUCTION_ABORT: u64 = 0x20;
const DATA_ABORT: u64 = 0x24;
/// Length of the instruction that was trapped.
pub(crate) const INSTRUCTION: u64 = 4;
/// ESR_ELx of what is not known: EC 0, a 32-bit instruction.
const UNKNOWN: u64 = 1 << 25;

#[unsafe(no_mangle)]
extern "C" fn hypervisor_trapped(frame: &mut Frame) {
    let syndrome = registers::esr_el2();
    match syndrome >> 26 & 0x3f {
        HVC => guest::call(frame),
        SMC => {
            registers::set_elr_el2(registers::elr_el2().wrapping_add(INSTRUCTION));
            smc::call(frame);
        }
        DATA_ABORT => abort::data(frame, syndrome),
        INSTRUCTION_ABORT => abort::instruction(),
        _ => inject(UNKNOWN),
    }
}

#[unsafe(no_mangle)]
extern "C" fn hypervisor_fatal(esr: u64, elr: u64, far: u64) -> ! {
    fatal(format_args!("hypervisor: exception: esr {esr:#x} elr {elr:#x} far {far:#x}"))
}

/// Lets the host find a synchronous exception at EL1 in place of what it wanted to do (Arm ARM, D1.3).
pub(crate) fn inject(syndrome: u64) {
    /// Places in a vector table: from EL1 with EL0's stack pointer, with its own, from EL0.
    const CURRENT_SP0: u64 = 0x000;
    const CURRENT: u64 = 0x200;
    const LOWER: u64 = 0x400;
    let state = registers::spsr_el2();
    let place = match state & 0xf {
        0b0000 => LOWER,
        0b0100 => CURRENT_SP0,
        _ => CURRENT,
    };
    registers::set_elr_el1(registers::elr_el2());
    registers::set_spsr_el1(state);
    registers::set_esr_el1(syndrome);
    registers::set_far_el1(registers::far_el2());
    registers::set_elr_el2(registers::vbar_el1().wrapping_add(place));
    registers::set_spsr_el2(EL1H_MASKED);
}
