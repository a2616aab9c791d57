// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The event queue (IHI 0070, 7.2 to 7.4).
//!
//! Records stand in memory that others may write, and the producer index in a register that others may reach: whatever
//! they say, a look at the queue ends after as many records as it was allowed.
//!
//! An aborted access to the queue may leave entries that were counted and never written (7.2.2). So a record is cleared
//! when it is read, and one without a number, which no event has, was never written: it is dropped and told as lost.
//! QEMU raises that error where the queue is full, instead of the overflow flag; both say that records were lost.

use super::hardware::{Hardware, Registers};
use super::ring::{Index, Ring};
use super::spec::events::{EVENT_WORDS, EVENT0, EVENT1, EventNumber, INPUT_ADDRESS_WORD};
use super::spec::registers::{EVENTQ_CONS, EVENTQ_INDEX, EVENTQ_PROD};
use super::{Event, Polled};
use crate::pool::Reserved;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{FaultKind, Iova, StreamId};
use tock_registers::LocalRegisterCopy;

/// log2 of the entries: eight pages, some ten faulting transfers of a device.
pub(super) const WANTED_LOG2: u8 = 10;

/// The event queue.
#[derive(Debug)]
pub(super) struct EventQueue<'p> {
    memory: Reserved<'p>,
    ring: Ring,
    /// Where the next record is read.
    consumer: Index,
    /// How many entries are behind it since the start.
    place: u64,
    /// The overflow flag as it was acknowledged last.
    overflow: bool,
    /// Whether records were lost that nobody was told of yet.
    lost: bool,
}

impl<'p> EventQueue<'p> {
    /// Makes an empty queue of zeroed memory, which must have room for the ring.
    pub(super) const fn new(memory: Reserved<'p>, ring: Ring) -> Self {
        Self { memory, ring, consumer: Index::START, place: 0, overflow: false, lost: false }
    }

    /// Makes the queue what it was when it was new, for an SMMU that does not write it. Records that are in it are lost, and
    /// told as that.
    pub(super) fn restart(&mut self) {
        // A record that nobody read would be taken for one that is written later, if that one never comes.
        for first in self.memory.words.iter().step_by(EVENT_WORDS) {
            first.store(0, Relaxed);
        }
        (self.consumer, self.overflow, self.lost) = (Index::START, false, true);
        self.pass(self.ring.entries());
    }

    /// Counts entries that were read, or are lost.
    fn pass(&mut self, entries: u32) {
        // A hundred million records a second would take some thousand years.
        self.place = self.place.wrapping_add(entries.into());
    }

    /// Returns the places of the records that wait.
    pub(super) fn waiting<H: Hardware>(&self, hardware: &H) -> Range<u64> {
        let producer = self.ring.index(hardware.get(EVENTQ_PROD).get());
        // Where it is none that can be, as many as there could be: they will be lost.
        let count = self.ring.distance(self.consumer, producer).unwrap_or(self.ring.entries());
        self.place..self.place.wrapping_add(count.into())
    }

    /// Returns the queue's memory and size.
    pub(super) const fn place(&self) -> (&Reserved<'p>, Ring) {
        (&self.memory, self.ring)
    }

    /// Hands at most `budget` records to `sink`, and acknowledges them and an overflow.
    pub(super) fn poll<H: Hardware>(
        &mut self,
        hardware: &H,
        budget: usize,
        sink: &mut dyn FnMut(Event),
    ) -> Polled {
        let register = hardware.get(EVENTQ_PROD);
        let producer = self.ring.index(register.get());
        let overflow = register.is_set(EVENTQ_INDEX::OVERFLOW);
        let lost = core::mem::take(&mut self.lost) || overflow != self.overflow;
        self.overflow = overflow;
        let mut polled = Polled { taken: 0, overflow: lost };
        if producer == self.consumer && !lost {
            return polled;
        }
        match self.ring.distance(self.consumer, producer) {
            Some(available) => {
                let count = u32::try_from(budget).unwrap_or(u32::MAX).min(available);
                // Records are read behind the index that says they are there.
                hardware.observe();
                for _ in 0..count {
                    match self.take() {
                        Some(event) => sink(Event { place: self.place, ..event }),
                        None => polled.overflow = true,
                    }
                    self.consumer = self.ring.advance(self.consumer, 1);
                    self.pass(1);
                    polled.taken += 1;
                }
            }
            // No queue can be that far ahead: what it holds is unknown, and lost.
            None => {
                self.consumer = producer;
                self.pass(self.ring.entries());
                polled.overflow = true;
            }
        }
        self.release(hardware);
        polled
    }

