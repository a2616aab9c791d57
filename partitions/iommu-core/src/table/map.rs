// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writing leaves, as large as alignment allows, and installing the tables that lead to them.

use super::spec::{Entry, Kind};
use super::{ENTRIES, Format, LeafSize, Level, Progress, Table, Tampered};
use crate::ownership::{Pins, Refusal};
use crate::pool::{PageWords, Quota, Word};
use crate::seeded::{Bug, seeded};
use crate::smmu::Invalidated;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ffa_abi::{Iova, PhysAddr, Protection};

/// Pages to be mapped. Whoever makes one has checked that the range is whole pages, that its end is within the table's
/// input, and that its memory may be mapped.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// First address as devices see it.
    pub iova: Iova,
    /// First address of the memory.
    pub pa: PhysAddr,
    /// Length in bytes.
    pub size: u64,
    /// What devices may do.
    pub protection: Protection,
}

/// Why mapping ended before the range did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Something is mapped at the next address.
    AlreadyMapped,
    /// Something was unmapped at the next address, and an SMMU may still know it.
    Leaving,
    /// A table is needed, and the pool or the client's share of it is used up.
    NoMemory,
    /// A table is not what this service wrote.
    Tampered,
    /// The next page cannot be pinned.
    Pins(Refusal),
}

impl From<Tampered> for MapError {
    fn from(Tampered: Tampered) -> Self {
        Self::Tampered
    }
}

impl<'a> Table<'a> {
    /// Maps a range with at most `budget` leaves. What was mapped before an error stays mapped.
    ///
    /// Nothing that was mapped before is changed: an entry in use ends the call. Where smaller pages were mapped in
    /// what could be one block now, their table is kept and filled, so that no live table is ever replaced. Memory is pinned
    /// before the entry that maps it is written; a block of which not every page can be pinned is mapped by smaller ones.
    pub fn map(
        &self,
        mapping: &Mapping,
        quota: &Quota,
        pins: &impl Pins,
        mut budget: usize,
    ) -> Progress<MapError> {
        self.map_within(mapping, quota, pins, &mut budget)
    }

    /// As [`map`](Self::map); takes from `budget` what it uses of it.
    pub(crate) fn map_within(
        &self,
        mapping: &Mapping,
        quota: &Quota,
        pins: &impl Pins,
        budget: &mut usize,
    ) -> Progress<MapError> {
        let mut bytes = 0;
        let end = self.map_runs(mapping, quota, pins, budget, &mut bytes);
        Progress { bytes, end }
    }

    fn map_runs(
        &self,
        mapping: &Mapping,
        quota: &Quota,
        pins: &impl Pins,
        budget: &mut usize,
        done: &mut u64,
    ) -> Result<(), MapError> {
        while *done < mapping.size && *budget > 0 {
            let rest = Mapping {
                iova: Iova(mapping.iova.0.wrapping_add(*done)),
                pa: PhysAddr(mapping.pa.0.wrapping_add(*done)),
                size: mapping.size - *done,
                protection: mapping.protection,
            };
            let bits = if seeded(Bug::MisalignedBlock) { rest.iova.0 } else { rest.iova.0 | rest.pa.0 };
            let mut leaf = largest_leaf(bits, rest.size);
            let written = loop {
                match self.map_run(leaf, &rest, quota, pins, *budget)? {
                    Filled::Some(count) => break count,
                    Filled::TableInTheWay | Filled::NotPinned => leaf = smaller(leaf),
                    Filled::Occupied => return Err(MapError::AlreadyMapped),
                    Filled::Leaving => return Err(MapError::Leaving),
                }
            };
            *budget = budget.saturating_sub(written.saturating_mul(pins.cost(leaf)));
            *done = done.wrapping_add((written as u64).wrapping_mul(leaf.bytes()));
        }
        Ok(())
    }

    /// Maps leaves of one size, as many as one table takes.
    fn map_run(
        &self,
        leaf: LeafSize,
        rest: &Mapping,
        quota: &Quota,
        pins: &impl Pins,
        budget: usize,
    ) -> Result<Filled, MapError> {
        let level = leaf.level();
        let here = ENTRIES.saturating_sub(level.index(rest.iova.0));
        let wanted = usize::try_from(rest.size >> level.shift()).unwrap_or(ENTRIES);
        // What counts for more than one entry is mapped one at a time.
        let wanted = wanted.min(here).min(if pins.cost(leaf) == 1 { budget } else { 1 });
        let pinned = match pins.pin(rest.pa, leaf, wanted) {
            Ok(pinned) => pinned,
            Err(refusal) if leaf == LeafSize::Page4K => return Err(MapError::Pins(refusal)),
            Err(_) => return Ok(Filled::NotPinned),
        };
        if seeded(Bug::PinnedLate) {
            pins.unpin(rest.pa, leaf, pinned);
        }
        let filled = self
            .table_for(rest.iova.0, level, quota)
            .map(|table| fill(table, self.format, leaf, rest, pinned));
        let written = if let Ok(Filled::Some(count)) = filled { count } else { 0 };
        if seeded(Bug::PinnedLate) {
            let _ = pins.pin(rest.pa, leaf, pinned);
        }
        if written < pinned && !seeded(Bug::PinsKept) {
            // Nothing ever led there.
            let behind = rest.pa.0.wrapping_add((written as u64).wrapping_mul(leaf.bytes()));
            pins.unpin(PhysAddr(behind), leaf, pinned - written);
        }
        filled
    }

