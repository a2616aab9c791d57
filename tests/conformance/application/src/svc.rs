// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls by SVC, the conduit of a partition at S-EL0 (DEN0077A 11.2), with x0 to x17.
#![expect(unsafe_code, reason = "supervisor calls")]

use conformance::endpoint::Registers;
use core::arch::asm;

/// Makes a call, and returns what is in the registers when it comes back.
pub(crate) fn call(registers: Registers) -> Registers {
    let mut back = registers;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, b16, b17] = &mut back;
    // SAFETY: cases let the partition manager write, share and unmap nothing but `pages`, which Rust does not use
    // otherwise, and what is not this partition's, which it refuses.
    unsafe {
        asm!(
            "svc #0",
            inout("x0") * b0,
            inout("x1") * b1,
            inout("x2") * b2,
            inout("x3") * b3,
            inout("x4") * b4,
            inout("x5") * b5,
            inout("x6") * b6,
            inout("x7") * b7,
            inout("x8") * b8,
            inout("x9") * b9,
            inout("x10") * b10,
            inout("x11") * b11,
            inout("x12") * b12,
            inout("x13") * b13,
            inout("x14") * b14,
            inout("x15") * b15,
            inout("x16") * b16,
            inout("x17") * b17,
            options(nostack)
        );
    }
    back
}
