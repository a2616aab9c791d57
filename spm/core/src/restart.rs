// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that aborted starts again, if its manifest has `abort-action = restart` (FF-A 1.3 table 7.2): all of it is as it
//! was before its first start. Its first vCPU starts on the core that ended its last life, before that core goes back to the
//! normal world; the others start on their cores when the first one waits for messages.
//!
//! Meanwhile its vCPUs are `Off`, and who calls it is told BUSY.

use core::sync::atomic::Ordering;

use crate::abort::{End, Loss};
use crate::direct_message::VcpuRef;
use crate::hardware::Hardware;
use crate::life::{MAX_RESTARTS, Phase};
use crate::manifest::MAX_PARTITIONS;
use crate::memory::Remainder;
use crate::partition::{CoreIndex, Partition};
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;

/// A vCPU that is claimed to start again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The vCPU.
    pub at: VcpuRef,
    /// Where it begins; nothing for its partition's first, which [`Hardware::renew`] has prepared.
    pub entry: Option<u64>,
}

impl Spmc {
    /// Makes all of a partition new that nobody has, that runs nowhere, and that was cleaned up but for `remainder`.
    pub(crate) fn restart(
        &self,
        place: usize,
        partition: &Partition,
        remainder: Remainder,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> End {
        if partition.life().is_hopeless() {
            return End::Lost(Loss::Start);
        }
        if partition.life().restarts() >= MAX_RESTARTS {
            return End::Lost(Loss::TooOften);
        }
        if remainder != Remainder::default() {
            return End::Waits(remainder);
        }
        if self.memory().restore(place, &self.memory_world(hardware)).is_err() {
            return End::Lost(Loss::Memory);
        }
        if hardware.renew(place, partition, core).is_err() {
            return End::Lost(Loss::Image);
        }
        End::Restarts(partition.begin_again(core))
    }

    /// Notes that a vCPU has come to the end of its start, its first FFA_MSG_WAIT. If it is the first of a partition that starts
    /// again, the other cores are made to start theirs.
    pub fn started(&self, at: VcpuRef, hardware: &impl Hardware) {
        let Some(partition) = self.partitions().get(at.partition) else { return };
        let life = partition.life();
        if !life.start_is_over() || life.restarts() == 0 {
            return;
        }
        for index in (0..partition.contexts()).filter(|&index| index != at.vcpu) {
            if let Some(core) = CoreIndex::new(index as u64) {
                hardware.kick(core);
            }
        }
    }

    /// Claims a vCPU that is to start again on `core`.
    pub fn claim_for_start(&self, core: CoreIndex) -> Option<Start> {
        for (place, partition) in (0..MAX_PARTITIONS).zip(self.partitions()) {
            let (life, index) = (partition.life(), partition.vcpu_for(core));
            if life.restarts() == 0 || life.phase() != Phase::Alive {
                continue;
            }
            let entry = (!life.is_first(index)).then(|| partition.secondary_entry());
            if entry.is_some() && !life.has_started() {
                continue;
            }
            if let Some(vcpu) = partition.vcpu(index)
                && vcpu.transition(VcpuState::Off, VcpuState::Running).is_ok()
            {
                return Some(Start { at: VcpuRef { partition: place, vcpu: index }, entry });
            }
        }
        None
    }
}

impl Partition {
    /// Forgets all that its last life has left in spm, and lets it start with its vCPU for `core`. Returns how often it has
    /// started again. Nobody has any of its vCPUs.
    fn begin_again(&self, core: CoreIndex) -> u8 {
        self.version.reset(self.manifest_version());
        self.wants_security.store(false, Ordering::Relaxed);
        self.set_secondary_entry(self.entry());
        let restarts = self.life().begin_again(self.vcpu_for(core));
        for vcpu in (0..self.contexts()).filter_map(|index| self.vcpu(index)) {
            vcpu.begin_again();
        }
        self.enable_first_interrupts();
        restarts
    }
}
