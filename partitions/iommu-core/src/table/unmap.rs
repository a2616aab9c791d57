// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Removing leaves, and tables whose whole range is removed.
//!
//! A block is removed whole or not at all. Splitting one would either leave a moment in which DMA to the part that
//! stays is stopped (break-before-make), or depend on what an SMMU promises for changes of block size; a device that
//! is stopped by somebody's request for another page is worse than a refusal that says why.
//!
//! What is removed stands as leaving until [`Table::settle`] or [`Table::release`] is given the proof that SMMUs have
//! forgotten it. Another core that unmaps the same does not pass over it as over a hole, and so does not say too early
//! that it is gone; and nothing new is mapped there while something else may be cached (DDI 0487, "Using break-before-make
//! when updating translation table entries").
//!
//! Where an SMMU fails, what was removed is left as leaving. Whoever is alone in the domain later, when SMMUs do forget what
//! they are told to, removes it as if it were still there ([`Table::removal_alone`]).

use super::spec::{Entry, Kind};
use super::{ENTRIES, Found, LeafSize, Level, Progress, Table, Tampered};
use crate::ownership::Pins;
use crate::pool::{Origin, Page, PageWords, PoolError, Word};
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, TlbRange};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use ffa_abi::{Iova, PhysAddr};
use heapless::Vec;

/// Why unmapping ended before the range did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmapError {
    /// The range begins or ends inside a block.
    WouldSplit,
    /// Next is a table whose whole range is to be unmapped, and the caller asked to be told.
    WholeTable,
    /// Another core is changing the same entry.
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
#[derive(Debug)]
#[must_use = "nothing can be mapped there again until it is settled"]
pub struct Unmapped<'a> {
    /// How many bytes had been mapped.
    pub bytes: u64,
    /// Their size, where all had one.
    pub leaves: Option<LeafSize>,
    mixed: bool,
    /// What stands in place of what was removed.
    mark: Entry,
    /// Whether nobody else is in the domain: marks that stand there were left by calls that have failed.
    alone: bool,
    /// What a leaf of 1 GiB counts for.
    large: usize,
    runs: Vec<Run<'a>, MAX_RUNS>,
}

/// Tables that one call removes leaves from.
const MAX_RUNS: usize = 8;

/// Entries of one table among which some were removed.
#[derive(Debug)]
struct Run<'a> {
    words: &'a PageWords,
    leaf: LeafSize,
    /// What the table's first entry translates.
    base: u64,
    first: usize,
    end: usize,
}

impl Run<'_> {
    /// Returns the addresses of its entries.
    fn range(&self) -> TlbRange {
        let at = |place: usize| (place as u64).wrapping_mul(self.leaf.bytes());
        let iova = Iova(self.base.wrapping_add(at(self.first)));
        let size = at(self.end.saturating_sub(self.first));
        TlbRange { iova, size, leaves: Some(self.leaf), tables: false }
    }
}

impl<'a> Unmapped<'a> {
    /// Notes entries from which leaves will be removed, and tells whether there was room for the note.
    pub(super) fn note(&mut self, words: &'a PageWords, leaf: LeafSize, at: u64, count: usize) -> bool {
        let first = leaf.level().index(at);
        let end = first.saturating_add(count);
        match self.runs.iter_mut().find(|run| core::ptr::eq(run.words, words)) {
            Some(run) => (run.first, run.end) = (run.first.min(first), run.end.max(end)),
            None => {
                let spanned = leaf.bytes().wrapping_mul(ENTRIES as u64);
                let base = at & spanned.wrapping_neg();
                return self.runs.push(Run { words, leaf, base, first, end }).is_ok();
            }
        }
        true
    }

    /// Returns what stands in place of what was removed.
    pub(super) const fn mark(&self) -> Entry {
        self.mark
    }

