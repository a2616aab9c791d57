// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing event records (IHI 0070, 7.2 and 7.4).

use super::commands::{Queue, bits_of_queue};
use super::{Smmu, Surroundings};
use crate::architecture::event::{EVENT_WORDS, Kind, record};
use crate::architecture::registers::{EVENTQ_ABT_ERR, EVENTQ_IRQEN, EVENTQEN, OVERFLOW, RECINVSID};
use crate::finding::Invariant;
use crate::memory::Place;

impl Smmu {
    fn event_queue(&self) -> Queue {
        Queue::new(self.registers.event_queue, bits_of_queue(self.read_idr1(), 16), 8 * EVENT_WORDS as u64)
    }

    /// Finds a consumer index that leaves the queue inconsistent.
    pub(super) fn check_consumer(&self, around: &mut Surroundings) {
        let queue = self.event_queue();
        let registers = &self.registers;
        let used = queue.used(registers.event_producer, registers.event_consumer);
        if registers.settled_control() & EVENTQEN != 0 && used > queue.entries() {
            around
                .findings
                .note(Invariant::Rules, || format!("{used} events in a queue for {}", queue.entries()));
        }
    }

    /// Records an event, where the queue is writable.
    pub(super) fn report(
        &mut self,
        kind: Kind,
        stream: u32,
        input: u64,
        write: bool,
        around: &mut Surroundings,
    ) {
        let off = self.registers.control(&mut around.random) & EVENTQEN == 0;
        let unwanted = kind == Kind::BadStreamId && self.registers.recording() & RECINVSID == 0;
        if off || unwanted || self.registers.active_errors() & EVENTQ_ABT_ERR != 0 {
            return;
        }
        let queue = self.event_queue();
        let (producer, consumer) = (self.registers.event_producer, self.registers.event_consumer);
        if queue.used(producer, consumer) >= queue.entries() {
            // Full: the flag differs from its acknowledgement from here on (7.4).
            let flag = (consumer & OVERFLOW) ^ OVERFLOW;
            self.registers.event_producer = (producer & !OVERFLOW) | flag;
            return;
        }
        let at = queue.entry(producer);
        if around.memory.place(at) != Place::Pool {
            around.findings.note(Invariant::Pool, || format!("an event was written to {at:#x}"));
        }
        for (place, word) in (0..).zip(record(kind, stream, input, write)) {
            if around.memory.write(at + 8 * place, word).is_err() {
                return self.registers.raise(EVENTQ_ABT_ERR);
            }
        }
        self.registers.event_producer = queue.index(producer + 1) | (producer & OVERFLOW);
        // What raises an interrupt is that the queue is not empty any more (7.2.1).
        if queue.used(producer, consumer) == 0 {
            self.registers.interrupt(EVENTQ_IRQEN);
        }
    }

    /// Tells whether records wait to be read.
    pub(crate) fn has_events(&self) -> bool {
        let registers = &self.registers;
        self.event_queue().used(registers.event_producer, registers.event_consumer) > 0
    }
}
