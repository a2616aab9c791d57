// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All notifications of one receiver, behind its own lock (FF-A 1.2 §10.1, §10.8).
//!
//! spm keeps all four bitmaps of a partition. Of a VM it keeps what partitions and spm itself set; the other two are its
//! hypervisor's and stay empty here (§10.2, table 10.1).

use super::doorbells::{Bitmap, Doorbells, Pending};
use super::vcpus::Vcpus;
use crate::endpoint::EndpointId;
use crate::sync::Mutex;

/// The framework's notification that the receive buffer is full (FF-A 1.2 §10.8.1).
const RX_BUFFER_FULL: Bitmap = 1;

/// The bitmaps that FFA_NOTIFICATION_GET asks for: bits 3–0 of its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) from_partitions: bool,
    pub(super) from_vms: bool,
    pub(super) from_spmc: bool,
    pub(super) from_hypervisor: bool,
}

/// What FFA_NOTIFICATION_GET returns; 0 for what was not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) from_partitions: Bitmap,
    pub(super) from_vms: Bitmap,
    pub(super) from_spmc: Bitmap,
    pub(super) from_hypervisor: Bitmap,
}

/// For whom something is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PendingFor {
    /// For the receiver as a whole.
    pub(crate) receiver: bool,
    /// For these vCPUs of it.
    pub(crate) vcpus: Vcpus,
}

impl PendingFor {
    /// Tells whether there is anything.
    pub(super) const fn is_any(self) -> bool {
        self.receiver || !self.vcpus.is_empty()
    }

    /// Returns the vCPUs that would find nothing.
    pub(super) const fn idle(self) -> Vcpus {
        if self.receiver { Vcpus::NONE } else { self.vcpus.others() }
    }
}

/// The notifications of a receiver.
#[derive(Debug, Default)]
pub(super) struct State {
    from_partitions: Doorbells,
    from_vms: Doorbells,
    from_spmc: Pending,
    from_hypervisor: Pending,
}

impl State {
    /// Returns the notifications that a sender of this one's world may set.
    pub(super) const fn doorbells(&mut self, sender: EndpointId) -> &mut Doorbells {
        if sender.is_secure() { &mut self.from_partitions } else { &mut self.from_vms }
    }

    /// Notes that a message of `sender` fills the receive buffer (§10.8.1, rule 2), and tells whether that was not noted yet.
    pub(super) const fn set_buffer_full(&mut self, sender: EndpointId) -> bool {
        let pending = if sender.is_secure() { &mut self.from_spmc } else { &mut self.from_hypervisor };
        pending.set(RX_BUFFER_FULL)
    }

    /// Returns and clears what is pending of the wanted kinds, for the receiver as a whole and for this vCPU of it.
    pub(super) fn take(&mut self, wanted: Wanted, vcpu: u16) -> Taken {
        const fn take(pending: &mut Pending, wanted: bool) -> Bitmap {
            if wanted { pending.take() } else { 0 }
        }
        Taken {
            from_partitions: if wanted.from_partitions { self.from_partitions.take(vcpu) } else { 0 },
            from_vms: if wanted.from_vms { self.from_vms.take(vcpu) } else { 0 },
            from_spmc: take(&mut self.from_spmc, wanted.from_spmc),
            from_hypervisor: take(&mut self.from_hypervisor, wanted.from_hypervisor),
        }
    }

    /// Tells what is pending.
    pub(super) fn pending(&self) -> PendingFor {
        self.where_true(Pending::is_any)
    }

    /// Tells what is pending of which the receiver's scheduler does not know.
    pub(super) fn unreported(&self) -> PendingFor {
        self.where_true(Pending::is_unreported)
    }

    /// Notes that the scheduler knows of all that is pending for the receiver as a whole.
    pub(super) const fn report(&mut self) {
        self.from_partitions.pending.report();
        self.from_vms.pending.report();
        self.from_spmc.report();
        self.from_hypervisor.report();
    }

    /// Notes that the scheduler knows of all that is pending for one vCPU.
    pub(super) fn report_vcpu(&mut self, vcpu: u16) {
        for doorbells in [&mut self.from_partitions, &mut self.from_vms] {
            if let Some(pending) = doorbells.of_vcpus.get_mut(usize::from(vcpu)) {
                pending.report();
            }
        }
    }

    fn where_true(&self, condition: fn(&Pending) -> bool) -> PendingFor {
        PendingFor {
            receiver: self.each_pending().into_iter().any(condition),
            vcpus: self.from_partitions.vcpus(condition).or(self.from_vms.vcpus(condition)),
        }
    }

    /// All that is for the receiver as a whole.
    fn each_pending(&self) -> [&Pending; 4] {
        [&self.from_partitions.pending, &self.from_vms.pending, &self.from_spmc, &self.from_hypervisor]
    }
}

/// The notifications of a partition. The lock is held for one operation, never while a partition runs.
#[derive(Debug, Default)]
pub struct Receiver(Mutex<State>);

impl Receiver {
    /// Does one operation on the notifications.
    pub(super) fn with<R>(&self, operation: impl FnOnce(&mut State) -> R) -> R {
        operation(&mut self.0.lock())
    }
}
