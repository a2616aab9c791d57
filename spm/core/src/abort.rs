// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is cleaned up when a partition aborts (FF-A 1.3 §7.2.3, §7.2.4): no vCPU of it runs any more, its interrupts are off,
//! nobody has notifications of it or for it, and what it borrowed is its owner's again.

use crate::hardware::Hardware;
use crate::partition::Partition;
use crate::spmc::Spmc;

impl Spmc {
    /// Stops a partition for good. A core that runs one of its vCPUs meanwhile does not enter it again.
    pub fn stop(&self, partition: &Partition, hardware: &impl Hardware) {
        partition.stop();
        self.forget_notifications(partition);
        if let Some(place) = self.partitions().iter().position(|other| other.id() == partition.id()) {
            self.memory().release(place, &self.memory_world(hardware));
        }
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
