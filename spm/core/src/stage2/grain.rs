// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Levels of tables, and which entries a range of addresses takes there (Arm ARM D8.2: a granule of 4 KiB).

use super::pool::ENTRIES;

pub(super) const PAGE_BITS: u32 = 12;
pub(super) const INDEX_BITS: u32 = 9;
/// The level of pages.
pub(super) const PAGES: u32 = 3;

/// Bytes that an entry of `level` maps.
pub(super) const fn span(level: u32) -> u64 {
    1 << (PAGE_BITS + INDEX_BITS * PAGES.saturating_sub(level))
}

#[expect(clippy::cast_possible_truncation, reason = "it is below 512")]
pub(super) const fn index(address: u64, level: u32) -> usize {
    (address / span(level)) as usize % ENTRIES
}

/// By what a range is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// By pages only, so that any part can be unmapped.
    Pages,
    /// By blocks where they fit: it is unmapped as it was mapped.
    Blocks,
}

impl Grain {
    /// Returns the level of the entry that maps what begins at `at`, in a range up to `end`.
    pub(super) const fn level(self, at: u64, end: u64) -> u32 {
        match self {
            Self::Pages => PAGES,
            Self::Blocks => {
                let mut level = 1;
                let bytes = end.saturating_sub(at);
                while level < PAGES && !(at.is_multiple_of(span(level)) && bytes >= span(level)) {
                    level += 1;
                }
                level
            }
        }
    }
}

/// Returns where the next table begins behind `at`, or the end: entries up to there lie in one table. A block is alone.
pub(super) fn next_table(at: u64, level: u32, end: u64) -> u64 {
    let bytes = if level == PAGES { span(PAGES - 1) } else { span(level) };
    (at | (bytes - 1)).saturating_add(1).min(end)
}
