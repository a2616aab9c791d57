// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each vCPU has of its own.

use core::sync::atomic::{AtomicU64, Ordering};

use sp_runtime::{MAX_VCPUS, VcpuId, stop};
use spin::mutex::SpinMutex;

use crate::ffa_call::Rest;
use crate::registers::Poisoned;
use crate::registers::general::General;
use crate::timer::Timer;

static VCPUS: [Vcpu; MAX_VCPUS] = [const { Vcpu::new() }; MAX_VCPUS];

/// State of a vCPU.
pub(crate) struct Vcpu {
    calls: AtomicU64,
    /// What the registers were filled with. Only this vCPU takes the lock, so it never waits.
    pub(crate) poisoned: SpinMutex<Poisoned>,
    /// x4 to x7 of calls. As above.
    pub(crate) call: SpinMutex<Rest>,
    /// Its timer.
    pub(crate) timer: Timer,
    /// x8 to x30, which no code can leave alone between two requests.
    pub(crate) general: General,
}

impl Vcpu {
    /// Returns what belongs to `vcpu`.
    pub(crate) fn of(vcpu: VcpuId) -> &'static Self {
        // Its manifest has no memory for more vCPUs.
        VCPUS.get(vcpu.index()).unwrap_or_else(|| stop())
    }

    const fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            poisoned: SpinMutex::new(Poisoned::new()),
            call: SpinMutex::new(Rest::new()),
            timer: Timer::new(),
            general: General::new(),
        }
    }

    /// Counts a request and returns how many there were.
    pub(crate) fn count_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }
}
