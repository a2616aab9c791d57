// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The conduit to the SPMD at EL3.
#![expect(unsafe_code, reason = "enters EL3")]

use spm_core::registers::MessageRegisters;

unsafe extern "C" {
    fn call_spmd(registers: *mut [u64; 18]);
}

/// Makes a call that the SPMD answers at once, with one parameter; returns x0–x17.
pub(crate) fn ask_spmd(function: u32, parameter: u64) -> MessageRegisters {
    let mut arguments = [0; 17];
    arguments[0] = parameter;
    smccc::smc64(function, arguments)
}

/// Hands x0–x17 to the SPMD by SMC and returns with what comes back, which may be a message of the normal world.
pub(crate) fn exchange_with_spmd(registers: &mut MessageRegisters) {
    // SAFETY: `registers` is valid for 18 words. EL3 preserves the rest of this core's registers and writes no memory
    // of spm's. What comes back is only numbers; they are checked where they are used.
    unsafe { call_spmd(registers) }
}
