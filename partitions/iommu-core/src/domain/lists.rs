// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Map and unmap of lists in one domain: as for single ranges, but what is dear is done once for all of a list. That is finding
//! the domain, making entries visible, and waiting for SMMUs to forget.

use super::paging::{map_status, unmap_status};
use super::{Domain, Domains, ENTRIES_PER_CALL, Means};
use crate::client::Client;
use crate::ownership::{Pins as _, PinsOf};
use crate::policy::Range;
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, Smmu};
use crate::table::{Mapping, Near, PAGE_SIZE, Progress, UnmapError, Unmapped};
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::ring::ListEntry;
use ffa_abi::{DomainHandle, Iova, PhysAddr, Protection, Status};

/// How much a message may still do, in steps of some forty instructions.
#[derive(Debug)]
pub struct Budget(usize);

impl Budget {
    /// Steps that a descriptor takes beside its entries: finding its domain, an invalidation, its answer.
    pub const DESCRIPTOR_STEPS: usize = 16;

    /// What one message may do: one descriptor with a list of 256 pages, which has to be less than 20,000 instructions.
    #[must_use]
    pub const fn of_a_message() -> Self {
        Self(ENTRIES_PER_CALL + Self::DESCRIPTOR_STEPS)
    }

    /// Takes steps, or what is left of them.
    pub const fn take(&mut self, steps: usize) {
        self.0 = self.0.saturating_sub(steps);
    }

    /// Returns how many things can be begun that take so many steps each.
    const fn room_for(&self, steps: usize) -> usize {
        self.0.div_ceil(steps)
    }

    /// Tells whether nothing is left.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Steps that a single page of a list takes, and one where its pins are counted.
const PAGE_STEPS: usize = 2;
const COUNTED_PAGE_STEPS: usize = 5;
/// Steps that another entry takes beside those of the tables.
const ENTRY_STEPS: usize = 4;
/// Entries that are read at a time.
pub const CHUNK: usize = 64;

/// Where the entries of a list come from.
pub trait Source {
    /// Copies some of the entries that come next; none at the end. What was copied is not read again.
    fn next<'c>(&mut self, chunk: &'c mut [ListEntry; CHUNK]) -> &'c [ListEntry];
}

/// How far a list got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// [`Status::Ok`] for all of it, [`Status::Again`] where the budget was spent, or why it ended where it did.
    pub status: Status,
    /// Bytes of the list that this call did.
    pub bytes: u64,
    /// How many of them were mapped before an unmap.
    pub removed: u64,
}

impl Listed {
    /// Nothing was done yet.
    const START: Self = Self { status: Status::Ok, bytes: 0, removed: 0 };
}

impl Listed {
    /// Adds what a step did; tells whether it is the last.
    fn add(&mut self, bytes: u64, end: Result<(), Status>) -> bool {
        // No more than the window.
        self.bytes = self.bytes.wrapping_add(bytes);
        end.map_err(|status| self.status = status).is_err()
    }
}

