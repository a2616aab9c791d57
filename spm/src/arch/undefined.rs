// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives EL1 the exception that an undefined instruction takes (Arm ARM D1.3).
#![expect(unsafe_code, reason = "writes EL1's exception registers")]

/// ESR_EL1: unknown reason, 32-bit instruction.
const SYNDROME_UNKNOWN: u64 = 1 << 25;
/// PSTATE of the handler: EL1 with its own stack pointer, all exceptions masked.
const HANDLER: u64 = 0x3c5;
/// What it keeps of the interrupted PSTATE: condition flags, DIT, PAN.
const KEPT: u64 = 0xf000_0000 | 1 << 24 | 1 << 22;

/// Makes the partition whose EL1 registers are loaded take the exception. Takes where it was, with which PSTATE, and its
/// vectors; returns where it goes on, and with which PSTATE.
pub(crate) fn inject(elr: u64, spsr: u64, vectors: u64) -> (u64, u64) {
    // SAFETY: EL1's registers; EL2 does not use them.
    unsafe {
        core::arch::asm!(
            "msr elr_el1, {elr}",
            "msr spsr_el1, {spsr}",
            "msr esr_el1, {esr}",
            elr = in(reg) elr, spsr = in(reg) spsr, esr = in(reg) SYNDROME_UNKNOWN,
            options(nostack, preserves_flags)
        );
    }
    (vectors.wrapping_add(vector_offset(spsr)), HANDLER | spsr & KEPT)
}

/// Distance of the synchronous vector, by the mode that was interrupted: EL1 with SP_EL0, EL1 with SP_EL1, EL0 in
/// AArch64, EL0 in AArch32.
const fn vector_offset(spsr: u64) -> u64 {
    const AARCH32: u64 = 1 << 4;
    match spsr & (AARCH32 | 0xf) {
        0b0100 => 0,
        0b0101 => 0x200,
        mode if mode & AARCH32 == 0 => 0x400,
        _ => 0x600,
    }
}
