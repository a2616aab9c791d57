// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of the event queue and of global errors (IHI 0070, 3.18 and 6.3.16).
//!
//! What raises one is the moment in which the event queue stops being empty, or an error becomes active: there is none
//! for what is there already. So whoever switches them on, or empties the queue, looks once more afterwards.

use super::gate::UPDATE_MILLISECONDS;
use super::hardware::{Hardware, Registers, TimedOut};
use super::spec::registers::{IRQ_CTRL, IRQ_CTRLACK};

/// All enables that exist. Page requests have none here: their queue is never on.
const ENABLES: u32 =
    IRQ_CTRL::GERROR_IRQEN::SET.value | IRQ_CTRL::PRIQ_IRQEN::SET.value | IRQ_CTRL::EVENTQ_IRQEN::SET.value;

/// Returns the value of IRQ_CTRL with both interrupts on, or all off.
pub(super) fn enables(on: bool) -> u32 {
    let wanted = IRQ_CTRL::GERROR_IRQEN::SET + IRQ_CTRL::EVENTQ_IRQEN::SET;
    if on { wanted.value } else { 0 }
}

/// Switches both interrupts on, or all off, and waits until that has taken effect.
pub(super) fn set<H: Hardware>(hardware: &H, on: bool) -> Result<(), TimedOut> {
    let value = enables(on);
    hardware.write32(IRQ_CTRL.offset, value);
    hardware.wait(UPDATE_MILLISECONDS, || hardware.read32(IRQ_CTRLACK.offset) & ENABLES == value)
}
