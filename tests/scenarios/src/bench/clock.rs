// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Time that one SMC takes, in ticks of the counter, and how many ticks an instruction is.
#![expect(unsafe_code, reason = "what is measured is written in assembly, so that nothing else is")]

use core::arch::global_asm;

/// Instructions of the loop that calibrates: two a turn.
const TURNS: u64 = 100_000;
const LOOP_INSTRUCTIONS: u64 = 2 * TURNS;

global_asm!(
    r#"
    .section .text.clock, "ax"
// x0: eight registers for a call, which get its answer; returns x0: ticks.
    .macro  measured name, instruction
\name:
    stp     x19, x20, [sp, #-16]!
    mov     x19, x0
    ldp     x2, x3, [x19, #16]
    ldp     x4, x5, [x19, #32]
    ldp     x6, x7, [x19, #48]
    ldp     x0, x1, [x19]
    isb
    mrs     x20, cntvct_el0
    \instruction
    isb
    mrs     x9, cntvct_el0
    stp     x0, x1, [x19]
    stp     x2, x3, [x19, #16]
    stp     x4, x5, [x19, #32]
    stp     x6, x7, [x19, #48]
    sub     x0, x9, x20
    ldp     x19, x20, [sp], #16
    ret
    .endm
    measured scenarios_time_smc, "smc #0"
    measured scenarios_time_nothing, ""
// x0: turns of a loop of two instructions; returns x0: ticks.
scenarios_time_loop:
    isb
    mrs     x9, cntvct_el0
1:  subs    x0, x0, #1
    b.ne    1b
    isb
    mrs     x10, cntvct_el0
    sub     x0, x10, x9
    ret
"#
);

unsafe extern "C" {
    fn scenarios_time_smc(registers: &mut [u64; 8]) -> u64;
    fn scenarios_time_nothing(registers: &mut [u64; 8]) -> u64;
    fn scenarios_time_loop(turns: u64) -> u64;
}

/// Converts ticks to instructions.
pub(super) struct Clock {
    /// Ticks that the measurement itself takes.
    overhead: u64,
    /// Ticks of [`LOOP_INSTRUCTIONS`].
    ticks: u64,
}

impl Clock {
    /// Calibrates the clock.
    pub(super) fn new() -> Self {
        // SAFETY: the loop uses only registers that the calling convention gives away.
        let ticks = unsafe { scenarios_time_loop(TURNS) };
        // SAFETY: the function keeps to the calling convention and makes no call.
        let overhead = unsafe { scenarios_time_nothing(&mut [0; 8]) };
        Self { overhead, ticks: ticks.saturating_sub(overhead).max(1) }
    }

    /// Returns the instructions of the loop that calibrated, and its ticks.
    pub(super) const fn calibration(&self) -> (u64, u64) {
        (LOOP_INSTRUCTIONS, self.ticks)
    }

    /// Makes a call by SMC with x0–x7 as given, leaves its answer there, and returns its ticks.
    pub(super) fn call(&self, registers: &mut [u64; 8]) -> u64 {
        // SAFETY: SMCCC keeps x18 and up; what the call does to memory is what FF-A says of it.
        unsafe { scenarios_time_smc(registers) }.saturating_sub(self.overhead)
    }

    /// Returns the instructions of one of `rounds` that took so many ticks together.
    pub(super) const fn instructions(&self, ticks: u64, rounds: u64) -> u64 {
        let scaled = ticks as u128 * LOOP_INSTRUCTIONS as u128 / self.ticks as u128;
        let each = (scaled + rounds as u128 / 2) / rounds as u128;
        if each > u64::MAX as u128 { u64::MAX } else { low_half(each) }
    }
}

const fn low_half(value: u128) -> u64 {
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = value.to_le_bytes();
    u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])
}