    /// Notes that the SMMU could not write records.
    pub(super) const fn note_loss(&mut self) {
        self.lost = true;
    }

    /// Gives the entries that were read back to the SMMU.
    fn release<H: Hardware>(&self, hardware: &H) {
        // The SMMU writes entries again as soon as the index says so: they have to be read, and cleared, before.
        hardware.observe();
        hardware.publish();
        let flag = if self.overflow { EVENTQ_INDEX::OVERFLOW::SET } else { EVENTQ_INDEX::OVERFLOW::CLEAR };
        hardware.set(EVENTQ_CONS, EVENTQ_INDEX::INDEX.val(self.consumer.raw()) + flag);
    }

    /// Reads the next record and clears it, or `None` where there was none.
    fn take(&self) -> Option<Event> {
        let first = self.ring.position(self.consumer) * EVENT_WORDS;
        let words = self.memory.words.get(first..first + EVENT_WORDS)?;
        let mut record = [0; EVENT_WORDS];
        for (copy, word) in record.iter_mut().zip(words) {
            *copy = word.load(Relaxed);
        }
        words.first()?.store(0, Relaxed);
        Some(decode(&record)).filter(|event| event.number != 0)
    }
}

/// Reads a record, whatever it holds, as the first of all.
pub(super) fn decode(record: &[u64; EVENT_WORDS]) -> Event {
    let [first, second, ..] = *record;
    let first = LocalRegisterCopy::<u64, EVENT0::Register>::new(first);
    let second = LocalRegisterCopy::<u64, EVENT1::Register>::new(second);
    let [number, ..] = first.read(EVENT0::NUMBER).to_le_bytes();
    let known = EventNumber::try_from(number).ok();
    let has_address = known.is_some_and(EventNumber::has_address);
    let address = record.get(INPUT_ADDRESS_WORD).copied().filter(|_| has_address).unwrap_or(0);
    Event {
        sid: StreamId(u32::try_from(first.read(EVENT0::STREAM)).unwrap_or(u32::MAX)),
        iova: Iova(address),
        kind: known.map_or(FaultKind::Other, kind),
        write: has_address && !second.is_set(EVENT1::RNW),
        number,
        place: 0,
    }
}

/// Says in the service's words why a transaction was stopped.
const fn kind(number: EventNumber) -> FaultKind {
    match number {
        EventNumber::Translation => FaultKind::Translation,
        // Every descriptor of this service has the access flag, so that one without it allows nothing.
        EventNumber::Permission
        | EventNumber::Access
        | EventNumber::BadAtsRequest
        | EventNumber::TranslatedForbidden => FaultKind::Permission,
        EventNumber::AddressSize => FaultKind::AddressSize,
        EventNumber::BadStreamId
        | EventNumber::BadSte
        | EventNumber::StreamDisabled
        | EventNumber::BadSubstreamId => FaultKind::Stream,
        EventNumber::SteFetch
        | EventNumber::CdFetch
        | EventNumber::BadCd
        | EventNumber::WalkAbort
        | EventNumber::TlbConflict
        | EventNumber::ConfigConflict
        | EventNumber::VmsFetch => FaultKind::Structure,
        EventNumber::UnsupportedTransaction | EventNumber::PageRequest => FaultKind::Other,
    }
}
