// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting without running: the core sleeps until EL2's physical timer fires, or at EL1 the virtual one.
//!
//! Busy polling would cost a host that counts instructions minutes per second of virtual time.
#![expect(unsafe_code, reason = "the timer is programmed, and waited for, by assembly")]

use crate::{counter, level};
use core::arch::asm;

/// The interrupt ID of the non-secure EL2 physical timer (Arm BSA, DEN 0094, table of PPIs).
pub const INTERRUPT: u32 = 26;

/// Returns the interrupt ID of the timer that [`sleep`] waits for at this exception level.
#[must_use]
pub fn of_sleep() -> u32 {
    if level::is_kernel() { VIRTUAL_INTERRUPT } else { INTERRUPT }
}

/// Sleeps for at least this many counter ticks. The interrupt must have been enabled by [`Machine`](crate::Machine).
pub fn sleep(ticks: u64) {
    let end = counter::now().saturating_add(ticks);
    if level::is_kernel() {
        return sleep_as_kernel(end);
    }
    while counter::now() < end {
        // SAFETY: programs a timer that nothing else uses, and waits for it; interrupts stay masked, so nothing runs
        // but the next instruction. The timer is off afterwards, so its interrupt does not stay pending.
        unsafe {
            asm!(
                "msr cnthp_cval_el2, {end}",
                "msr cnthp_ctl_el2, {on}",
                "isb",
                "wfi",
                "msr cnthp_ctl_el2, xzr",
                "isb",
                end = in(reg) end,
                on = in(reg) 1_u64,
                options(nostack),
            );
        }
    }
}

fn sleep_as_kernel(end: u64) {
    while counter::now() < end {
        // SAFETY: as in `sleep`, with EL1's virtual timer.
        unsafe {
            asm!(
                "msr cntv_cval_el0, {end}",
                "msr cntv_ctl_el0, {on}",
                "isb",
                "wfi",
                "msr cntv_ctl_el0, xzr",
                "isb",
                end = in(reg) end,
                on = in(reg) 1_u64,
                options(nostack),
            );
        }
    }
}

/// Lets the timer fire once this many microseconds have passed, whatever this core does then, until [`stop`].
pub fn start_us(us: u64) {
    let end = counter::now().saturating_add(counter::frequency().saturating_mul(us) / 1_000_000);
    // SAFETY: programs a timer that nothing else uses; its interrupt stays masked for this program.
    unsafe {
        asm!(
            "msr cnthp_cval_el2, {end}",
            "msr cnthp_ctl_el2, {on}",
            "isb",
            end = in(reg) end,
            on = in(reg) 1_u64,
            options(nostack),
        );
    }
}

/// The interrupt ID of EL1's virtual timer (Arm BSA, as above).
pub const VIRTUAL_INTERRUPT: u32 = 27;

/// As [`start_us`], with EL1's virtual timer, which counts as the physical one does where firmware left CNTVOFF_EL2 at 0.
pub fn start_virtual_us(us: u64) {
    let end = counter::now().saturating_add(counter::frequency().saturating_mul(us) / 1_000_000);
    // SAFETY: as in `start_us`. Nothing runs at EL1, so that nobody has set another offset for it.
    unsafe {
        asm!(
            "msr cntvoff_el2, xzr",
            "msr cntv_cval_el0, {end}",
            "msr cntv_ctl_el0, {on}",
            "isb",
            end = in(reg) end,
            on = in(reg) 1_u64,
            options(nostack),
        );
    }
}

/// Ends what [`start_us`] and [`start_virtual_us`] began.
pub fn stop() {
    // SAFETY: switches off timers that nothing else uses.
    unsafe { asm!("msr cnthp_ctl_el2, xzr", "msr cntv_ctl_el0, xzr", "isb", options(nostack)) };
}

/// Sleeps for at least this many microseconds.
pub fn sleep_us(us: u64) {
    sleep(counter::frequency().saturating_mul(us) / 1_000_000);
}
