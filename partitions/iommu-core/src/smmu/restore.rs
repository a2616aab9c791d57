// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The stream table written anew from what stands in secure memory, and compared with it, page by page (IHI 0070, 3.3.1).
//!
//! For an SMMU that does not translate: on the way entries are in no order.

use super::StreamConfig;
use super::contexts::CONTEXTS_PER_PAGE;
use super::reset::BringUpError;
use super::spec::ste::{SPLIT, STE_VALID_WORD, STE_WORDS, STE0};
use super::stream_table::{Shadow, StreamTable, descriptor};
use crate::policy::MAX_DEVICES;
use crate::pool::Word;
use crate::sync::FairMutexGuard;
use crate::table::{ENTRIES, PAGE_SIZE};
use core::sync::atomic::Ordering::Relaxed;
use heapless::Vec;

/// What is done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// It is written.
    Write,
    /// It is compared with what was written.
    Read,
}

impl Pass {
    fn word(self, word: &Word, value: u64) -> Result<(), BringUpError> {
        match self {
            Self::Write => word.store(value, Relaxed),
            Self::Read if word.load(Relaxed) == value => {}
            Self::Read => return Err(BringUpError::Table),
        }
        Ok(())
    }

    /// Does so with an entry. Of one that is not valid no other word is looked at, by SMMUs neither (5.2, V): a device that was
    /// set since its entry was written aborts, and has the other words still.
    fn entry(self, words: &[Word], entry: [u64; STE_WORDS]) -> Result<(), BringUpError> {
        let [valid, ..] = entry;
        let ignored = self == Self::Read && valid & STE0::V::SET.value == 0;
        let looked_at = if ignored { STE_VALID_WORD + 1 } else { STE_WORDS };
        words.iter().zip(entry).take(looked_at).try_for_each(|(word, value)| self.word(word, value))
    }
}

/// Entries of one page: a whole second level.
const STREAMS: usize = 1 << SPLIT;
const _: () = assert!(STREAMS * STE_WORDS == ENTRIES);

impl StreamTable<'_> {
    /// Returns of how many pages the table is made.
    pub(super) fn pages(&self) -> usize {
        let second = self.second.map_or(0, |second| second.words.len());
        let contexts = self.contexts.map_or(0, |contexts| contexts.pages());
        self.first.words.len().div_ceil(ENTRIES).saturating_add(second / ENTRIES).saturating_add(contexts)
    }

    /// Keeps streams from being set, as long as the answer lives.
    pub(super) fn hold(&self) -> FairMutexGuard<'_, Vec<Shadow, MAX_DEVICES>> {
        self.shadow.lock()
    }

    /// Writes or compares a page: those of the first level, then those of the second, then those of context descriptors.
    ///
    /// # Errors
    /// Something else stands there than was written.
    pub(super) fn restore(&self, page: usize, pass: Pass) -> Result<(), BringUpError> {
        let first_level = self.first.words.len().div_ceil(ENTRIES);
        match page.checked_sub(first_level) {
            None => self.restore_first(page, pass),
            Some(table) => {
                match table.checked_sub(self.second.map_or(0, |second| second.words.len()) / ENTRIES) {
                    None => self.restore_second(table, pass),
                    Some(page) => self.restore_contexts(page, pass),
                }
            }
        }
    }

    fn restore_first(&self, page: usize, pass: Pass) -> Result<(), BringUpError> {
        let (mut runs, mut table) = (self.runs.iter(), self.second.map_or(0, |second| second.base.0));
        let mut run = runs.next();
        let from = page.saturating_mul(ENTRIES);
        let words = self.first.words.get(from..).unwrap_or_default().iter().take(ENTRIES);
        let spans = u32::try_from(from).map_err(|_| BringUpError::Table)?..=u32::MAX;
        for (span, word) in spans.zip(words) {
            // Runs are in order and do not overlap: those that are behind are never needed again.
            while let Some(behind) = run.filter(|run| run.last < span) {
                let tables = u64::from(behind.last.saturating_sub(behind.first)).saturating_add(1);
                table = table.saturating_add(tables.saturating_mul(PAGE_SIZE));
                run = runs.next();
            }
            let inside = run.and_then(|run| span.checked_sub(run.first));
            let value = inside.map_or(0, |offset| {
                descriptor(table.saturating_add(u64::from(offset).saturating_mul(PAGE_SIZE)))
            });
            pass.word(word, value)?;
        }
        Ok(())
    }

    fn restore_second(&self, table: usize, pass: Pass) -> Result<(), BringUpError> {
        let words = self.second.and_then(|second| {
            let from = table.checked_mul(ENTRIES)?;
            second.words.get(from..from.checked_add(ENTRIES)?)
        });
        let (Some(words), Some(span)) = (words, self.span(table)) else { return Err(BringUpError::Table) };
        let shadow = self.shadow.lock();
        let owners = owners(&shadow, span);
        let (mut of, mut entry) = (0, [0; STE_WORDS]);
        for (words, owner) in words.chunks_exact(STE_WORDS).zip(owners) {
            if owner != of {
                let place = usize::from(owner).checked_sub(1);
                let device = place.and_then(|place| shadow.get(place));
                let config = device.map_or(&StreamConfig::Abort, |device| &device.config);
                entry = self.entry_words(place.unwrap_or(0), config).ok_or(BringUpError::Table)?;
                of = owner;
            }
            pass.entry(words, entry)?;
        }
        Ok(())
    }

    /// Those that no entry leads to are left as they are.
    fn restore_contexts(&self, page: usize, pass: Pass) -> Result<(), BringUpError> {
        let contexts = self.contexts.ok_or(BringUpError::Table)?;
        let shadow = self.shadow.lock();
        let from = page.saturating_mul(CONTEXTS_PER_PAGE);
        let devices = shadow.get(from..).unwrap_or_default().iter().take(CONTEXTS_PER_PAGE);
        for (place, device) in (from..=usize::MAX).zip(devices) {
            let Some(values) = self.context_words(&device.config) else { continue };
            let words = contexts.words(place).ok_or(BringUpError::Table)?;
            words.iter().zip(values).try_for_each(|(word, value)| pass.word(word, value))?;
        }
        Ok(())
    }

    /// Returns which streams a second-level table is for: the bits of their IDs above its index.
    fn span(&self, table: usize) -> Option<u32> {
        let mut table = u32::try_from(table).ok()?;
        for run in &self.runs {
            let tables = run.last.checked_sub(run.first)?.checked_add(1)?;
            match table.checked_sub(tables) {
                None => return run.first.checked_add(table),
                Some(behind) => table = behind,
            }
        }
        None
    }
}

/// Returns of which device each stream of a second-level table is: a place in the list of devices, plus one; zero for none.
fn owners(shadow: &[Shadow], span: u32) -> [u8; STREAMS] {
    let mut owners = [0; STREAMS];
    let table = span << SPLIT;
    for (number, device) in (1..=u8::MAX).zip(shadow) {
        let Shadow { first, count, .. } = device;
        let from = first.0.saturating_sub(table);
        let end = first.0.saturating_add(u32::from(*count)).saturating_sub(table);
        let place = |stream: u32| usize::try_from(stream).unwrap_or(STREAMS).min(STREAMS);
        if let Some(owners) = owners.get_mut(place(from)..place(end)) {
            owners.fill(number);
        }
    }
    owners
}
