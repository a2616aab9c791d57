// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Physical memory: what each address is, and the words of the pool as SMMUs see them.
//!
//! A core's writes become visible to SMMUs at its next barrier at the latest. Before, each may be visible or not, in any
//! order but that of writes to one word, and those with release semantics come after all that the core wrote before. What
//! another core has seen, SMMUs see too: memory of Armv8 is other-multi-copy atomic (DDI 0487, B2.3).

mod theirs;

use crate::random::Random;
use iommu_core::pool::Word;
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
}

/// Writes that a core can have on their way.
const MOST_PENDING: usize = 24;

impl Memory {
    /// Makes memory of regions, with the words of a pool.
    pub(crate) fn new(regions: Vec<Region>, base: u64, words: &'static [Word]) -> Self {
        let seen = words.iter().map(Word::peek).collect();
        Self { regions, base, words, seen, pending: Vec::new(), theirs: Theirs::default() }
    }

    /// Tells what is at an address.
    pub(crate) fn place(&self, address: u64) -> Place {
        let here =
            |region: &&Region| address.checked_sub(region.base).is_some_and(|offset| offset < region.size);
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
        self.base + 8 * u64::try_from(index).unwrap_or(0)
    }

    fn word_at(&self, address: u64) -> Option<usize> {
        let offset = address.checked_sub(self.base)?;
        usize::try_from(offset / 8).ok().filter(|index| *index < self.words.len())
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
