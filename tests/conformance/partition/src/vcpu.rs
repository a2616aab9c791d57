// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each vCPU has of its own.

use conformance::endpoint::Registers;
use conformance::exchange::{Interruptions, Told};
use sp_runtime::{MAX_VCPUS, VcpuId, stop};
use spin::mutex::SpinMutex;

/// Only the vCPU itself takes its locks, so it never waits.
pub(crate) struct Vcpu {
    /// Registers with which it was entered last.
    pub(crate) arrival: SpinMutex<Registers>,
    /// What it is to do at its next FFA_RUN.
    pub(crate) kept: SpinMutex<Option<[u64; 5]>>,
    /// What came of it.
    pub(crate) outcome: SpinMutex<[u64; 5]>,
    /// What it knows of its core going off.
    pub(crate) told_off: SpinMutex<Told>,
    /// What came by FFA_INTERRUPT.
    pub(crate) interruptions: SpinMutex<Interruptions>,
}

static VCPUS: [Vcpu; MAX_VCPUS] = [const {
    Vcpu {
        arrival: SpinMutex::new([0; 18]),
        kept: SpinMutex::new(None),
        outcome: SpinMutex::new([2, 0, 0, 0, 0]),
        told_off: SpinMutex::new(Told { count: 0, message: [0; 8], statuses: [0; 3] }),
        interruptions: SpinMutex::new(Interruptions { count: 0, arrival: [0; 2], taken: 0, at: 0 }),
    }
}; MAX_VCPUS];

impl Vcpu {
    /// Returns what belongs to `vcpu`.
    pub(crate) fn of(vcpu: VcpuId) -> &'static Self {
        // Its manifest has no memory for more vCPUs.
        VCPUS.get(vcpu.index()).unwrap_or_else(|| stop())
    }

    /// Returns what belongs to the vCPU that starts the partition.
    pub(crate) const fn first() -> &'static Self {
        let [first, ..] = &VCPUS;
        first
    }
}
