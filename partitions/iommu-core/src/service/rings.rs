// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings: many mappings by one message. What stands in a ring goes the way of what stands in registers: the same checks of
//! the same claims, in `domain`.
//!
//! A client writes to its ring while it is read. So each word is read once, into a variable of the service's own, and what is
//! checked is what is used. The service keeps nothing of a ring between two messages: where a list is not done, how far it came is
//! written into its descriptor, and is an argument of the client's when it rings again.

use super::{Service, aligned};
use crate::client::Client;
use crate::domain::{Budget, CHUNK, Listed, Source};
use crate::smmu::Smmu;
use crate::table::PAGE_BITS;
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, Doorbell, List, ListEntry, SLOT_WORDS, STATUS_WORD};
use ffa_abi::{AreaHandle, Iova, Response, Status};

/// Entries that are passed over in one step.
const PASSED_PER_STEP: usize = 4;

impl<S: Smmu> Service<'_, S> {
    pub(super) fn area_open(&self, client: Client, memory: u64) -> Result<Response, Status> {
        let (handle, bytes) = self.areas.open(client, memory, &self.ownership)?;
        Ok(Response { status: Status::Ok, values: [handle.raw().into(), bytes, 0, 0] })
    }

    pub(super) fn area_close(&self, client: Client, area: AreaHandle) -> Result<Response, Status> {
        self.areas.close(client, area, &self.ownership)?;
        Ok(Response::status(Status::Ok))
    }

    // Never in the place of its call: the others pay for what it does to the registers.
    #[inline(never)]
    pub(super) fn doorbell(&self, client: Client, bell: Doorbell) -> Result<Response, Status> {
        let area = self.areas.hold(client, bell.area)?;
        area.with(|words| self.ring(client, &Ring(words), bell))
    }

    fn ring(&self, client: Client, ring: &Ring<'_>, bell: Doorbell) -> Result<Response, Status> {
        let (first, wanted) = (usize::from(bell.first), usize::from(bell.slots));
        if first >= ring.slots() || wanted == 0 || wanted > ring.slots() {
            return Err(Status::OutOfRange);
        }
        let mut budget = Budget::of_a_message();
        let mut tally = Tally { slots: 0, failed: 0, first_failure: Status::Ok };
        while tally.slots < wanted && !budget.is_spent() {
            budget.take(Budget::DESCRIPTOR_STEPS);
            let place = first.wrapping_add(tally.slots);
            let words = ring.read(place);
            let descriptor = Descriptor::decode(&words);
            let (descriptor, slots) = match descriptor {
                Ok(Descriptor::MapList { list, .. } | Descriptor::UnmapList { list, .. })
                    if list.slots() >= wanted.saturating_sub(tally.slots) =>
                {
                    (Err(Status::OutOfRange), 1)
                }
                Ok(Descriptor::MapList { list, .. } | Descriptor::UnmapList { list, .. }) => {
                    (descriptor, list.slots().wrapping_add(1))
                }
                Ok(Descriptor::Sync) | Err(_) => (descriptor, 1),
            };
            // Where a descriptor is none, what stands behind it may be anything.
            let (listed, ends) = match descriptor {
                Ok(Descriptor::Sync) => {
                    let failed = tally.first_failure != Status::Ok;
                    (Ok(Listed { status: tally.first_failure, bytes: 0, removed: 0 }), failed)
                }
                Ok(descriptor) => (self.list(client, ring, place, descriptor, &mut budget), false),
                Err(status) => (Err(status), true),
            };
            let Listed { status, bytes, removed } =
                listed.unwrap_or_else(|status| Listed { status, bytes: 0, removed: 0 });
            let [_, _, _, done, ..] = words;
            ring.answer(place, done.wrapping_add(bytes), status, removed);
            if status == Status::Again {
                break;
            }
            tally.count(slots, status);
            if ends {
                break;
            }
        }
        Ok(Response { status: Status::Ok, values: [tally.slots as u64, tally.failed, 0, 0] })
    }

    /// Does what one descriptor asks for.
    fn list(
        &self,
        client: Client,
        ring: &Ring<'_>,
        place: usize,
        descriptor: Descriptor,
        budget: &mut Budget,
    ) -> Result<Listed, Status> {
        match descriptor {
            Descriptor::MapList { domain, iova, protection, list } => {
                aligned(iova.0 | list.done)?;
                let iova = Iova(iova.0.checked_add(list.done).ok_or(Status::OutOfRange)?);
                let mut entries = Entries::new(ring, place, list, budget);
                self.domains.map_list(client, domain, (iova, protection), &mut entries, budget, self.means())
            }
            Descriptor::UnmapList { domain, list } => {
                aligned(list.done)?;
                let mut entries = Entries::new(ring, place, list, budget);
                self.domains.unmap_list(client, domain, &mut entries, budget, self.means())
            }
            Descriptor::Sync => Ok(Listed { status: Status::Ok, bytes: 0, removed: 0 }),
        }
    }
}

