// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding a stream's entry (IHI 0070, 3.3 and 5.1), and the configuration caches.
//!
//! An SMMU may read a reachable structure at any time, word by word in any order, and may keep any part of it, valid or
//! not, until it is told to forget it (3.21.3). So each word is cached by itself.

use super::{Smmu, Surroundings};
use crate::architecture::context::CD_WORDS;
use crate::architecture::event::Kind;
use crate::architecture::stream_table::{Entry, STE_WORDS, Span};
use crate::architecture::{bits, low};
use crate::finding::Invariant;
use crate::memory::Place;
use crate::random::Random;
use std::collections::BTreeMap;

/// What an SMMU remembers of its stream table.
#[derive(Debug, Default)]
pub(super) struct Configurations {
    /// First-level descriptors, by index.
    descriptors: BTreeMap<u32, u64>,
    /// Words of entries, by stream.
    entries: BTreeMap<u32, [Option<u64>; STE_WORDS]>,
    /// Words of context descriptors, by stream.
    contexts: BTreeMap<u32, [Option<u64>; CD_WORDS]>,
    split: u32,
}

/// Streams of which words are remembered.
const MOST: usize = 48;

impl Configurations {
    /// Makes caches as reset leaves them: with anything in them.
    pub(super) fn unknown(random: &mut Random) -> Self {
        let bypass = [0b1001, 0, 0, 0, 0, 0, 0, 0];
        let mut entry = || (low(random.below(0x40)), bypass.map(Some));
        Self { entries: [entry(), entry(), entry()].into(), ..Self::default() }
    }

    /// Forgets streams; `leaf` keeps first-level descriptors.
    pub(super) fn forget(&mut self, hit: impl Fn(u32) -> bool, leaf: bool) {
        self.entries.retain(|stream, _| !hit(*stream));
        // With an entry go the context descriptors that were found by it (4.3.1).
        self.contexts.retain(|stream, _| !hit(*stream));
        if !leaf {
            let split = self.split;
            // A descriptor goes with any of its streams; those that are invalidated are contiguous and aligned, so its
            // first or last one tells, or one that lies within it was named.
            self.descriptors.retain(|index, _| {
                let first = index << split;
                !(0..1_u32 << split).any(|offset| hit(first | offset))
            });
        }
    }
}

impl Configurations {
    /// Forgets a stream's context descriptor.
    pub(super) fn forget_context(&mut self, stream: u32) {
        self.contexts.remove(&stream);
    }

    /// Returns what is remembered of a stream's context descriptor.
    pub(super) fn context(&self, stream: u32) -> [Option<u64>; CD_WORDS] {
        self.contexts.get(&stream).copied().unwrap_or_default()
    }

    /// Remembers words of a stream's context descriptor.
    pub(super) fn keep_context(&mut self, stream: u32, words: [Option<u64>; CD_WORDS]) {
        self.contexts.insert(stream, words);
    }
}

/// The shape of the stream table, from its registers.
#[derive(Clone, Copy, Debug)]
struct Shape {
    base: u64,
    /// Bits of the stream IDs that it covers.
    log2: u32,
    /// Bits that index the second level, where there are two.
    split: Option<u32>,
}

impl Smmu {
    fn shape(&self) -> Shape {
        let (base, shape) = (self.registers.stream_table, u64::from(self.registers.stream_table_shape));
        let literal = low(bits(shape, 5, 0));
        let base = base & 0x00ff_ffff_ffff_ffc0;
        let log2 = literal.min(self.features.sid_bits());
        // FMT: other values than 1 are linear or behave so; SPLIT: other values than 8 and 10 behave as 6 (6.3.25).
        if bits(shape, 17, 16) != 1 {
            let size = 1_u64.checked_shl(literal + 6).unwrap_or(1 << 56);
            return Shape { base: base & !(size - 1), log2, split: None };
        }
        let split = match bits(shape, 10, 6) {
            8 => 8,
            10 => 10,
            _ => 6,
        };
        let size = 8_u64.checked_shl(literal.saturating_sub(split)).unwrap_or(1 << 56).max(64);
        Shape { base: base & !(size - 1), log2, split: Some(split) }
    }

