// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that get another holder while records of theirs are in an event queue: those count for who had the device when they
//! were written.

use super::recipient::Recipient;
use core::ops::Range;

/// When a device changed hands last, or left quarantine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// Records before this place of the event queue were written before.
    place: u64,
    /// Who is told of them.
    before: Recipient,
}

impl Turn {
    /// It never did.
    pub(super) const NONE: Self = Self { place: 0, before: Recipient::Hyp };

    /// Returns who is told of a record, where it was written before.
    pub(super) fn before(self, place: u64) -> Option<Recipient> {
        (place < self.place).then_some(self.before)
    }

    /// Notes that what is `waiting` was written before, when `now` was who is told.
    pub(super) fn next(&mut self, waiting: Range<u64>, now: Recipient) {
        // Where records wait that were written before the last time, it is not known any more which: one of the two holders was
        // not the kernel, and that is not the kernel's to hear.
        let before = if self.place > waiting.start { Recipient::Hyp } else { now };
        *self = Self { place: waiting.end, before };
    }
}
