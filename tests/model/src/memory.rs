// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Physical memory: what each address is, and the words of the pool as SMMUs see them.
//!
//! A core's writes become visible to SMMUs at its next barrier at the latest. Before, each may be visible or not, in any
//! order but that of writes to one word, and those with release semantics come after all that the core wrote before. What
//! another core has seen, SMMUs see too: memory of Armv8 is other-multi-copy atomic (DDI 0487, B2.3).

mod theirs;

use crate::random::Random;
use iommu_core::pool::{MAX_CHUNKS, Word};
use std::sync::atomic::Ordering;
use theirs::Theirs;

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Non-secure memory of the host.
    Host,
    /// The carve-out.
    Pool,
    /// Secure memory.
    Secure,
    /// Registers of SMMUs.
    Frame,
    /// Nothing.
    Hole,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) base: u64,
    pub(crate) size: u64,
    pub(crate) place: Place,
}

/// An access that no memory answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted;

/// A write that SMMUs may not see yet.
#[derive(Clone, Copy, Debug)]
struct Pending {
    core: usize,
    word: usize,
    value: u64,
    release: bool,
    /// Whether the core has answered since.
    answered: bool,
}

/// All memory.
#[derive(Debug)]
pub(crate) struct Memory {
    regions: Vec<Region>,
    base: u64,
    words: &'static [Word],
    /// The words as SMMUs see them.
    seen: Vec<u64>,
    pending: Vec<Pending>,
    theirs: Theirs,
    /// Words of the carve-out; those of chunks stand behind them.
    carve_out: usize,
    /// What is lent and mapped: its first address, and its words.
    chunks: [Option<(u64, usize)>; MAX_CHUNKS],
}

/// Pages of a chunk at most.
pub(crate) const CHUNK_PAGES: u64 = 6;
const CHUNK_WORDS: usize = 6 * 512;
/// Words of all chunks.
pub(crate) const ALL_CHUNKS: usize = MAX_CHUNKS * CHUNK_WORDS;

/// Writes that a core can have on their way.
const MOST_PENDING: usize = 24;

impl Memory {
    /// Makes memory of regions, with the words of a pool, and those of chunks behind them.
    pub(crate) fn new(regions: Vec<Region>, base: u64, words: &'static [Word]) -> Self {
        let seen = words.iter().map(Word::peek).collect();
        let pool = regions.iter().find(|region| region.place == Place::Pool);
        let carve_out = pool.and_then(|pool| usize::try_from(pool.size / 8).ok()).unwrap_or(0);
        let (pending, theirs) = (Vec::new(), Theirs::default());
        Self { regions, base, words, seen, pending, theirs, carve_out, chunks: [None; MAX_CHUNKS] }
    }

    /// Tells what is at an address.
    pub(crate) fn place(&self, address: u64) -> Place {
        let here =
            |region: &&Region| address.checked_sub(region.base).is_some_and(|offset| offset < region.size);
        if self.chunk_word(address).is_some() {
            return Place::Pool;
        }
        self.regions.iter().find(here).map_or(Place::Hole, |region| region.place)
    }

    /// Finds which word of the pool this is.
    pub(crate) fn index(&self, word: &Word) -> Option<usize> {
        let first = std::ptr::from_ref(self.words.first()?).addr();
        let offset = std::ptr::from_ref(word).addr().checked_sub(first)? / size_of::<Word>();
        (offset < self.words.len()).then_some(offset)
    }

    /// Returns the physical address of a word.
    pub(crate) fn address(&self, index: usize) -> u64 {
        let far = |index: usize| 8 * u64::try_from(index).unwrap_or(0);
        match index.checked_sub(self.carve_out) {
            None => self.base + far(index),
            Some(behind) => {
                let chunk = self.chunks.get(behind / CHUNK_WORDS).copied().flatten();
                // No memory is at the last word of all.
                chunk.map_or(!7, |(base, _)| base + far(behind % CHUNK_WORDS))
            }
        }
    }

    fn word_at(&self, address: u64) -> Option<usize> {
        let offset = address.checked_sub(self.base).and_then(|offset| usize::try_from(offset / 8).ok());
        offset.filter(|index| *index < self.carve_out).or_else(|| self.chunk_word(address))
    }

    fn chunk_word(&self, address: u64) -> Option<usize> {
        self.chunks.iter().enumerate().find_map(|(place, chunk)| {
            let (base, words) = (*chunk)?;
            let offset = usize::try_from(address.checked_sub(base)? / 8).ok()?;
            (offset < words).then_some(self.carve_out + place * CHUNK_WORDS + offset)
        })
    }

    /// Tells whether a word is of the carve-out or of a chunk that is mapped.
    pub(crate) fn is_mapped(&self, index: usize) -> bool {
        self.word_at(self.address(index)) == Some(index)
    }

    /// Tells whether a word is one of page tables, of which the carve-out has so many pages: it has them before all else.
    pub(crate) fn is_table(&self, index: usize, tables: Option<usize>) -> bool {
        index >= self.carve_out || tables.is_some_and(|tables| index / 512 < tables)
    }

