// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a partition: a report, then FFA_ERROR with ABORTED, from which there is no return.
//!
//! FF-A 1.2 defines FFA_ERROR from a partition only for a failed initialization; 1.3 adds FFA_ABORT for later. A
//! partition of this runtime uses FFA_ERROR(ABORTED) in both cases: the partition manager is to take it as "stopped",
//! to answer callers with ABORTED and never to run the partition again. One that answers it instead is made to stop the
//! partition by an access that no stage 2 allows. Where there is no stage 2 either, as under TF-A's EL3 SPMC, the vCPU
//! sleeps for good.
#![expect(unsafe_code, reason = "declares assembly code")]

use core::panic::PanicInfo;

use crate::log;

unsafe extern "C" {
    /// Ends the partition; in entry.rs, since it has to work before Rust does.
    safe fn sp_refuse() -> !;
}

/// Ends the partition for all its vCPUs. Say why by [`log!`] before.
pub fn stop() -> ! {
    sp_refuse()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    log!("{info}");
    stop()
}
