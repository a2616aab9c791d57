// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Single pages of lists, as many as one table of pages holds of those that come next. What is written and what is refused is as in
//! `map` and `unmap`; the walk is made once for all of them, and not again while lists stay in the table.
//!
//! A table that was found stays one while its domain is held: tables are removed only by who has the domain alone.

use super::map::MapError;
use super::spec::{Entry, Kind};
use super::unmap::{UnmapError, Unmapped};
use super::{ENTRIES, Found, LeafSize, Level, PAGE_BITS, PAGE_SIZE, Table, Tampered};
use crate::ownership::{OwnedPages, Pins};
use crate::policy::Range;
use crate::pool::{PageWords, Quota};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use ffa_abi::ring::ListEntry;
use ffa_abi::{PhysAddr, Protection};

/// What a table of pages translates, in bytes.
const SPAN: u64 = LeafSize::Block2M.bytes();

/// The table of pages that was found last.
#[derive(Debug)]
pub(crate) struct Near<'a> {
    words: Option<&'a PageWords>,
    /// What it translates, by its first address.
    base: u64,
}

impl<'a> Near<'a> {
    /// None was found yet.
    pub(crate) const START: Self = Self { words: None, base: 0 };

    /// Returns the table that translates an address, if it is this one.
    fn words(&self, iova: u64) -> Option<&'a PageWords> {
        self.words.filter(|_| self.base == base_of(iova))
    }
}

/// Returns the first address that the table of pages translates which translates this one.
const fn base_of(iova: u64) -> u64 {
    iova & SPAN.wrapping_neg()
}

impl<'a> Table<'a> {
    /// Maps pages from an address on, no further than their table reaches. Returns how many were mapped before an error, or at
    /// least one.
    ///
    /// # Errors
    /// Why the one behind them was not.
    #[inline(never)]
    pub(crate) fn map_pages(
        &self,
        near: &mut Near<'a>,
        iova: u64,
        (pages, protection): (OwnedPages<'_>, Protection),
        quota: &Quota,
        pins: &impl Pins,
    ) -> (usize, Result<(), MapError>) {
        let words = match near.words(iova) {
            Some(words) => words,
            None => match self.table_for(iova, Level::L3, quota) {
                Ok(words) => {
                    *near = Near { words: Some(words), base: base_of(iova) };
                    words
                }
                Err(error) => return (0, Err(error)),
            },
        };
        let Entry(form) = Entry::leaf(self.format, LeafSize::Page4K, PhysAddr(0), protection);
        let counts = pins.counts();
        let places = words.get(Level::L3.index(iova)..).unwrap_or_default();
        let mut mapped = 0_usize;
        for (word, page) in places.iter().zip(pages.entries()) {
            let page = PhysAddr(page.address());
            if counts && let Err(refusal) = pins.pin(page, LeafSize::Page4K, 1) {
                return (mapped, Err(MapError::Pins(refusal)));
            }
            // Managed memory is no wider than an entry's address.
            if let Err(found) = word.compare_exchange(Entry::INVALID.0, form | page.0, Release, Relaxed) {
                if counts {
                    // Nothing ever led there.
                    pins.unpin(page, LeafSize::Page4K, 1);
                }
                let leaving = Entry(found).kind(Level::L3) == Kind::Leaving;
                return (mapped, Err(if leaving { MapError::Leaving } else { MapError::AlreadyMapped }));
            }
            mapped = mapped.wrapping_add(1);
        }
        (mapped, Ok(()))
    }

    /// Removes what is mapped at single pages, from the first entry on, as long as they are in one table of pages and in the window.
    /// Returns how many entries that were; none where `unmap` has to look at the first one.
    ///
    /// # Errors
    /// Why the one behind them was not removed.
    #[inline(never)]
    pub(crate) fn unmap_pages(
        &self,
        near: &mut Near<'a>,
        entries: &[ListEntry],
        window: &Range,
        unmapped: &mut Unmapped<'a>,
    ) -> (usize, Result<(), UnmapError>) {
        let Some(first) = entries.first().map(|entry| entry.address()) else { return (0, Ok(())) };
        let found = match near.words(first) {
            Some(words) => Some(words),
            None => self.pages_at(first).unwrap_or_default(),
        };
        let Some(words) = found else { return (0, Ok(())) };
        *near = Near { words: Some(words), base: base_of(first) };
        if !window.contains(&Range { base: first, size: PAGE_SIZE })
            || !unmapped.note(words, LeafSize::Page4K, first, 1)
        {
            return (0, Ok(()));
        }
        // What of the window the table translates, as places: the table's first page is in it, or the window begins behind that.
        let end = window.end().unwrap_or(0).saturating_sub(near.base).min(SPAN) >> PAGE_BITS;
        let begin = window.base.saturating_sub(near.base) >> PAGE_BITS;
        let mark = unmapped.mark();
        let (mut done, mut removed) = (0_usize, 0_u64);
        let (mut low, mut high) = (ENTRIES as u64, 0_u64);
        let mut outcome = Ok(());
        for entry in entries {
            let place = entry.address().wrapping_sub(near.base) >> PAGE_BITS;
            if entry.bytes() != PAGE_SIZE || place < begin || place >= end {
                break;
            }
            let Some(word) = usize::try_from(place).ok().and_then(|place| words.get(place)) else { break };
            // Acquire: where it is invalid, the invalidation of what was there comes before.
            let there = Entry(word.load(Acquire));
            if there != Entry::INVALID {
                let left = mark.in_place_of(there);
                if there.validity() == 0 {
                    let leaving = there.kind(Level::L3) == Kind::Leaving;
                    outcome = Err(if leaving { UnmapError::Raced } else { UnmapError::Tampered });
                    break;
                }
                if word.compare_exchange(there.0, left.0, Relaxed, Relaxed).is_err() {
                    outcome = Err(UnmapError::Raced);
                    break;
                }
                removed = removed.wrapping_add(1);
                (low, high) = (low.min(place), high.max(place));
            }
            done = done.wrapping_add(1);
        }
        if removed > 0 {
            let at = near.base.wrapping_add(low << PAGE_BITS);
            let count = usize::try_from(high.wrapping_sub(low).wrapping_add(1)).unwrap_or(ENTRIES);
            // There is a note of this table: it is made longer.
            let _: bool = unmapped.note(words, LeafSize::Page4K, at, count);
            unmapped.add(LeafSize::Page4K, removed);
        }
        (done, outcome)
    }

    /// Returns the table of pages that translates an address, if there is one.
    fn pages_at(&self, iova: u64) -> Result<Option<&'a PageWords>, Tampered> {
        let Found { level, entry, .. } = self.walk(iova, Level::L2)?;
        if level != Level::L2 || entry.kind(level) != Kind::Table {
            return Ok(None);
        }
        self.child(entry.address()).map(|(_, words)| Some(words))
    }
}