/// What a message has done.
struct Tally {
    slots: usize,
    failed: u64,
    first_failure: Status,
}

impl Tally {
    const fn count(&mut self, slots: usize, status: Status) {
        self.slots = self.slots.wrapping_add(slots);
        if !matches!(status, Status::Ok) {
            self.failed = self.failed.wrapping_add(1);
            if matches!(self.first_failure, Status::Ok) {
                self.first_failure = status;
            }
        }
    }
}

/// A ring in a client's memory.
struct Ring<'w>(&'w [AtomicU64]);

impl Ring<'_> {
    const fn slots(&self) -> usize {
        self.0.len() / SLOT_WORDS
    }

    /// Returns the words of a slot; after the last one comes the first.
    fn slot(&self, place: usize) -> &[AtomicU64] {
        let first = place.checked_rem(self.slots()).unwrap_or(0).wrapping_mul(SLOT_WORDS);
        self.0.get(first..first.wrapping_add(SLOT_WORDS)).unwrap_or_default()
    }

    /// Copies a slot.
    fn read(&self, place: usize) -> [u64; SLOT_WORDS] {
        let mut copy = [0; SLOT_WORDS];
        for (to, from) in copy.iter_mut().zip(self.slot(place)) {
            *to = from.load(Ordering::Relaxed);
        }
        copy
    }

    /// Writes the answer to a descriptor, the status last.
    fn answer(&self, place: usize, done: u64, status: Status, removed: u64) {
        let [_, _, _, done_word, _, status_word, removed_word, _] = self.slot(place) else { return };
        const { assert!(DONE_WORD == 3 && STATUS_WORD == 5) };
        done_word.store(done, Ordering::Relaxed);
        removed_word.store(removed, Ordering::Relaxed);
        status_word.store(ANSWERED | u64::from(u32::from(status)), Ordering::Release);
    }
}

/// The entries of a list that are not done.
struct Entries<'w> {
    words: &'w [AtomicU64],
    /// The word of the next entry.
    at: usize,
    left: u16,
    /// What is left of an entry of which a part is done.
    next: Option<ListEntry>,
}

impl<'w> Entries<'w> {
    /// Begins behind the descriptor in a slot. Passes over what is done, whole pages, which costs something of the budget.
    #[inline(never)]
    fn new(ring: &Ring<'w>, place: usize, list: List, budget: &mut Budget) -> Self {
        let first = place.wrapping_add(1).checked_rem(ring.slots()).unwrap_or(0);
        let at = first.wrapping_mul(SLOT_WORDS);
        let mut entries = Self { words: ring.0, at, left: list.entries, next: None };
        let (mut done, mut passed) = (list.done, 0_usize);
        while done > 0 {
            let Some(entry) = entries.read() else { break };
            passed = passed.wrapping_add(1);
            match done.checked_sub(entry.bytes()) {
                Some(rest) => done = rest,
                None => {
                    let (address, bytes) =
                        (entry.address().wrapping_add(done), entry.bytes().wrapping_sub(done));
                    entries.next = ListEntry::new(address, bytes >> PAGE_BITS);
                    break;
                }
            }
        }
        budget.take(passed / PASSED_PER_STEP);
        entries
    }

    #[inline]
    fn read(&mut self) -> Option<ListEntry> {
        self.left = self.left.checked_sub(1)?;
        let word = self.words.get(self.at)?;
        self.at = self.at.wrapping_add(1);
        if self.at >= self.words.len() {
            self.at = 0;
        }
        Some(ListEntry(word.load(Ordering::Relaxed)))
    }
}

impl Source for Entries<'_> {
    // Apart from its caller, which has enough to keep in registers.
    #[inline(never)]
    fn next<'c>(&mut self, chunk: &'c mut [ListEntry; CHUNK]) -> &'c [ListEntry] {
        let mut count = 0_usize;
        if let (Some(entry), [first, ..]) = (self.next.take(), &mut *chunk) {
            *first = entry;
            count = 1;
        }
        // Up to the end of the ring, then from its start.
        for _ in 0..2 {
            let room = chunk.get_mut(count..).unwrap_or_default();
            let words = self.words.get(self.at..).unwrap_or_default();
            let words = words.get(..self.left.into()).unwrap_or(words);
            let copied = words.len().min(room.len());
            for (to, from) in room.iter_mut().zip(words) {
                *to = ListEntry(from.load(Ordering::Relaxed));
            }
            count = count.wrapping_add(copied);
            self.left = self.left.saturating_sub(u16::try_from(copied).unwrap_or(u16::MAX));
            self.at = self.at.wrapping_add(copied);
            if self.at >= self.words.len() {
                self.at = 0;
            }
        }
        chunk.get(..count).unwrap_or_default()
    }
}
