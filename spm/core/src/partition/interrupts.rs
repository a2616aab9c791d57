// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's interrupts: those of its devices, their virtual INTIDs, and what becomes of others' while it runs. Which are pending
//! is its vCPUs' ([`crate::interrupts`]).

use crate::interrupts::InterruptLine;
use crate::manifest::actions::{NsInterruptsAction, OtherInterruptsAction};
use crate::manifest::interrupt::DeviceInterrupt;

use super::Partition;

impl Partition {
    /// Enables the virtual interrupts that are on from its start.
    pub(crate) fn enable_first_interrupts(&self) {
        if self.ns_interrupts() == NsInterruptsAction::ManagedExit {
            for vcpu in &self.vcpus {
                vcpu.interrupts.enable(InterruptLine::MANAGED_EXIT, true, self.managed_exit_by_fiq());
            }
        }
        if self.is_application()
            && let [vcpu, ..] = &self.vcpus
        {
            // It has no call that would do so.
            for line in (0..self.interrupts.len()).filter_map(InterruptLine::device) {
                vcpu.interrupts.enable(line, true, false);
            }
        }
    }

    /// Returns the interrupts of its devices.
    #[must_use]
    pub fn interrupts(&self) -> &[DeviceInterrupt] {
        &self.interrupts
    }

    /// Returns what happens to the normal world's interrupts while it runs.
    #[inline(always)]
    #[must_use]
    pub const fn ns_interrupts(&self) -> NsInterruptsAction {
        self.interrupt_actions.non_secure
    }

    /// Returns what happens to other partitions' interrupts while it runs.
    #[inline(always)]
    #[must_use]
    pub const fn other_interrupts(&self) -> OtherInterruptsAction {
        self.interrupt_actions.other_secure
    }

    /// Tells whether it learns of a managed exit by virtual FIQ, not by virtual IRQ.
    #[must_use]
    pub const fn managed_exit_by_fiq(&self) -> bool {
        self.interrupt_actions.managed_exit_by_fiq
    }

    /// Returns the line that its virtual INTID is; nothing if it has no such interrupt.
    #[must_use]
    pub fn line(&self, intid: u32) -> Option<InterruptLine> {
        let own = [
            InterruptLine::TIMER,
            InterruptLine::MANAGED_EXIT,
            InterruptLine::NOTIFICATION,
            InterruptLine::IPI,
        ];
        if let Some(line) = own.into_iter().find(|line| line.own_intid() == intid) {
            return Some(line);
        }
        InterruptLine::device(self.interrupts.iter().position(|interrupt| interrupt.intid == intid)?)
    }

    /// Returns the virtual INTID of a line; for a device's, that is the physical one.
    #[must_use]
    pub fn intid(&self, line: InterruptLine) -> u32 {
        let device = line.place().and_then(|place| self.interrupts.get(place));
        device.map_or(line.own_intid(), |interrupt| interrupt.intid)
    }
}
