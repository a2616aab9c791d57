// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a partition: a report, then FFA_ERROR with ABORTED, from which there is no return.
//!
//! FF-A 1.2 defines FFA_ERROR from a partition only for a failed initialization; 1.3 adds FFA_ABORT for later. A
//! partition of this runtime uses FFA_ERROR(ABORTED) in both cases: spm takes it as "stopped", answers callers with
//! ABORTED and never runs the partition again. Under an SPMC that returns from it, the vCPU sleeps for good.

use core::panic::PanicInfo;

use crate::{ffa, log, time};

/// Ends the partition for all its vCPUs. Say why by [`log!`] before.
pub fn stop() -> ! {
    loop {
        ffa::abort();
        time::wait_for_interrupt();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log!("{info}");
    stop()
}
