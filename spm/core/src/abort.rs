// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition aborts (FF-A 1.3 §7.2.3, §7.2.4, §7.4.4): first nobody may take its vCPUs any more, and cores that have one leave
//! it; the last of them cleans up. From then on its interrupts are off, nobody has notifications of it or for it, its buffers
//! are unmapped, and what it borrowed is its owner's again.
//!
//! Nothing is cleaned up before, so that no call of a vCPU that still runs can come behind the cleaning.

use crate::direct_message::VcpuRef;
use crate::hardware::Hardware;
use crate::life::Phase;
use crate::mailbox::MailboxOwner;
use crate::partition::{CoreIndex, Partition};
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;

impl Spmc {
    /// Aborts the partition of vCPU `from`, which the caller's core has and which cannot go on. Other cores that run its vCPUs
    /// are made to leave them. False if another core has done so already.
    pub fn abort(&self, from: VcpuRef, hardware: &impl Hardware) -> bool {
        let Some(partition) = self.partitions().get(from.partition) else { return false };
        let Some(before) = partition.abort() else { return false };
        for (core, before) in (0..).zip(before) {
            // A partition with several vCPUs has each on the core of its number; the only one is `from`.
            if before == VcpuState::Running
                && let Some(core) = CoreIndex::new(core).filter(|core| core.get() != from.vcpu)
            {
                hardware.kick(core);
            }
        }
        true
    }

    /// Ends the partition at `place`, if it was aborted and no core has any vCPU of it. Whoever gives one up after an abort asks
    /// for it. False if it is not the time yet, or another core does it.
    pub fn end(&self, place: usize, hardware: &impl Hardware) -> bool {
        let Some(partition) = self.partitions().get(place) else { return false };
        let mut vcpus = (0..partition.contexts()).filter_map(|index| partition.vcpu(index));
        if !vcpus.all(|vcpu| vcpu.state() == VcpuState::Stopped)
            || !partition.life().pass(Phase::Aborted, Phase::Ending)
        {
            return false;
        }
        self.clean_up(place, partition, hardware);
        // Nobody else leaves this phase.
        _ = partition.life().pass(Phase::Ending, Phase::Stopped);
        true
    }

    fn clean_up(&self, place: usize, partition: &Partition, hardware: &impl Hardware) {
        self.forget_notifications(partition);
        // It may have had none.
        _ = partition.mailbox.unmap(MailboxOwner::Partition(place), hardware);
        self.memory().release(place, &self.memory_world(hardware));
        for interrupt in partition.interrupts() {
            hardware.enable_interrupt(interrupt.intid, false);
        }
        for vcpu in (0..partition.contexts()).filter_map(|index| partition.vcpu(index)) {
            vcpu.timer.reset();
            let devices = vcpu.interrupts.clear();
            for (place, interrupt) in (0..u64::BITS).zip(partition.interrupts()) {
                if devices >> place & 1 != 0 {
                    hardware.deactivate_interrupt(interrupt.intid);
                }
            }
        }
    }
}