impl<'a> Domains<'a> {
    /// Maps memory here and there so that it follows itself from an IOVA on, which is aligned.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], [`Status::NotSupported`]; what comes later stands in the answer.
    pub fn map_list<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        (iova, protection): (Iova, Protection),
        list: &mut impl Source,
        budget: &mut Budget,
        means: Means<'_, S>,
    ) -> Result<Listed, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        if !domain.table.format().can_grant(protection) {
            return Err(Status::NotSupported);
        }
        let smmu = means.smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let pins = &means.pins(client);
        let steps = if pins.counts() { COUNTED_PAGE_STEPS } else { PAGE_STEPS };
        let mut listed = Listed::START;
        let mut near = Near::START;
        let mut chunk = [ListEntry(0); CHUNK];
        'list: loop {
            let mut rest = list.next(&mut chunk);
            if rest.is_empty() {
                break;
            }
            while let [first, ..] = rest {
                if budget.is_spent() {
                    listed.status = Status::Again;
                    break 'list;
                }
                let at = iova.0.checked_add(listed.bytes);
                let room = at.and_then(|at| domain.window.from(at));
                let Some((at, room)) = at.zip(room) else {
                    listed.status = Status::OutOfRange;
                    break 'list;
                };
                let most = usize::try_from(room / PAGE_SIZE).unwrap_or(CHUNK).min(budget.room_for(steps));
                let most = most.min(rest.len());
                let pages = means.ownership.check_pages(client, rest.get(..most).unwrap_or_default());
                let (count, bytes, end) = if pages.entries().is_empty() {
                    budget.take(ENTRY_STEPS);
                    let (bytes, end) =
                        map_entry(client, domain, (at, room), (*first, protection), budget, means);
                    (1, bytes, end)
                } else {
                    let mapping = (pages, protection);
                    let (count, end) = domain.table.map_pages(&mut near, at, mapping, means.quota, pins);
                    budget.take(count.saturating_mul(steps));
                    (count, (count as u64).wrapping_mul(PAGE_SIZE), end.map_err(map_status))
                };
                if listed.add(bytes, end) {
                    break 'list;
                }
                rest = rest.get(count..).unwrap_or_default();
            }
        }
        // As for a single range, there is nothing to invalidate.
        if !seeded(Bug::MapNotPublished) {
            smmu.publish();
        }
        Ok(listed)
    }

    /// Unmaps ranges, and returns when no device can use what was mapped any more. Tables stay.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`]; [`Status::Hardware`] where the SMMU may still use what was mapped. What comes
    /// later stands in the answer.
    pub fn unmap_list<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        list: &mut impl Source,
        budget: &mut Budget,
        means: Means<'_, S>,
    ) -> Result<Listed, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        let smmu = means.smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let pins = &means.pins(client);
        let steps = if pins.counts() { COUNTED_PAGE_STEPS } else { PAGE_STEPS };
        let mut listed = Listed::START;
        let mut removal = Removal::new(smmu, domain, pins);
        let mut near = Near::START;
        let mut chunk = [ListEntry(0); CHUNK];
        'list: loop {
            let mut rest = list.next(&mut chunk);
            if rest.is_empty() {
                break;
            }
            while let [first, ..] = rest {
                let left = removal.left_of(budget);
                if left.is_spent() {
                    listed.status = Status::Again;
                    break 'list;
                }
                let some = rest.get(..left.room_for(steps)).unwrap_or(rest);
                let (mut count, end) =
                    domain.table.unmap_pages(&mut near, some, &domain.window, &mut removal.unmapped);
                budget.take(count.saturating_mul(steps));
                removal.paid = removal.paid.saturating_add(count);
                let mut bytes = (count as u64).wrapping_mul(PAGE_SIZE);
                let end = match end {
                    Ok(()) if count > 0 => Ok(()),
                    Ok(()) => {
                        count = 1;
                        let end;
                        (bytes, end) = removal.entry(*first, budget)?;
                        end
                    }
                    // The list names a page twice.
                    Err(UnmapError::Raced) if removal.settle_early(budget)? => Ok(()),
                    Err(error) => Err(unmap_status(error)),
                };
                if listed.add(bytes, end) {
                    break 'list;
                }
                rest = rest.get(count..).unwrap_or_default();
            }
        }
        let _: bool = removal.settle(budget)?;
        listed.removed = removal.removed;
        Ok(listed)
    }
}

/// Maps what one entry names, or some of it, as for a single range: returns how many bytes, and why it was not all.
#[inline(never)]
fn map_entry<S: Smmu>(
    client: Client,
    domain: &Domain<'_>,
    (at, room): (u64, u64),
    (entry, protection): (ListEntry, Protection),
    budget: &mut Budget,
    means: Means<'_, S>,
) -> (u64, Result<(), Status>) {
    let memory = match means.ownership.claim(client, PhysAddr(entry.address()), entry.bytes()) {
        Ok(memory) if memory.size() <= room => memory,
        Ok(_) => return (0, Err(Status::OutOfRange)),
        Err(status) => return (0, Err(status)),
    };
    let mapping = Mapping { iova: Iova(at), pa: memory.base(), size: memory.size(), protection };
    let Progress { bytes, end } =
        domain.table.map_within(&mapping, means.quota, &means.pins(client), &mut budget.0);
    match end {
        Err(error) => (bytes, Err(map_status(error))),
        Ok(()) if bytes < memory.size() => (bytes, Err(Status::Again)),
        Ok(()) => (bytes, Ok(())),
    }
}