    /// Returns what SMMUs have to forget: for each table that leaves were removed from, all between the first of them and the
    /// last. What stays mapped among them is looked up anew, which is cheaper than a command for each hole.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = TlbRange> {
        self.runs.iter().map(Run::range)
    }

    /// Returns how many entries [`Table::settle`] will look at.
    pub(crate) fn entries(&self) -> usize {
        // At most eight tables.
        self.runs.iter().map(|run| run.end.saturating_sub(run.first)).fold(0, usize::wrapping_add)
    }

    pub(super) fn add(&mut self, leaf: LeafSize, count: u64) {
        if count == 0 {
            return;
        }
        self.bytes = self.bytes.wrapping_add(count.wrapping_mul(leaf.bytes()));
        match self.leaves {
            None if !self.mixed => self.leaves = Some(leaf),
            Some(other) if other != leaf && !seeded(Bug::MixtureForgotten) => {
                (self.leaves, self.mixed) = (None, true)
            }
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
    /// Where the entry stood that led to it, and what stands there now.
    place: &'a Word,
    mark: Entry,
}

impl<'a> Table<'a> {
    /// Begins an account of what one call removes. `pins` are those that [`settle`](Self::settle) will be given.
    pub fn removal(&self, pins: &impl Pins) -> Unmapped<'a> {
        let large = pins.cost(LeafSize::Block1G);
        let (mark, runs) = (self.mark(), Vec::new());
        Unmapped { bytes: 0, leaves: None, mixed: false, mark, alone: false, large, runs }
    }

    /// Begins an account as [`removal`](Self::removal) does, of a call that also removes what calls before it have left as
    /// leaving. For who has the domain alone.
    pub fn removal_alone(&self, pins: &impl Pins) -> Unmapped<'a> {
        Unmapped { alone: true, ..self.removal(pins) }
    }

    /// Removes what is mapped in a range, looking at no more than `budget` entries; holes are passed over.
    ///
    /// Tables stay. Where `tell` is set, the call ends in front of one whose whole range would be removed. What was
    /// removed stands in `unmapped`, which is to be given to [`settle`](Self::settle); it is filled where it is, since it
    /// is large to copy.
    pub fn unmap(
        &self,
        range: (Iova, u64),
        mut budget: usize,
        tell: bool,
        unmapped: &mut Unmapped<'a>,
    ) -> Progress<UnmapError> {
        self.unmap_within(range, &mut budget, tell, unmapped)
    }

    /// As [`unmap`](Self::unmap); takes from `budget` what it uses of it. Ends early, too, where the account has no room for
    /// one more table: there is room for eight.
    pub(crate) fn unmap_within(
        &self,
        (iova, size): (Iova, u64),
        budget: &mut usize,
        tell: bool,
        unmapped: &mut Unmapped<'a>,
    ) -> Progress<UnmapError> {
        let mut bytes = 0;
        let end = self.unmap_runs(iova.0, size, budget, tell, &mut bytes, unmapped);
        Progress { bytes, end }
    }

    fn unmap_runs(
        &self,
        iova: u64,
        size: u64,
        budget: &mut usize,
        tell: bool,
        done: &mut u64,
        unmapped: &mut Unmapped<'a>,
    ) -> Result<(), UnmapError> {
        while *done < size && *budget > 0 {
            let (at, rest) = (iova.wrapping_add(*done), size.saturating_sub(*done));
            let Found { words, word, level, entry } = self.walk(at, Level::L2)?;
            let whole = at & (level.entry_size() - 1) == 0 && rest >= level.entry_size();
            let (looked_at, bytes) = match entry.kind(level) {
                // To the entry's end.
                Kind::Invalid => (1, level.entry_size().wrapping_sub(at & (level.entry_size() - 1))),
                Kind::Leaf if seeded(Bug::LiveSplit) && !whole && self.split(word, entry, level) => (0, 0),
                Kind::Leaving if !unmapped.alone => return Err(UnmapError::Raced),
                Kind::Leaf | Kind::Leaving => {
                    let leaf = level.leaf().filter(|_| whole).ok_or(UnmapError::WouldSplit)?;
                    if !unmapped.note(words, leaf, at, 1) {
                        return Ok(());
                    }
                    // Only the leaf that was seen: a table that another core put there meanwhile must stay.
                    let mark = unmapped.mark.in_place_of(entry);
                    word.compare_exchange(entry.0, mark.0, Relaxed, Relaxed)
                        .map_err(|_| UnmapError::Raced)?;
                    unmapped.add(leaf, 1);
                    (if leaf == LeafSize::Block1G { unmapped.large } else { 1 }, leaf.bytes())
                }
                Kind::Table if whole && tell => return Err(UnmapError::WholeTable),
                Kind::Table => {
                    let (_, words) = self.child(entry.address())?;
                    let first = Level::L3.index(at);
                    let wanted = usize::try_from(rest >> Level::L3.shift()).unwrap_or(ENTRIES).min(*budget);
                    if !unmapped.note(words, LeafSize::Page4K, at, wanted.min(ENTRIES - first)) {
                        return Ok(());
                    }
                    let (looked_at, removed) = remove(words, first, wanted, unmapped)?;
                    unmapped.add(LeafSize::Page4K, removed);
                    (looked_at, (looked_at as u64).wrapping_mul(LeafSize::Page4K.bytes()))
                }
                Kind::Foreign => return Err(UnmapError::Tampered),
            };
            *budget = budget.saturating_sub(looked_at);
            *done = done.wrapping_add(bytes).min(size);
        }
        Ok(())
    }

    /// Puts a table of smaller leaves into the place of a block that an SMMU may know: a bug.
    fn split(&self, word: &Word, block: Entry, level: Level) -> bool {
        let split = || {
            let next = level.next()?;
            let page = self.pool.allocate(self.owner)?;
            for (place, word) in (0_u64..).zip(self.pool.words(page)?) {
                let pa = PhysAddr(block.address().0 + place * next.entry_size());
                word.store(
                    Entry::leaf(self.format, next.leaf()?, pa, block.protection(self.format)).0,
                    Relaxed,
                );
            }
            word.store(Entry::table(self.pool.address(page)).0, Release);
            Some(())
        };
        seeded(Bug::LiveSplit) && split().is_some()
    }

    /// Puts a table back that SMMUs were not told to forget: nothing has changed then.
    pub fn put_back(&self, detached: &Detached<'_>) {
        let entry = Entry::table(self.pool.address(detached.page));
        let _ = detached.place.compare_exchange(detached.mark.0, entry.0, Release, Relaxed);
    }

    fn mark(&self) -> Entry {
        Entry::leaving(self.removals.fetch_add(1, Relaxed))
    }

    /// Lets something be mapped again where something was removed, and unpins the memory. `_proof` is that of the range, and
    /// this domain's.
    pub fn settle(&self, unmapped: &Unmapped<'_>, _proof: Invalidated, pins: &impl Pins) {
        let counts = pins.counts();
        for run in &unmapped.runs {
            for word in run.words.get(run.first..run.end).unwrap_or_default() {
                let left = Entry(word.load(Relaxed));
                // Release: whoever finds the entry invalid comes after the invalidation.
                if left.is_mark(unmapped.mark)
                    && word.compare_exchange(left.0, Entry::INVALID.0, Release, Relaxed).is_ok()
                    && counts
                {
                    pins.unpin(left.address(), run.leaf, 1);
                }
            }
        }
    }

    /// Unpins what SMMUs may still know: a bug.
    pub(crate) fn unpin_early(&self, unmapped: &Unmapped<'_>, pins: &impl Pins) {
        for run in &unmapped.runs {
            let words = run.words.get(run.first..run.end).unwrap_or_default();
            for left in words.iter().map(|word| Entry(word.load(Relaxed))) {
                pins.unpin(left.address(), run.leaf, usize::from(left.is_mark(unmapped.mark)));
            }
        }
    }

    /// Takes the table of pages at an address out of its place, or `None` where there is none. Exclusive: no walk of
    /// ours can be inside.
    pub fn detach(&mut self, iova: Iova) -> Option<Detached<'a>> {
        let Found { word, level, entry, .. } = self.walk(iova.0, Level::L2).ok()?;
        match (entry.kind(level), level) {
            (Kind::Table, Level::L2) => {
                let (page, words) = self.child(entry.address()).ok()?;
                let mark = self.mark();
                word.store(mark.0, Release);
                Some(Detached { page, words, place: word, mark })
            }
            _ => None,
        }
    }

    /// Frees a table that was detached, after the SMMU has forgotten it, and unpins what it mapped. Tells what its page is of.
    ///
    /// # Errors
    /// [`PoolError::NotOwned`] where tampering brought two tables to one page: it was freed by the first.
    pub fn release(
        &self,
        detached: &Detached<'_>,
        proof: Invalidated,
        pins: &impl Pins,
    ) -> Result<Origin, PoolError> {
        if !seeded(Bug::TablePinsKept) {
            detached.unpin(pins);
        }
        let freed = self.pool.free(detached.page, self.owner, proof);
        let _ = detached.place.compare_exchange(detached.mark.0, Entry::INVALID.0, Release, Relaxed);
        freed
    }
}

