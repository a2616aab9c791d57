// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's interrupts, by the calls that Hafnium and spm have for it (HVC), and the timer that they let it see.
//!
//! Virtual interrupts stay masked: a partition takes them when it is told by FFA_INTERRUPT, or when it looks. Nothing here
//! says which interrupts there are; that stands in its manifest.
#![expect(unsafe_code, reason = "calls by HVC, and system registers")]

use core::arch::asm;

/// Functions of the interface (Hafnium, paravirtualized interfaces).
const INTERRUPT_ENABLE: u64 = 0xff03;
const INTERRUPT_GET: u64 = 0xff04;
const INTERRUPT_DEACTIVATE: u64 = 0xff08;
/// INTERRUPT_GET: there is none.
const NONE: u64 = 0xffff_ffff;

/// Virtual INTID of the timer.
pub const TIMER: u32 = 3;

/// Makes a call of the interface with x0 to x3 as given, and returns x0.
#[must_use]
pub fn hypercall([mut x0, x1, x2, x3]: [u64; 4]) -> u64 {
    // SAFETY: 1. The manager changes x0 and, by SMCCC 1.4 §2.6, at most x1 to x17. 2. These calls change no memory of this
    // partition.
    unsafe {
        asm!(
            "hvc #0",
            inout("x0") x0, inout("x1") x1 => _, inout("x2") x2 => _, inout("x3") x3 => _,
            out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _,
            out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
            options(nostack)
        );
    }
    x0
}

/// Lets an interrupt be signalled to this vCPU, by vIRQ. False if it is not the partition's.
#[must_use]
pub fn enable(intid: u32) -> bool {
    hypercall([INTERRUPT_ENABLE, u64::from(intid), 1, 0]) == 0
}

/// Lets an interrupt not be signalled to this vCPU any more. False if it is not the partition's.
#[must_use]
pub fn disable(intid: u32) -> bool {
    hypercall([INTERRUPT_ENABLE, u64::from(intid), 0, 0]) == 0
}

/// Ends a device's interrupt that this vCPU has taken. One that it has not, the manager refuses; that changes nothing.
pub fn deactivate(intid: u32) {
    let _ = hypercall([INTERRUPT_DEACTIVATE, u64::from(intid), u64::from(intid), 0]);
}

/// Takes the next interrupt of this vCPU; spm takes it for ended when the next is asked for, or the vCPU waits.
#[must_use]
pub fn take() -> Option<u32> {
    match hypercall([INTERRUPT_GET, 0, 0, 0]) {
        NONE => None,
        intid => u32::try_from(intid).ok(),
    }
}

/// Tells whether a vIRQ, and whether a vFIQ is signalled.
#[must_use]
pub fn signalled() -> (bool, bool) {
    const FIQ: u64 = 1 << 6;
    const IRQ: u64 = 1 << 7;
    let status: u64;
    // SAFETY: reading ISR_EL1 has no effects.
    unsafe { asm!("isb", "mrs {status}, isr_el1", status = out(reg) status, options(nomem, nostack)) };
    (status & IRQ != 0, status & FIQ != 0)
}

/// Lets the timer run out when the physical counter gets to `deadline`; or not at all.
pub fn set_timer(deadline: Option<u64>) {
    let (at, on) = (deadline.unwrap_or(u64::MAX), u64::from(deadline.is_some()));
    // SAFETY: the timer is this vCPU's, and its interrupt is masked.
    unsafe {
        asm!(
            "msr cntp_cval_el0, {at}", "msr cntp_ctl_el0, {on}", "isb",
            at = in(reg) at, on = in(reg) on, options(nostack)
        );
    }
}

/// Tells whether the timer has run out (CNTP_CTL_EL0.ISTATUS).
#[must_use]
pub fn has_timer_run_out() -> bool {
    let control: u64;
    // SAFETY: reading the register has no effects.
    unsafe {
        asm!("isb", "mrs {control}, cntp_ctl_el0", control = out(reg) control, options(nomem, nostack))
    };
    control & 1 << 2 != 0
}

/// Returns the physical counter, by which the timer goes.
#[must_use]
pub fn now() -> u64 {
    let value: u64;
    // SAFETY: reading CNTPCT_EL0 has no effects.
    unsafe { asm!("isb", "mrs {value}, cntpct_el0", value = out(reg) value, options(nomem, nostack)) };
    value
}

/// Waits until an interrupt is signalled.
pub fn wait() {
    // SAFETY: masked interrupts end the wait and are not taken.
    unsafe { asm!("dsb sy", "wfi", options(nostack)) };
}