    /// Has a chunk's words stand for memory that is lent. What it holds is nobody's business.
    pub(crate) fn map_chunk(
        &mut self,
        place: usize,
        base: u64,
        pages: u64,
        holds: u64,
    ) -> Option<&'static [Word]> {
        let words =
            usize::try_from(pages).ok().map(|pages| pages * 512).filter(|words| *words <= CHUNK_WORDS)?;
        let chunk = self.chunks.get_mut(place).filter(|chunk| chunk.is_none())?;
        *chunk = Some((base, words));
        let first = self.carve_out + place * CHUNK_WORDS;
        let mapped = self.words.get(first..first + words)?;
        for (word, seen) in mapped.iter().zip(self.seen.get_mut(first..)?) {
            word.poke(holds);
            *seen = holds;
        }
        Some(mapped)
    }

    /// Ends that. Tells whether there are zeros alone.
    pub(crate) fn unmap_chunk(&mut self, place: usize) -> bool {
        let first = self.carve_out + place * CHUNK_WORDS;
        // What cores wrote there is seen by whoever has the memory next.
        self.show_all(|pending| (first..first + CHUNK_WORDS).contains(&pending.word));
        let Some((_, words)) = self.chunks.get_mut(place).and_then(Option::take) else { return false };
        self.words.get(first..first + words).is_some_and(|words| words.iter().all(|word| word.peek() == 0))
    }

    /// Reads a word as an SMMU does.
    pub(crate) fn read(&self, address: u64) -> Result<u64, Aborted> {
        let index = self.word_at(address).ok_or(Aborted)?;
        self.seen.get(index).copied().ok_or(Aborted)
    }

    /// Reads a word as an SMMU does that was sent there by a client.
    pub(crate) fn read_theirs(&self, address: u64) -> Result<u64, Aborted> {
        match self.place(address) {
            Place::Host => Ok(self.theirs.word(address)),
            _ => self.read(address),
        }
    }

    /// Takes note of an address that a client's own structures may lead to from now on.
    pub(crate) fn hint(&mut self, address: u64) {
        self.theirs.hint(address);
    }

    /// Writes a word as an SMMU, or a tamperer, does.
    pub(crate) fn write(&mut self, address: u64, value: u64) -> Result<(), Aborted> {
        let index = self.word_at(address).ok_or(Aborted)?;
        if let (Some(seen), Some(word)) = (self.seen.get_mut(index), self.words.get(index)) {
            *seen = value;
            // What a core wrote there and nobody has seen yet comes later, and the core sees its own.
            if !self.pending.iter().any(|pending| pending.word == index) {
                word.poke(value);
            }
        }
        Ok(())
    }

    /// Takes note of a core's write.
    pub(crate) fn stored(
        &mut self,
        core: usize,
        word: usize,
        value: u64,
        order: Ordering,
        random: &mut Random,
    ) {
        let release = matches!(order, Ordering::Release | Ordering::AcqRel | Ordering::SeqCst);
        if self.pending.len() >= MOST_PENDING {
            self.show_one(random);
        }
        self.pending.push(Pending { core, word, value, release, answered: false });
    }

    /// Takes note of a core's read: what it sees of another core's, everybody sees.
    pub(crate) fn loaded(&mut self, core: usize, word: usize) {
        while let Some(other) = self.pending.iter().find(|p| p.word == word && p.core != core) {
            self.publish(other.core);
        }
    }

    /// Makes all writes of a core visible, as a barrier does.
    pub(crate) fn publish(&mut self, core: usize) {
        self.show_all(|pending| pending.core == core);
    }

    /// Makes all writes visible, as time does.
    pub(crate) fn publish_all(&mut self) {
        self.show_all(|_| true);
    }

    /// Takes note that a core has answered what it was asked, and released its locks.
    pub(crate) fn answered(&mut self, core: usize) {
        self.pending
            .iter_mut()
            .filter(|pending| pending.core == core)
            .for_each(|pending| pending.answered = true);
    }

    /// Makes visible what other cores wrote before they answered: this one takes locks that they released.
    pub(crate) fn begun(&mut self, core: usize) {
        self.show_all(|pending| pending.answered && pending.core != core);
    }

    /// Makes some writes visible. What was written to the same words before is never seen after them, whoever wrote it.
    fn show_all(&mut self, which: impl Fn(&Pending) -> bool) {
        let mut shown: Vec<Pending> = Vec::new();
        // From the last one on: it is known then which words were written again.
        for place in (0..self.pending.len()).rev() {
            let Some(pending) = self.pending.get(place).copied() else { continue };
            if shown.iter().any(|later| later.word == pending.word) {
                self.pending.remove(place);
            } else if which(&pending) {
                shown.push(self.pending.remove(place));
            }
        }
        shown.into_iter().rev().for_each(|pending| self.show(pending));
    }

    /// Makes one write visible that may be.
    pub(crate) fn show_one(&mut self, random: &mut Random) {
        let place = random.place(self.pending.len());
        let Some(&chosen) = self.pending.get(place) else { return };
        let earlier = self.pending.iter().take(place);
        let waits =
            |before: &Pending| before.word == chosen.word || (chosen.release && before.core == chosen.core);
        // Instead of one that has to wait, what it waits for.
        let place = earlier.clone().position(waits).unwrap_or(place);
        let first = self.pending.get(place).is_some_and(|p| !(p.release && place > 0));
        let pending = self.pending.remove(if first { place } else { 0 });
        self.show(pending);
    }

    fn show(&mut self, pending: Pending) {
        if let Some(seen) = self.seen.get_mut(pending.word) {
            *seen = pending.value;
        }
    }
}

#[cfg(test)]
mod tests;
