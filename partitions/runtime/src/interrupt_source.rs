// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways in which a partition gets the interrupts of its devices. Which of them it is follows from the partition's
//! configuration: a call by HVC to a manager that has none is a fault.
//!
//! By each of them an interrupt comes when the partition waits ([`Partition::interrupted`]), never in the middle of a
//! message: virtual interrupts stay masked. So its handler may take every lock that a message may.
//!
//! [`Partition::interrupted`]: crate::Partition::interrupted

use crate::interrupts;

/// Where a partition's interrupts come from.
pub trait InterruptSource {
    /// Lets an interrupt come to this vCPU, or not any more. False if it is not the partition's.
    #[must_use]
    fn enable(&self, intid: u32, on: bool) -> bool;

    /// Takes the next interrupt of this vCPU, if there is one.
    fn take(&self) -> Option<u32>;

    /// Ends an interrupt that was taken: only then it can come again.
    fn end(&self, intid: u32);
}

/// The calls by HVC that Hafnium and spm have.
#[derive(Clone, Copy, Debug)]
pub struct Hypercalls;

impl InterruptSource for Hypercalls {
    fn enable(&self, intid: u32, on: bool) -> bool {
        if on { interrupts::enable(intid) } else { interrupts::disable(intid) }
    }

    fn take(&self) -> Option<u32> {
        interrupts::take()
    }

    fn end(&self, intid: u32) {
        interrupts::deactivate(intid);
    }
}

/// No interrupts: the partition looks at its devices when it is called.
#[derive(Clone, Copy, Debug)]
pub struct Polling;

impl InterruptSource for Polling {
    fn enable(&self, _intid: u32, on: bool) -> bool {
        !on
    }

    fn take(&self) -> Option<u32> {
        None
    }

    fn end(&self, _intid: u32) {}
}
