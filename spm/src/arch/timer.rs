// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The secure EL2 physical timer (Arm ARM D12.2, FEAT_SEL2), which runs for the earliest of the timers that this core's
//! partitions see and, while one runs that the normal world's interrupts take the core from, of the normal world's virtual
//! timer; and the counter.
#![expect(unsafe_code, reason = "writes timer registers")]

use super::sysreg::{CNTFRQ_EL0, CNTHPS_CTL_EL2, CNTHPS_CVAL_EL2, CNTPCT_EL0, isb};

/// CNTHPS_CTL_EL2.ENABLE.
const ENABLE: u64 = 1;

/// Returns the counter.
pub(crate) fn now() -> u64 {
    // Without it the counter may be read early.
    isb();
    CNTPCT_EL0::read()
}

/// Returns how far the counter gets in 10 ms.
pub(crate) fn ten_milliseconds() -> u64 {
    CNTFRQ_EL0::read() / 100
}

/// Lets the timer run out when the counter gets to `deadline`, or not at all.
pub(crate) fn arm(deadline: Option<u64>) {
    // SAFETY: a timer does not concern memory; spm runs with all interrupts masked.
    unsafe { CNTHPS_CVAL_EL2::write(deadline.unwrap_or(u64::MAX)) };
    // SAFETY: as above.
    unsafe { CNTHPS_CTL_EL2::write(if deadline.is_some() { ENABLE } else { 0 }) };
    // An interrupt that was on its way is withdrawn before the next one is looked for.
    isb();
}