    /// Returns the table of a level that translates an address, and installs those that are missing on the way.
    pub(super) fn table_for(
        &self,
        iova: u64,
        target: Level,
        quota: &Quota,
    ) -> Result<&'a PageWords, MapError> {
        let (mut words, mut level) = (self.root_words()?, self.geometry.start());
        while let Some(next) = level.next().filter(|_| level < target) {
            let word = words.get(level.index(iova)).ok_or(Tampered)?;
            let entry = match Entry(word.load(Acquire)) {
                Entry::INVALID => self.install(word, quota)?,
                entry => entry,
            };
            match entry.kind(level) {
                Kind::Table => (_, words) = self.child(entry.address())?,
                Kind::Leaf => return Err(MapError::AlreadyMapped),
                Kind::Leaving => return Err(MapError::Leaving),
                Kind::Invalid | Kind::Foreign => return Err(MapError::Tampered),
            }
            level = next;
        }
        Ok(words)
    }

    /// Puts an empty table into an invalid entry, and returns what stands there then: ours, or what another core was
    /// faster with.
    #[cold]
    pub(super) fn install(&self, word: &Word, quota: &Quota) -> Result<Entry, MapError> {
        let page = quota.allocate(self.pool, self.owner).ok_or(MapError::NoMemory)?;
        let ours = Entry::table(self.pool.address(page));
        // Release: whoever finds the table finds it zeroed.
        match word.compare_exchange(Entry::INVALID.0, ours.0, AcqRel, Acquire) {
            Ok(_) => Ok(ours),
            Err(theirs) => {
                // The page was ours alone until now; it cannot be anybody else's.
                if !seeded(Bug::LostTable)
                    && let Ok(origin) = self.pool.free(page, self.owner, Invalidated::never_reachable())
                {
                    quota.give_back(origin);
                }
                Ok(Entry(theirs))
            }
        }
    }
}

/// How a run of entries in one table went.
enum Filled {
    /// So many were written, at least one.
    Some(usize),
    /// The first one leads to a table.
    TableInTheWay,
    /// The first one's memory cannot be pinned as one.
    NotPinned,
    /// The first one is in use.
    Occupied,
    /// The first one may still be in use by an SMMU.
    Leaving,
}

/// Writes so many leaves of one size into one table, or as many as there are before an entry that is in use.
fn fill(table: &PageWords, format: Format, leaf: LeafSize, rest: &Mapping, wanted: usize) -> Filled {
    let level = leaf.level();
    let first = level.index(rest.iova.0);
    let run = table.get(first..).unwrap_or_default();
    let run = run.get(..wanted).unwrap_or(run);
    let Entry(mut entry) = Entry::leaf(format, leaf, rest.pa, rest.protection);
    let mut written = 0;
    for word in run {
        if let Err(found) = word.compare_exchange(Entry::INVALID.0, entry, Release, Relaxed) {
            return match (written, Entry(found).kind(level)) {
                (0, Kind::Table) => Filled::TableInTheWay,
                (0, Kind::Leaving) => Filled::Leaving,
                (0, _) => Filled::Occupied,
                _ => Filled::Some(written),
            };
        }
        entry = entry.wrapping_add(leaf.bytes());
        written += 1;
    }
    Filled::Some(written)
}

/// Returns the largest leaf for addresses with these bits and so many bytes.
pub(super) const fn largest_leaf(address_bits: u64, size: u64) -> LeafSize {
    const G: u64 = LeafSize::Block1G.bytes();
    const M: u64 = LeafSize::Block2M.bytes();
    if address_bits & (M - 1) != 0 || size < M {
        LeafSize::Page4K
    } else if address_bits & (G - 1) != 0 || size < G {
        LeafSize::Block2M
    } else {
        LeafSize::Block1G
    }
}

const fn smaller(leaf: LeafSize) -> LeafSize {
    match leaf {
        LeafSize::Block1G => LeafSize::Block2M,
        LeafSize::Block2M | LeafSize::Page4K => LeafSize::Page4K,
    }
}
