// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two-level stream table (IHI 0070, 3.3.1, 3.21.3, 5.1 and 5.2).
//!
//! A stream that aborts has an entry with V=0, and that is what zeroed memory says too. Its transactions are aborted
//! and recorded as `C_BAD_STE`; V=1 with Config=0b000 aborts them in silence, for those in quarantine. Streams whose 64 neighbours hold no
//! device of the policy have no entry at all: those, and all beyond the table, are aborted and recorded as
//! `C_BAD_STREAMID` (CR2.RECINVSID). So whatever the policy does not name is denied and heard of.
//!
//! Nothing is read back from the table: what a stream has stands in secure memory, one state a device.

use super::contexts::Contexts;
use super::entry::Attributes;
use super::hardware::PoolMapping;
use super::spec::cd::CD_WORDS;
use super::spec::ste::{L1STD, SPLIT, STE_VALID_WORD, STE_WORDS};
use super::{SmmuError, StreamConfig};
use crate::policy::{Device, MAX_DEVICES};
use crate::pool::{Pool, Reserved, Word};
use crate::seeded::{Bug, seeded};
use crate::sync::{FairMutex, Rank};
use crate::table::{ENTRIES, Format, PAGE_SIZE};
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{PhysAddr, StreamId};
use heapless::Vec;

/// L1STD.Span for a second level of 2^[`SPLIT`] entries.
const FULL_SPAN: u64 = SPLIT as u64 + 1;

/// Second-level tables that follow each other, in stream IDs and in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
}

/// What secure memory knows of a device's streams: what they are set to, or will be when the SMMU works again.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) first: StreamId,
    pub(super) count: u16,
    pub(super) config: StreamConfig,
}

/// The stream table of one SMMU.
#[derive(Debug)]
pub(super) struct StreamTable<'p> {
    pub(super) first: Reserved<'p>,
    log2: u8,
    pub(super) second: Option<Reserved<'p>>,
    pub(super) runs: Vec<Run, MAX_DEVICES>,
    pub(super) shadow: FairMutex<Vec<Shadow, MAX_DEVICES>>,
    /// For SMMUs whose entries lead to some.
    pub(super) contexts: Option<Contexts<'p>>,
    attributes: Attributes,
}

/// Returns how many bits the largest of the devices' stream IDs has.
pub(super) fn sid_bits<'d>(devices: impl Iterator<Item = &'d Device>) -> u8 {
    let last = devices.filter_map(Device::last_sid).max().unwrap_or(0);
    let [bits, ..] = (u32::BITS - last.leading_zeros()).to_le_bytes();
    bits
}