/// Steps that an invalidation takes, waiting for the SMMU left out.
const SYNC_STEPS: usize = 16;
/// What one takes that is not the list's last: a message does not wait for the SMMU more often than some eight times.
const EARLY_SYNC_STEPS: usize = 64;
/// Entries that are looked at in a step when what was removed is let go: some seven instructions each.
const ENTRIES_PER_STEP: usize = 4;

/// What was removed from a domain by one message.
struct Removal<'d, 'a, S> {
    smmu: &'d S,
    domain: &'d Domain<'a>,
    pins: &'d PinsOf<'d>,
    /// What SMMUs may still know.
    unmapped: Unmapped<'a>,
    /// How many entries of it were paid for when they were removed.
    paid: usize,
    /// Bytes that they have forgotten.
    removed: u64,
}

impl<'d, 'a, S: Smmu> Removal<'d, 'a, S> {
    fn new(smmu: &'d S, domain: &'d Domain<'a>, pins: &'d PinsOf<'d>) -> Self {
        Self { smmu, domain, pins, unmapped: domain.table.removal(pins), paid: 0, removed: 0 }
    }

    /// Returns what it will cost to let go what was removed, beside what was paid for: all entries between the first and the last
    /// of a table are looked at, until those between are removed as well.
    fn owed(&self) -> usize {
        self.unmapped.entries().saturating_sub(self.paid).div_ceil(ENTRIES_PER_STEP)
    }

    /// Returns what of a budget is left for more.
    fn left_of(&self, budget: &Budget) -> Budget {
        Budget(budget.0.saturating_sub(self.owed()))
    }

    /// Removes what one entry names, or some of it, as for a single range: returns how many bytes, and why it was not all.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    #[inline(never)]
    fn entry(&mut self, entry: ListEntry, budget: &mut Budget) -> Result<(u64, Result<(), Status>), Status> {
        budget.take(ENTRY_STEPS);
        if !self.domain.window.contains(&Range { base: entry.address(), size: entry.bytes() }) {
            return Ok((0, Err(Status::OutOfRange)));
        }
        let mut done = 0_u64;
        while done < entry.bytes() {
            if self.left_of(budget).is_spent() {
                return Ok((done, Err(Status::Again)));
            }
            let rest = (Iova(entry.address().wrapping_add(done)), entry.bytes().wrapping_sub(done));
            let before = budget.0;
            let Progress { bytes, end } =
                self.domain.table.unmap_within(rest, &mut budget.0, false, &mut self.unmapped);
            done = done.wrapping_add(bytes);
            self.paid = self.paid.saturating_add(before.saturating_sub(budget.0));
            match end {
                // The list names a page twice.
                Err(UnmapError::Raced) if self.settle_early(budget)? => {}
                Err(error) => return Ok((done, Err(unmap_status(error)))),
                Ok(()) if done < entry.bytes() && !self.left_of(budget).is_spent() => {
                    // There was no room to note one more table.
                    let _: bool = self.settle_early(budget)?;
                }
                Ok(()) => {}
            }
        }
        Ok((done, Ok(())))
    }

    /// As [`settle`](Self::settle), before the end of the list.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    fn settle_early(&mut self, budget: &mut Budget) -> Result<bool, Status> {
        budget.take(EARLY_SYNC_STEPS - SYNC_STEPS);
        self.settle(budget)
    }

    /// Has the SMMU forget all that was removed, by one wait, and lets the memory go. Tells whether there was anything.
    ///
    /// # Errors
    /// [`Status::Hardware`]: what was removed stays pinned then.
    #[inline(never)]
    fn settle(&mut self, budget: &mut Budget) -> Result<bool, Status> {
        if self.unmapped.bytes == 0 {
            return Ok(false);
        }
        budget.take(self.owed().saturating_add(SYNC_STEPS));
        let (table, unmapped) = (&self.domain.table, &self.unmapped);
        if seeded(Bug::SettledEarly) {
            table.settle(unmapped, Invalidated::never_reachable(), self.pins);
        }
        let proof = Invalidated::ranges(self.smmu, self.domain.vmid, &mut unmapped.ranges());
        let proof = proof.map_err(|_| {
            self.domain.left.store(true, Relaxed);
            Status::Hardware
        })?;
        table.settle(unmapped, proof, self.pins);
        self.removed = self.removed.wrapping_add(unmapped.bytes);
        (self.unmapped, self.paid) = (table.removal(self.pins), 0);
        Ok(true)
    }
}
