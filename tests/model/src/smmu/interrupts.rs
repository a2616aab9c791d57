// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raising interrupts (IHI 0070, 3.18 and 6.3.16): each when something begins, so that none tells of what was there before.

use super::Smmu;
use super::registers::Registers;
use crate::architecture::registers::{EVENTQ_IRQEN, GERROR_IRQEN};

impl Registers {
    /// Raises an interrupt, where its enable is on or becomes so (3.18, 6.3.16).
    pub(super) const fn interrupt(&mut self, enable: u32) {
        self.raised |= enable & self.interrupts.effective;
    }

    /// Returns whether events interrupt, for sure.
    pub(super) const fn events_interrupt(&self) -> bool {
        self.interrupts.effective & self.interrupts.written & EVENTQ_IRQEN != 0
    }

    /// Takes the interrupts that were raised, by their enables.
    pub(super) const fn take_raised(&mut self) -> u32 {
        let raised = self.raised;
        self.raised = 0;
        raised
    }
}

impl Smmu {
    /// Takes the interrupts that were raised: of events, and of errors.
    pub(crate) const fn take_interrupts(&mut self) -> (bool, bool) {
        let raised = self.registers.take_raised();
        (raised & EVENTQ_IRQEN != 0, raised & GERROR_IRQEN != 0)
    }

    /// Tells whether events interrupt, and no update is under way.
    pub(crate) const fn events_interrupt(&self) -> bool {
        self.registers.events_interrupt()
    }
}
