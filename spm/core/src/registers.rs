// SPDX-License-Identifier: Apache-2.0 OR MIT
//! x0–x17 of a call, and the two answers that every FF-A function can give.
//!
//! Registers are changed in place. These answers occupy x0–x7; x8–x17 stay as the caller left them, which pKVM relies on
//! (and SMCCC 1.2, 2.6, allows). Only FFA_PARTITION_INFO_GET_REGS defines more.

use arm_ffa::{FfaError, FuncId};

/// x0–x17.
pub type MessageRegisters = [u64; 18];

/// The SMCCC's hint in bit 16 of a function ID that the caller has no live SVE state (SMCCC 1.4, 2.5.4). No part of the
/// identity of a function.
const SVE_HINT: u64 = 1 << 16;
/// Function IDs are 32-bit values; the upper half of x0 is ignored.
const FUNCTION_ID: u64 = 0xffff_ffff & !SVE_HINT;

/// Returns the function ID that is called, without hints.
#[inline(always)]
#[must_use]
pub fn function_id(registers: &MessageRegisters) -> u32 {
    low_half(registers[0] & FUNCTION_ID)
}

/// Tells whether a function ID is one of FF-A's (FF-A 1.2 §12.1): 0x60 to 0xff of the standard secure service calls.
#[must_use]
pub const fn is_ffa(function: u32) -> bool {
    const WIDE: u32 = 1 << 30;
    matches!(function & !WIDE, 0x8400_0060..=0x8400_00ff)
}

/// Answers a call that is not FF-A's as the SMCCC wants it (SMCCC 1.4, 5.2): x0 = -1, the rest stays.
pub fn unknown_function(registers: &mut MessageRegisters) {
    registers[0] = u64::MAX;
}

/// Returns the part of a register that a 32-bit parameter is in.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "that is its purpose")]
pub const fn low_half(register: u64) -> u32 {
    register as u32
}

/// Sets x0–x7, the rest stays.
#[inline(never)]
pub fn answer(registers: &mut MessageRegisters, values: [u32; 8]) {
    for (register, value) in registers.iter_mut().zip(values) {
        *register = u64::from(value);
    }
}

/// Answers FFA_SUCCESS (32 bit) with `w2` and `w3`.
#[inline(never)]
pub fn success(registers: &mut MessageRegisters, w2: u32, w3: u32) {
    answer(registers, [FuncId::Success32.into(), 0, w2, w3, 0, 0, 0, 0]);
}

/// Answers FFA_ERROR with `code` in w2. The caller is to blame.
#[cold]
#[inline(never)]
pub fn error(registers: &mut MessageRegisters, code: FfaError) {
    let code: i32 = code.into();
    answer(registers, [FuncId::Error32.into(), 0, code.cast_unsigned(), 0, 0, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_what_it_does_not_define() {
        let mut registers = [u64::MAX; 18];
        error(&mut registers, FfaError::Denied);
        assert_eq!(registers[..8], [0x8400_0060, 0, 0xffff_fffa, 0, 0, 0, 0, 0]);
        assert_eq!(registers[8..], [u64::MAX; 10]);
        success(&mut registers, 7, 8);
        assert_eq!(registers[..8], [0x8400_0061, 0, 7, 8, 0, 0, 0, 0]);
        assert_eq!(registers[8..], [u64::MAX; 10]);
    }

    #[test]
    fn hints_and_upper_halves_are_no_part_of_a_function() {
        let mut registers = [0; 18];
        registers[0] = 0xdead_beef_8401_0063;
        assert_eq!(function_id(&registers), 0x8400_0063);
    }
}
