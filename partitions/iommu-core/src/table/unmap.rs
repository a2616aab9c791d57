// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing leaves, and tables whose whole range is removed.
//!
//! A block is removed whole or not at all. Splitting one would either leave a moment in which DMA to the part that
//! stays is stopped (break-before-make), or depend on what an SMMU promises for changes of block size; a device that
//! is stopped by somebody's request for another page is worse than a refusal that says why.

use super::spec::{Entry, Kind};
use super::{ENTRIES, Found, LeafSize, Level, Progress, Table, Tampered};
use crate::pool::{Page, PageWords, PoolError};
use crate::smmu::Invalidated;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};
use ffa_abi::Iova;

/// Why unmapping ended before the range did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmapError {
    /// The range begins or ends inside a block.
    WouldSplit,
    /// Next is a table whose whole range is to be unmapped, and the caller asked to be told.
    WholeTable,
    /// Another core changed the same entry meanwhile.
    Raced,
    /// A table is not what this service wrote.
    Tampered,
}

impl From<Tampered> for UnmapError {
    fn from(Tampered: Tampered) -> Self {
        Self::Tampered
    }
}

/// What was removed, and so must be invalidated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unmapped {
    /// How many bytes had been mapped.
    pub bytes: u64,
    /// Their size, where all had one.
    pub leaves: Option<LeafSize>,
    mixed: bool,
}

impl Unmapped {
    fn add(&mut self, leaf: LeafSize, count: u64) {
        if count == 0 {
            return;
        }
        self.bytes = self.bytes.wrapping_add(count.wrapping_mul(leaf.bytes()));
        match self.leaves {
            None if !self.mixed => self.leaves = Some(leaf),
            Some(other) if other != leaf => (self.leaves, self.mixed) = (None, true),
            _ => {}
        }
    }
}

/// A table of pages that no entry leads to any more, but an SMMU may still know.
#[derive(Debug)]
#[must_use = "its page is lost unless it is released"]
pub struct Detached<'a> {
    page: Page,
    words: &'a PageWords,
}

impl<'a> Table<'a> {
    /// Removes what is mapped in a range, looking at no more than `budget` entries; holes are passed over.
    ///
    /// Tables stay. Where `tell` is set, the call ends in front of one whose whole range would be removed.
    pub fn unmap(
        &self,
        iova: Iova,
        size: u64,
        budget: usize,
        tell: bool,
    ) -> (Progress<UnmapError>, Unmapped) {
        let (mut bytes, mut unmapped) = (0, Unmapped::default());
        let end = self.unmap_runs(iova.0, size, budget, tell, &mut bytes, &mut unmapped);
        (Progress { bytes, end }, unmapped)
    }

    fn unmap_runs(
        &self,
        iova: u64,
        size: u64,
        mut budget: usize,
        tell: bool,
        done: &mut u64,
        unmapped: &mut Unmapped,
    ) -> Result<(), UnmapError> {
        while *done < size && budget > 0 {
            let (at, rest) = (iova.wrapping_add(*done), size - *done);
            let Found { word, level, entry } = self.walk(at, Level::L2)?;
            let whole = at & (level.entry_size() - 1) == 0 && rest >= level.entry_size();
            let (looked_at, bytes) = match entry.kind(level) {
                Kind::Invalid => (1, level.entry_size() - (at & (level.entry_size() - 1))),
                Kind::Leaf => {
                    let leaf = level.leaf().filter(|_| whole).ok_or(UnmapError::WouldSplit)?;
                    // Only the leaf that was seen: a table that another core put there meanwhile must stay.
                    let invalid = Entry::INVALID.0;
                    word.compare_exchange(entry.0, invalid, Relaxed, Relaxed)
                        .map_err(|_| UnmapError::Raced)?;
                    unmapped.add(leaf, 1);
                    (1, leaf.bytes())
                }
                Kind::Table if whole && tell => return Err(UnmapError::WholeTable),
                Kind::Table => {
                    let (_, words) = self.child(entry.address())?;
                    let (looked_at, removed) = clear(words, at, rest, budget);
                    unmapped.add(LeafSize::Page4K, removed);
                    (looked_at, (looked_at as u64).wrapping_mul(LeafSize::Page4K.bytes()))
                }
                Kind::Foreign => return Err(UnmapError::Tampered),
            };
            budget = budget.saturating_sub(looked_at);
            *done = done.wrapping_add(bytes).min(size);
        }
        Ok(())
    }

    /// Takes the table of pages at an address out of its place, or `None` where there is none. Exclusive: no walk of
    /// ours can be inside.
    pub fn detach(&mut self, iova: Iova) -> Option<Detached<'a>> {
        let Found { word, level, entry } = self.walk(iova.0, Level::L2).ok()?;
        match (entry.kind(level), level) {
            (Kind::Table, Level::L2) => {
                let (page, words) = self.child(entry.address()).ok()?;
                word.swap(Entry::INVALID.0, AcqRel);
                Some(Detached { page, words })
            }
            _ => None,
        }
    }

    /// Frees a table that was detached, after the SMMU has forgotten it.
    ///
    /// # Errors
    /// [`PoolError::NotOwned`] where tampering brought two tables to one page: it was freed by the first.
    pub fn release(&self, detached: &Detached<'_>, proof: Invalidated) -> Result<(), PoolError> {
        self.pool.free(detached.page, self.owner, proof)
    }
}

impl Detached<'_> {
    /// Counts the bytes that were mapped by the table.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let leaf = |word: &AtomicU64| Entry(word.load(Relaxed)).validity();
        let mut leaves = 0_u64;
        // Four at a time by hand, as nobody else unrolls it where code is built for size. The sum is at most 512.
        for [a, b, c, d] in self.words.as_chunks().0 {
            leaves = leaves.wrapping_add(leaf(a) + leaf(b) + leaf(c) + leaf(d));
        }
        leaves.wrapping_mul(LeafSize::Page4K.bytes())
    }
}

/// Clears entries of a table of pages until the range, the table or the budget ends: how many, and how many were valid.
fn clear(words: &PageWords, at: u64, rest: u64, budget: usize) -> (usize, u64) {
    let wanted = usize::try_from(rest >> Level::L3.shift()).unwrap_or(ENTRIES).min(budget);
    let run = words.get(Level::L3.index(at)..).unwrap_or_default();
    let run = run.get(..wanted).unwrap_or(run);
    let mut removed = 0_u64;
    for word in run {
        removed = removed.wrapping_add(Entry(word.swap(Entry::INVALID.0, Relaxed)).validity());
    }
    (run.len(), removed)
}