impl Detached<'_> {
    /// Unpins what the table mapped, and what is leaving it: who has it alone meets only what an unmap that failed has left.
    pub(crate) fn unpin(&self, pins: &impl Pins) {
        if pins.counts() {
            let leaves = self.words.iter().map(|word| Entry(word.load(Relaxed)));
            for leaf in leaves.filter(|entry| matches!(entry.kind(Level::L3), Kind::Leaf | Kind::Leaving)) {
                pins.unpin(leaf.address(), LeafSize::Page4K, 1);
            }
        }
    }

    /// Counts the bytes that were mapped by the table, or are still leaving it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let leaf = |word: &Word| u64::from(word.load(Relaxed) != Entry::INVALID.0);
        let mut leaves = 0_u64;
        // Four at a time by hand, as nobody else unrolls it where code is built for size. The sum is at most 512.
        for [a, b, c, d] in self.words.as_chunks().0 {
            leaves = leaves.wrapping_add(leaf(a) + leaf(b) + leaf(c) + leaf(d));
        }
        leaves.wrapping_mul(LeafSize::Page4K.bytes())
    }
}

/// Removes leaves of a table of pages, until so many entries were looked at or one is in another core's hands: how many,
/// and how many leaves there were.
fn remove(
    words: &PageWords,
    first: usize,
    wanted: usize,
    &Unmapped { mark, alone, .. }: &Unmapped<'_>,
) -> Result<(usize, u64), UnmapError> {
    let run = words.get(first..).unwrap_or_default();
    let run = run.get(..wanted).unwrap_or(run);
    let mut removed = 0_u64;
    for (looked_at, word) in (0..run.len()).zip(run) {
        // Acquire: where it is invalid, the invalidation of what was there comes before.
        let entry = Entry(word.load(Acquire));
        if entry == Entry::INVALID || seeded(Bug::LeavingIsHole) && entry.validity() == 0 {
            continue;
        }
        let left = mark.in_place_of(entry);
        let there = entry.validity() != 0 || alone && entry.kind(Level::L3) == Kind::Leaving;
        if !there || word.compare_exchange(entry.0, left.0, Relaxed, Relaxed).is_err() {
            return match (looked_at, entry.kind(Level::L3)) {
                (0, Kind::Foreign) => Err(UnmapError::Tampered),
                (0, _) => Err(UnmapError::Raced),
                _ => Ok((looked_at, removed)),
            };
        }
        removed = removed.wrapping_add(1);
    }
    Ok((run.len(), removed))
}
