// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The event queue: records, the queue's end, and the overflow flag (7.2 to 7.4).

use super::State;
use super::registers::{EVENTQ_IRQEN, EVENTQEN};

const OVERFLOW: u64 = 1 << 31;
const EVENTQ_ABT: u64 = 4;

impl State {
    fn event_ring(&self) -> (u64, u64) {
        let entries = 1 << (self.registers.eventq_base & 0x1f);
        let base = self.registers.eventq_base & 0x00ff_ffff_ffff_ffe0 & !(entries * 32 - 1);
        (base, entries)
    }

    /// Writes a record, if the queue can take one.
    pub(crate) fn record(&mut self, record: [u64; 4]) {
        let aborted = (self.registers.gerror ^ self.registers.gerrorn) & EVENTQ_ABT != 0;
        let unwritable = aborted && !self.faults.full_is_abort;
        if self.registers.cr0.effective & EVENTQEN == 0 || unwritable {
            return;
        }
        let (base, entries) = self.event_ring();
        let mask = 2 * entries - 1;
        let producer = self.registers.eventq_prod & mask;
        let used = producer.wrapping_sub(self.registers.eventq_cons) & mask;
        let flag = self.registers.eventq_prod & OVERFLOW;
        if used == entries && self.faults.full_is_abort {
            return self.raise(EVENTQ_ABT);
        }
        if used == entries {
            if flag == self.registers.eventq_cons & OVERFLOW {
                self.registers.eventq_prod ^= OVERFLOW;
            }
            return;
        }
        let address = base + (producer & (entries - 1)) * 32;
        if !self.faults.records_vanish {
            for (place, word) in (0..).zip(record) {
                self.store(address + place * 8, word);
            }
        }
        self.registers.eventq_prod = (producer + 1) & mask | flag;
        // The moment in which the queue stops being empty (3.18).
        if used == 0 {
            self.interrupt(EVENTQ_IRQEN, self.registers.eventq_message);
        }
    }

    pub(super) fn check_consumer(&mut self) {
        if self.registers.cr0.effective & EVENTQEN == 0 {
            return;
        }
        let (_, entries) = self.event_ring();
        let left = self.registers.eventq_prod.wrapping_sub(self.registers.eventq_cons) & (2 * entries - 1);
        if left > entries {
            self.violate(format!("event consumer leaves {left} records in a queue of {entries}"));
        }
    }

    /// Moves the producer index to where no queue can have it.
    pub(crate) fn tamper_with_event_producer(&mut self, value: u64) {
        self.registers.eventq_prod = value;
    }
}