    /// Fetches a word of a configuration structure.
    fn fetch_configuration(around: &mut Surroundings, at: u64) -> Result<u64, Kind> {
        if around.memory.place(at) != Place::Pool {
            around.findings.note(Invariant::Pool, || format!("a stream table was fetched from {at:#x}"));
        }
        around.memory.read(at).map_err(|_| Kind::SteFetch)
    }

    /// Finds where a stream's entry stands.
    fn entry_address(&mut self, stream: u32, caching: bool, around: &mut Surroundings) -> Result<u64, Kind> {
        let shape = self.shape();
        if u64::from(stream) >> shape.log2 != 0 {
            return Err(Kind::BadStreamId);
        }
        let Some(split) = shape.split else { return Ok(shape.base + u64::from(stream) * 64) };
        let index = stream >> split;
        self.configurations.split = split;
        let cached = self.configurations.descriptors.get(&index).copied().filter(|_| caching);
        let descriptor = match cached {
            Some(descriptor) => descriptor,
            None => Self::fetch_configuration(around, shape.base + u64::from(index) * 8)?,
        };
        if caching {
            self.configurations.descriptors.insert(index, descriptor);
        }
        let span = Span::decode(descriptor, split).ok_or(Kind::BadStreamId)?;
        let offset = stream & ((1 << split) - 1);
        if u64::from(offset) >> span.log2 != 0 {
            return Err(Kind::BadStreamId);
        }
        Ok(span.base + u64::from(offset) * 64)
    }

    /// Reads a stream's entry with the caches' words where there are any, and keeps some.
    pub(super) fn configuration(&mut self, stream: u32, around: &mut Surroundings) -> Result<Entry, Kind> {
        let at = self.entry_address(stream, true, around)?;
        let mut cached = self.configurations.entries.remove(&stream).unwrap_or_default();
        let mut words = [0; STE_WORDS];
        for (place, (word, slot)) in (0..).zip(words.iter_mut().zip(&mut cached)) {
            *word = match *slot {
                Some(word) => word,
                None => Self::fetch_configuration(around, at + 8 * place)?,
            };
            // Mostly kept; now and then one word of an entry is lost alone.
            *slot = Some(*word).filter(|_| !around.random.once_in(8));
        }
        if self.configurations.entries.len() < MOST {
            self.configurations.entries.insert(stream, cached);
        }
        Entry::decode(&words, &self.features.of_entries()).ok_or(Kind::BadSte)
    }

    /// Reads a stream's entry as it stands in memory, without any trace.
    pub(crate) fn entry_in_memory(&mut self, stream: u32, around: &mut Surroundings) -> Result<Entry, Kind> {
        let at = self.entry_address(stream, false, around)?;
        let mut words = [0; STE_WORDS];
        for (place, word) in (0..).zip(&mut words) {
            *word = Self::fetch_configuration(around, at + 8 * place)?;
        }
        Entry::decode(&words, &self.features.of_entries()).ok_or(Kind::BadSte)
    }

    /// Returns all streams whose entries can be reached, as long as that are not too many to look at.
    pub(crate) fn reachable_streams(&mut self, around: &mut Surroundings) -> Vec<u32> {
        let shape = self.shape();
        let Some(split) = shape.split else { return (0..1 << shape.log2.min(12)).collect() };
        let mut streams = Vec::new();
        for index in 0..1_u32 << shape.log2.saturating_sub(split).min(12) {
            let at = shape.base + u64::from(index) * 8;
            let span = Self::fetch_configuration(around, at).ok().and_then(|word| Span::decode(word, split));
            if let Some(span) = span {
                streams.extend((0..1_u32 << span.log2).map(|offset| (index << split) | offset));
            }
        }
        streams
    }
}
