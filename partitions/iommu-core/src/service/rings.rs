// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings: many mappings by one message. What stands in a ring goes the way of what stands in registers: the same checks of
//! the same claims, in `domain`.
//!
//! A client writes to its ring while it is read. So each word is read once, into a variable of the service's own, and what is
//! checked is what is used. The service keeps nothing of a ring between two messages: where a list is not done, how far it came is
//! written into its descriptor, and is an argument of the client's when it rings again.

use super::Service;
use crate::client::Client;
use crate::domain::{Budget, Listed};
use crate::ownership::Owned;
use crate::smmu::Smmu;
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, Doorbell, List, ListEntry, SLOT_WORDS, STATUS_WORD};
use ffa_abi::{AreaHandle, Iova, PhysAddr, Response, Status};

/// Steps that a descriptor takes beside its entries: finding its domain, an invalidation, its answer.
const DESCRIPTOR_STEPS: usize = 16;
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
            budget.take(DESCRIPTOR_STEPS);
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
                let iova = Iova(iova.0.checked_add(list.done).ok_or(Status::OutOfRange)?);
                let memory = Entries::new(ring, place, list, budget)
                    .map(|(address, size)| self.check_memory(client, PhysAddr(address), size));
                self.domains.map_list(client, domain, (iova, protection), memory, budget, self.means())
            }
            Descriptor::UnmapList { domain, list } => {
                let ranges =
                    Entries::new(ring, place, list, budget).map(|(address, size)| (Iova(address), size));
                self.domains.unmap_list(client, domain, ranges, budget, self.means())
            }
            Descriptor::Sync => Ok(Listed { status: Status::Ok, bytes: 0, removed: 0 }),
        }
    }

    /// Checks memory that a client wants to map, however it asked.
    pub(super) fn check_memory(&self, client: Client, pa: PhysAddr, size: u64) -> Result<Owned, Status> {
        if size == 0 || pa.0.checked_add(size).is_none() {
            return Err(Status::OutOfRange);
        }
        self.ownership.check(client, pa, size).ok_or(Status::Denied)
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

/// The entries of a list that are not done: first address, length in bytes.
struct Entries<'w> {
    words: &'w [AtomicU64],
    /// The word of the next entry.
    at: usize,
    left: u16,
    /// What of the next entry is done.
    done: u64,
    /// The next entry, if it was read to find it.
    next: Option<ListEntry>,
}

impl<'w> Entries<'w> {
    /// Begins behind the descriptor in a slot. Passes over what is done, which costs something of the budget.
    fn new(ring: &Ring<'w>, place: usize, list: List, budget: &mut Budget) -> Self {
        let first = place.wrapping_add(1).checked_rem(ring.slots()).unwrap_or(0);
        let at = first.wrapping_mul(SLOT_WORDS);
        let mut entries = Self { words: ring.0, at, left: list.entries, done: list.done, next: None };
        let mut passed = 0_usize;
        while entries.done > 0 {
            let Some(entry) = entries.read() else { break };
            passed = passed.wrapping_add(1);
            match entries.done.checked_sub(entry.bytes()) {
                Some(done) => entries.done = done,
                None => {
                    entries.next = Some(entry);
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

impl Iterator for Entries<'_> {
    type Item = (u64, u64);

    #[inline]
    fn next(&mut self) -> Option<(u64, u64)> {
        let entry = match self.next.take() {
            Some(entry) => entry,
            None => self.read()?,
        };
        // Less than the entry, or nothing.
        let done = core::mem::take(&mut self.done);
        Some((entry.address().wrapping_add(done), entry.bytes().wrapping_sub(done)))
    }
}
