// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two-level stream table (IHI 0070, 3.3.1, 3.21.3, 5.1 and 5.2).
//!
//! A stream that aborts has an entry with V=0, and that is what zeroed memory says too. Its transactions are aborted
//! and recorded as `C_BAD_STE`; V=1 with Config=0b000 aborts them in silence, for those in quarantine. Streams whose 64 neighbours hold no
//! device of the policy have no entry at all: those, and all beyond the table, are aborted and recorded as
//! `C_BAD_STREAMID` (CR2.RECINVSID). So whatever the policy does not name is denied and heard of.
//!
//! Nothing is read back from the table: what a stream has stands in secure memory, one state a device.

use super::hardware::PoolMapping;
use super::spec::ste::{L1STD, SPLIT, STE_VALID_WORD, STE_WORDS, STE0, STE1, STE2, STE3};
use super::{SmmuError, Stage2, StreamConfig};
use crate::policy::{Device, MAX_DEVICES};
use crate::pool::{Pool, Reserved, Word};
use crate::seeded::{Bug, seeded};
use crate::table::{ENTRIES, Geometry, PAGE_SIZE};
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{PhysAddr, StreamId};
use heapless::Vec;
use spin::mutex::TicketMutex;

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
    pub(super) shadow: TicketMutex<Vec<Shadow, MAX_DEVICES>>,
    attributes: Attributes,
}

/// What all entries of an SMMU have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    /// How table walks have to access the pool.
    pub(super) mapping: PoolMapping,
    /// STE.S2PS.
    pub(super) output_encoding: u8,
    /// Bits of an output address: no table's input may be wider (5.2, S2T0SZ).
    pub(super) output_bits: u8,
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
        let mut shadow = Vec::new();
        for device in devices {
            let entry =
                Shadow { first: StreamId(device.first_sid), count: device.sids, config: StreamConfig::Abort };
            shadow.push(entry).ok()?;
        }
        let shadow = TicketMutex::new(shadow);
        let table = Self { first, log2, second, runs, shadow, attributes };
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
        let device = shadow
            .iter_mut()
            .find(|device| device.first == first && device.count == count)
            .ok_or(SmmuError::Stream(first))?;
        let result = usable().and_then(|()| self.change(device, config, forget));
        if matches!(result, Err(error) if error.is_failure()) {
            device.config = StreamConfig::Abort;
            // Somebody may have written this entry for an SMMU that will work again.
            self.store_valid_words(first, count, 0)?;
        }
        result
    }

    fn change(
        &self,
        device: &mut Shadow,
        config: &StreamConfig,
        forget: impl Fn() -> Result<(), SmmuError>,
    ) -> Result<(), SmmuError> {
        let (first, count) = (device.first, device.count);
        if device.config == *config {
            return Ok(());
        }
        let words = self.words(config).ok_or(SmmuError::Stream(first))?;
        let target = Some(words).filter(|_| *config != StreamConfig::Abort);
        match device.config {
            StreamConfig::Abort => {}
            StreamConfig::Stage2(_) if seeded(Bug::LiveEntry) && target.is_some() => {}
            StreamConfig::Stage2(_) | StreamConfig::Silent => {
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
        }
        Ok(())
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

    /// Returns what an entry holds; `None` where the SMMU would find it illegal.
    pub(super) fn words(&self, config: &StreamConfig) -> Option<[u64; STE_WORDS]> {
        match config {
            StreamConfig::Abort => Some([0; STE_WORDS]),
            StreamConfig::Silent => {
                let valid = STE0::V::SET + STE0::CONFIG::Abort;
                Some([valid.value, 0, 0, 0, 0, 0, 0, 0])
            }
            StreamConfig::Stage2(stage2) => self.encode(stage2),
        }
    }

    /// Encodes an entry; `None` where the SMMU would find it illegal.
    fn encode(&self, stage2: &Stage2) -> Option<[u64; STE_WORDS]> {
        let geometry = stage2.geometry;
        if !geometry.fits(self.attributes.output_bits) {
            return None;
        }
        let walks = match self.attributes.mapping {
            PoolMapping::WriteBack => STE2::S2IR0::WriteBack + STE2::S2OR0::WriteBack + STE2::S2SH0::Inner,
            PoolMapping::NonCacheable => {
                STE2::S2IR0::NonCacheable + STE2::S2OR0::NonCacheable + STE2::S2SH0::NonShareable
            }
        };
        let start = match geometry {
            Geometry::Bits39 => STE2::S2SL0::Level1,
            Geometry::FromLevel0(_) => STE2::S2SL0::Level0,
        };
        let valid = STE0::V::SET + STE0::CONFIG::Stage2;
        // EATS stays 0: no translated traffic, no translation requests. Events are not merged: each counts.
        let incoming = STE1::SHCFG::Incoming;
        let incoming = if seeded(Bug::AtsOn) { incoming + STE1::EATS.val(1) } else { incoming };
        // S2S stays 0: no fault stalls. S2PTW matters once a guest has a stage 1 of its own.
        let tables = STE2::S2VMID.val(u64::from(stage2.vmid.0))
            + STE2::S2T0SZ.val(u64::from(u64::BITS.saturating_sub(geometry.input_bits().into())))
            + start
            + walks
            + STE2::S2TG::Granule4K
            + STE2::S2PS.val(u64::from(self.attributes.output_encoding))
            + STE2::S2AA64::SET
            + STE2::S2PTW::SET
            + STE2::S2R::SET;
        let root = STE3::S2TTB.val(stage2.root.0 >> 4);
        Some([valid.value, incoming.value, tables.value, root.value, 0, 0, 0, 0])
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