impl<'p> StreamTable<'p> {
    /// Builds the table for some devices, all aborting. `None` where the pool is too small.
    pub(super) fn build<'d>(
        pool: &Pool<'p>,
        devices: impl Iterator<Item = &'d Device> + Clone,
        attributes: Attributes,
    ) -> Option<Self> {
        let [split, ..] = SPLIT.to_le_bytes();
        let log2 = sid_bits(devices.clone()).max(split);
        let descriptors = 1_usize << (u32::from(log2) - SPLIT);
        // A descriptor is one word, like an entry of a page table.
        let pages = descriptors.div_ceil(ENTRIES);
        let first = pool.reserve(pages, pages.next_power_of_two())?;
        let runs = runs(devices.clone())?;
        let tables = runs.iter().map(|run| run.last - run.first + 1).sum::<u32>();
        let second = match usize::try_from(tables).ok()? {
            0 => None,
            tables => Some(pool.reserve(tables, 1)?),
        };
        let contexts = match attributes.format {
            Format::Stage1 => Some(Contexts::build(pool, devices.clone().count())?),
            Format::Stage2 => None,
        };
        let mut shadow = Vec::new();
        for device in devices {
            let entry =
                Shadow { first: StreamId(device.first_sid), count: device.sids, config: StreamConfig::Abort };
            shadow.push(entry).ok()?;
        }
        let shadow = FairMutex::new(Rank::Streams, shadow);
        let table = Self { first, log2, second, runs, shadow, contexts, attributes };
        table.link(first.words)?;
        Some(table)
    }

    /// Writes the first level.
    fn link(&self, descriptors: &[Word]) -> Option<()> {
        let Some(second) = self.second else { return Some(()) };
        let mut table = second.base.0;
        for span in self.runs.iter().flat_map(|run| run.first..=run.last) {
            descriptors.get(usize::try_from(span).ok()?)?.store(descriptor(table), Relaxed);
            table += PAGE_SIZE;
        }
        Some(())
    }

    /// Returns where the first level stands, and for how many bits of a stream ID.
    pub(super) const fn root(&self) -> (PhysAddr, u8) {
        (self.first.base, self.log2)
    }

    /// Returns how the SMMU has to access the pool.
    pub(super) const fn mapping(&self) -> PoolMapping {
        self.attributes.mapping
    }

    /// Sets the configuration of a device's streams. `forget` has the SMMU forget those streams' entries, and
    /// completes. Where the SMMU is not `usable`, or does not do that, the streams are to abort when it works again.
    ///
    /// Entries follow the update procedure of 3.21.3.1: V=0, forget, all words but the first, forget, V=1, forget.
    pub(super) fn set(
        &self,
        first: StreamId,
        count: u16,
        config: &StreamConfig,
        usable: impl Fn() -> Result<(), SmmuError>,
        forget: impl Fn() -> Result<(), SmmuError>,
    ) -> Result<(), SmmuError> {
        let mut shadow = self.shadow.lock();
        let (place, device) = (0..=usize::MAX)
            .zip(shadow.iter_mut())
            .find(|(_, device)| device.first == first && device.count == count)
            .ok_or(SmmuError::Stream(first))?;
        let result = usable().and_then(|()| self.change((place, device), config, forget));
        if matches!(result, Err(error) if error.is_failure()) {
            device.config = StreamConfig::Abort;
            // Somebody may have written this entry for an SMMU that will work again.
            self.store_valid_words(first, count, 0)?;
        }
        result
    }

    /// Returns what a device's streams are set to.
    pub(super) fn config(&self, first: StreamId, count: u16) -> Option<StreamConfig> {
        let shadow = self.shadow.lock();
        shadow
            .iter()
            .find(|device| device.first == first && device.count == count)
            .map(|device| device.config)
    }

    fn change(
        &self,
        (place, device): (usize, &mut Shadow),
        config: &StreamConfig,
        forget: impl Fn() -> Result<(), SmmuError>,
    ) -> Result<(), SmmuError> {
        let (first, count) = (device.first, device.count);
        if device.config == *config {
            return Ok(());
        }
        let words = self.entry_words(place, config).ok_or(SmmuError::Stream(first))?;
        let target = Some(words).filter(|_| *config != StreamConfig::Abort);
        match device.config {
            StreamConfig::Abort => {}
            StreamConfig::Stage1(_) | StreamConfig::Stage2(_) | StreamConfig::Nested(_)
                if seeded(Bug::LiveEntry) && target.is_some() => {}
            StreamConfig::Stage1(_)
            | StreamConfig::Stage2(_)
            | StreamConfig::Nested(_)
            | StreamConfig::Silent => {
                self.store_valid_words(first, count, 0)?;
                device.config = StreamConfig::Abort;
                forget()?;
            }
        }
        if let Some(words) = target {
            if seeded(Bug::ValidFirst) {
                let [valid, ..] = words;
                self.store_valid_words(first, count, valid)?;
            }
            let context = self.context_words(config);
            if let Some(context) = context.filter(|_| !seeded(Bug::ContextLate)) {
                self.write_context(place, &context).ok_or(SmmuError::Stream(first))?;
            }
            for entry in 0..count {
                let entry = self.entry(first, entry)?;
                for (place, (word, value)) in entry.iter().zip(words).enumerate() {
                    if place != STE_VALID_WORD {
                        word.store(value, Relaxed);
                    }
                }
            }
            if !seeded(Bug::NoForgettingBetween) {
                forget()?;
            }
            let [valid, ..] = words;
            self.store_valid_words(first, count, valid)?;
            if seeded(Bug::NeighbourStream)
                && let Ok(neighbour) = self.entry(first, count)
            {
                neighbour.iter().zip(words).for_each(|(word, value)| word.store(value, Relaxed));
            }
            device.config = *config;
            forget()?;
            if let Some(context) = context.filter(|_| seeded(Bug::ContextLate)) {
                self.write_context(place, &context).ok_or(SmmuError::Stream(first))?;
            }
        }
        Ok(())
    }

    /// Returns what the entries of the device at a place hold; `None` where the SMMU would find it illegal.
    pub(super) fn entry_words(&self, place: usize, config: &StreamConfig) -> Option<[u64; STE_WORDS]> {
        self.attributes.entry(config, self.contexts.and_then(|contexts| contexts.address(place)))
    }

    /// Returns what the context descriptor of a device holds, where its entries lead to one.
    pub(super) fn context_words(&self, config: &StreamConfig) -> Option<[u64; CD_WORDS]> {
        self.attributes.context(config)
    }

    fn write_context(&self, place: usize, words: &[u64; CD_WORDS]) -> Option<()> {
        self.contexts?.write(place, words)
    }

    fn store_valid_words(&self, first: StreamId, count: u16, value: u64) -> Result<(), SmmuError> {
        for place in 0..count {
            if let Some(word) = self.entry(first, place)?.get(STE_VALID_WORD) {
                word.store(value, Relaxed);
            }
        }
        Ok(())
    }

    /// Finds the entry of a device's stream.
    fn entry(&self, first: StreamId, place: u16) -> Result<&'p [Word], SmmuError> {
        let find = || {
            let stream = first.0.checked_add(u32::from(place))?;
            let span = stream >> SPLIT;
            let mut tables_before = 0;
            for run in &self.runs {
                if (run.first..=run.last).contains(&span) {
                    let table = span.checked_sub(run.first)?.checked_add(tables_before)?;
                    let table = usize::try_from(table).ok()?.checked_mul(1 << SPLIT)?;
                    let entry = table.checked_add(usize::try_from(stream & ((1 << SPLIT) - 1)).ok()?)?;
                    let word = entry.checked_mul(STE_WORDS)?;
                    return self.second?.words.get(word..word.checked_add(STE_WORDS)?);
                }
                tables_before =
                    run.last.checked_sub(run.first)?.checked_add(1)?.checked_add(tables_before)?;
            }
            None
        };
        find().ok_or(SmmuError::Stream(first))
    }
}

/// Encodes the descriptor of a second-level table.
pub(super) fn descriptor(table: u64) -> u64 {
    (L1STD::SPAN.val(FULL_SPAN) + L1STD::L2PTR.val(table >> 6)).value
}

/// Returns the second-level tables that some devices need, in order and without overlap.
fn runs<'d>(devices: impl Iterator<Item = &'d Device>) -> Option<Vec<Run, MAX_DEVICES>> {
    let mut runs: Vec<Run, MAX_DEVICES> = Vec::new();
    for device in devices {
        let run = Run { first: device.first_sid >> SPLIT, last: device.last_sid()? >> SPLIT };
        let place = runs.iter().take_while(|before| before.first <= run.first).count();
        runs.insert(place, run).ok()?;
    }
    let mut merged: Vec<Run, MAX_DEVICES> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(before) if run.first <= before.last => before.last = before.last.max(run.last),
            _ => merged.push(run).ok()?,
        }
    }
    Some(merged)
}
