// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A core that goes off in the middle of its work, and goes on from there once another one switches it on again.
#![expect(unsafe_code, reason = "registers are kept and loaded again by assembly")]

use crate::{cores::CoreError, paging};
use core::{arch::global_asm, cell::UnsafeCell};
use smccc::{
    Smc,
    psci::{self, AffinityState, LowestAffinityLevel},
};

/// x19 to x30 and the stack pointer of the core that is off.
#[repr(C)]
struct Kept(UnsafeCell<[u64; 13]>);

// SAFETY: only assembly accesses it: the core that goes off before it is off, and the same core when it is back.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new([0; 13]));

// The target has no FP registers, so there are none to keep.
global_asm!(
    r#"
    .section .text.core_off, "ax"
// x0: where registers are kept. Returns 0 when the core is back, or what PSCI says to CPU_OFF.
nwd_go_off:
    stp     x19, x20, [x0]
    stp     x21, x22, [x0, #16]
    stp     x23, x24, [x0, #32]
    stp     x25, x26, [x0, #48]
    stp     x27, x28, [x0, #64]
    stp     x29, x30, [x0, #80]
    mov     x9, sp
    str     x9, [x0, #96]
    mov     w0, #2                  // CPU_OFF (PSCI 1.3, 5.5)
    movk    w0, #0x8400, lsl #16
    smc     #0
    ret

// x0: where registers were kept. Where the core enters that was off.
nwd_come_back:
    mov     x19, x0
    ldr     x9, [x0, #96]
    mov     sp, x9
    bl      nwd_core_registers
    bl      {switch_on}
    mov     x0, x19
    ldp     x19, x20, [x0]
    ldp     x21, x22, [x0, #16]
    ldp     x23, x24, [x0, #32]
    ldp     x25, x26, [x0, #48]
    ldp     x27, x28, [x0, #64]
    ldp     x29, x30, [x0, #80]
    mov     x0, xzr
    ret
"#,
    switch_on = sym switch_on,
);

unsafe extern "C" {
    fn nwd_go_off(kept: *mut [u64; 13]) -> i64;
    fn nwd_come_back();
}

extern "C" fn switch_on() {
    paging::switch_on();
}

/// Switches this core off. Returns once another one has called [`bring_back`]; this core's interrupts are to be set up
/// anew then. One core at a time may be off like this.
///
/// # Errors
/// PSCI's; the core stays on then.
pub fn go_off() -> Result<(), CoreError> {
    // SAFETY: the function keeps to the calling convention, and the memory has room for what it keeps.
    match unsafe { nwd_go_off(KEPT.0.get()) } {
        0 => Ok(()),
        error => Err(CoreError::Psci(psci::Error::from(error))),
    }
}

/// Tells whether a core is off.
#[must_use]
pub fn is_off(affinity: u64) -> bool {
    psci::affinity_info::<Smc>(affinity, LowestAffinityLevel::All) == Ok(AffinityState::Off)
}

/// Switches on the core that went off by [`go_off`].
///
/// # Errors
/// PSCI's.
pub fn bring_back(affinity: u64) -> Result<(), CoreError> {
    let entry: unsafe extern "C" fn() = nwd_come_back;
    psci::cpu_on::<Smc>(affinity, entry as usize as u64, KEPT.0.get() as u64).map_err(CoreError::Psci)
}
