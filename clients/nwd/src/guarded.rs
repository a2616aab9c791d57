// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Accesses that may be refused: what would be an exception becomes an answer.
#![expect(unsafe_code, reason = "an access to any address, and the landing pad behind it, are assembly")]

use core::arch::global_asm;
use thiserror::Error;

/// The access raised a synchronous exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("fault, syndrome {syndrome:#x}")]
pub struct Fault {
    /// ESR_EL2 or ESR_EL1 (Arm ARM, D24.2).
    pub syndrome: u64,
}

impl Fault {
    /// Exception class of a data abort taken without a change in exception level (Arm ARM, ESR_ELx.EC).
    const DATA_ABORT: u64 = 0x25;
    /// Data fault status code of a synchronous external abort, not on a table walk (Arm ARM, ISS of data aborts).
    const EXTERNAL: u64 = 0x10;

    /// Tells whether the bus refused the access, rather than a translation table.
    #[must_use]
    pub const fn is_external_abort(self) -> bool {
        (self.syndrome >> 26) & 0x3f == Self::DATA_ABORT && self.syndrome & 0x3f == Self::EXTERNAL
    }
}

global_asm!(
    r#"
    .section .text.guarded, "ax"
// x0: address. Returns x0: what was read, x1: 0, or the syndrome of the exception that came instead.
nwd_guarded_read32:
    mov     x9, x0
    mov     x1, xzr
nwd_guarded_start:
    ldr     w0, [x9]
    dsb     sy
    ret
// x0: address, x1: value.
nwd_guarded_write32:
    mov     x9, x1
    mov     x1, xzr
    str     w9, [x0]
    dsb     sy
    isb
nwd_guarded_end:
nwd_guarded_landing:
    ret
"#
);

/// What the assembly returns: a value and a syndrome, x0 and x1.
#[repr(C)]
struct Outcome {
    value: u64,
    syndrome: u64,
}

unsafe extern "C" {
    fn nwd_guarded_read32(address: u64) -> Outcome;
    fn nwd_guarded_write32(address: u64, value: u32) -> Outcome;
}

impl Outcome {
    fn value(self) -> Result<u32, Fault> {
        match self.syndrome {
            // LDR to a W register clears the upper half.
            0 => Ok(u32::try_from(self.value).unwrap_or(u32::MAX)),
            syndrome => Err(Fault { syndrome }),
        }
    }
}

/// Reads 32 bits from any address.
///
/// # Errors
/// The exception that came instead.
///
/// # Safety
/// Reading there has no effect that breaks this program, if the read succeeds.
pub unsafe fn read32(address: u64) -> Result<u32, Fault> {
    // SAFETY: the function keeps to the calling convention; an exception at its access returns to its landing pad.
    // What the read does otherwise is our caller's duty.
    unsafe { nwd_guarded_read32(address) }.value()
}

/// Writes 32 bits to any address.
///
/// # Errors
/// The exception that came instead.
///
/// # Safety
/// Writing there has no effect that breaks this program, if the write succeeds.
pub unsafe fn write32(address: u64, value: u32) -> Result<(), Fault> {
    // SAFETY: the function keeps to the calling convention; an exception at its access returns to its landing pad.
    // What the write does otherwise is our caller's duty.
    match unsafe { nwd_guarded_write32(address, value) }.syndrome {
        0 => Ok(()),
        syndrome => Err(Fault { syndrome }),
    }
}
