// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's stage 2: two trees of tables, for secure and for non-secure addresses, both mapping addresses to
//! themselves.
//!
//! A change is made in two steps: [`AddressSpace::prepare`] brings in the tables and may fail, [`AddressSpace::map`] and
//! [`AddressSpace::unmap`] cannot. Valid entries change to invalid ones and back, never into each other, so that no TLB sees
//! two. Whoever unmaps invalidates TLBs before anybody else gets the memory. Nothing here is locked: one caller at a time
//! changes spaces.

mod descriptor;
mod pool;
#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

pub use descriptor::{Kind, Rights};
pub use pool::{NoTables, TablePool};

use crate::manifest::AddressRange;
use crate::manifest::region::Security;
use descriptor::Descriptor;
use pool::{ENTRIES, TableIndex};

const PAGE_BITS: u32 = 12;
const INDEX_BITS: u32 = 9;
/// The level of pages.
const PAGES: u32 = 3;

/// Bytes that an entry of `level` maps.
const fn span(level: u32) -> u64 {
    1 << (PAGE_BITS + INDEX_BITS * PAGES.saturating_sub(level))
}

#[expect(clippy::cast_possible_truncation, reason = "it is below 512")]
const fn index(address: u64, level: u32) -> usize {
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
    const fn level(self, at: u64, end: u64) -> u32 {
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

/// Size of what a partition's tables can translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bits of an address.
    pub ipa_bits: u8,
    /// Level of the root, 0 or 1.
    pub root_level: u32,
}

/// The tables of one partition.
pub struct AddressSpace {
    secure: TableIndex,
    non_secure: TableIndex,
    geometry: Geometry,
    /// Tables below the roots.
    held: AtomicU16,
    /// First of the tables that are out of the trees and that TLBs may still know, as the pool chains them.
    unlinked: AtomicU16,
    /// The table of pages that was used last, and what it maps: [`AddressSpace::key`], or 0. Scattered pages lie near each
    /// other more often than not.
    recent: AtomicU64,
    recent_table: AtomicU16,
}

impl AddressSpace {
    /// Makes a space where nothing is mapped.
    ///
    /// # Errors
    /// [`NoTables`].
    pub fn new<const N: usize>(pool: &TablePool<N>, geometry: Geometry) -> Result<Self, NoTables> {
        let (secure, non_secure) = (pool.take()?, pool.take()?);
        Ok(Self {
            secure,
            non_secure,
            geometry,
            held: AtomicU16::new(0),
            unlinked: AtomicU16::new(0),
            recent: AtomicU64::new(0),
            recent_table: AtomicU16::new(0),
        })
    }

    /// Returns the address of the root table.
    #[must_use]
    pub fn root<const N: usize>(&self, pool: &TablePool<N>, security: Security) -> u64 {
        pool.address(self.root_index(security))
    }

    /// Returns how many tables there are below the roots.
    pub fn held(&self) -> usize {
        usize::from(self.held.load(Ordering::Relaxed))
    }

    const fn root_index(&self, security: Security) -> TableIndex {
        match security {
            Security::Secure => self.secure,
            Security::NonSecure => self.non_secure,
        }
    }

    /// Names what one table of pages maps; never 0.
    const fn key(security: Security, address: u64) -> u64 {
        let world = match security {
            Security::Secure => 1,
            Security::NonSecure => 2,
        };
        (address & !(span(PAGES - 1) - 1)) | world
    }

    /// Returns the table of pages for an address, if it is the one that was used last.
    fn recent(&self, security: Security, address: u64) -> Option<TableIndex> {
        let is_it = self.recent.load(Ordering::Relaxed) == Self::key(security, address);
        is_it.then(|| TableIndex::from_raw(self.recent_table.load(Ordering::Relaxed)))
    }

    fn remember(&self, security: Security, address: u64, table: TableIndex) {
        self.recent.store(Self::key(security, address), Ordering::Relaxed);
        self.recent_table.store(table.raw(), Ordering::Relaxed);
    }

    /// Brings in all tables that [`AddressSpace::map`] needs for `range`, as long as the partition has no more than `most`.
    ///
    /// # Errors
    /// [`NoTables`], also where addresses are too large; [`AddressSpace::trim`] then gives back what was brought in.
    pub fn prepare<const N: usize>(
        &self,
        pool: &TablePool<N>,
        security: Security,
        range: AddressRange,
        grain: Grain,
        most: usize,
    ) -> Result<(), NoTables> {
        let last = range.end().saturating_sub(1);
        if last.checked_shr(u32::from(self.geometry.ipa_bits)) != Some(0) {
            return Err(NoTables);
        }
        let mut at = range.start();
        while at < range.end() {
            let leaf = grain.level(at, range.end());
            if leaf == PAGES && self.recent(security, at).is_some() {
                at = next_table(at, leaf, range.end());
                continue;
            }
            let mut table = self.root_index(security);
            for level in self.geometry.root_level..leaf {
                let entry = pool.entry(table, index(at, level));
                let descriptor = Descriptor(entry.load(Ordering::Relaxed));
                if descriptor.is_table() {
                    table = pool.linked(descriptor);
                    continue;
                }
                if descriptor.is_valid() || self.held() >= most {
                    return Err(NoTables);
                }
                let next = pool.take()?;
                self.held.fetch_add(1, Ordering::Relaxed);
                pool.valid(table).fetch_add(1, Ordering::Relaxed);
                // A walk that sees the link sees an empty table behind it.
                entry.store(Descriptor::table(pool.address(next)).0, Ordering::Release);
                table = next;
            }
            if leaf == PAGES {
                self.remember(security, at, table);
            } else if pool.entry(table, index(at, leaf)).load(Ordering::Relaxed) != 0 {
                return Err(NoTables);
            }
            at = next_table(at, leaf, range.end());
        }
        Ok(())
    }

    /// Maps `range`, which was prepared by the same grain and where nothing is mapped.
    pub fn map<const N: usize>(
        &self,
        pool: &TablePool<N>,
        security: Security,
        range: AddressRange,
        grain: Grain,
        kind: Kind,
    ) {
        if let (Some(table), true) = (self.recent(security, range.start()), is_page(range)) {
            let page = Descriptor::leaf(range.start(), PAGES, kind);
            pool.entry(table, index(range.start(), PAGES)).store(page.0, Ordering::Relaxed);
            pool.valid(table).fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut at = range.start();
        while at < range.end() {
            let leaf = grain.level(at, range.end());
            let next = next_table(at, leaf, range.end());
            let known = if leaf == PAGES { self.recent(security, at) } else { None };
            let table = known.unwrap_or_else(|| {
                (self.geometry.root_level..leaf).fold(self.root_index(security), |table, level| {
                    pool.linked(Descriptor(pool.entry(table, index(at, level)).load(Ordering::Relaxed)))
                })
            });
            let count = next.saturating_sub(at).div_ceil(span(leaf));
            let first = index(at, leaf);
            let mut value = Descriptor::leaf(at, leaf, kind).0;
            for entry in pool.entries(table, first, first.saturating_add(narrow(count))) {
                entry.store(value, Ordering::Relaxed);
                value = value.wrapping_add(span(leaf));
            }
            pool.valid(table).fetch_add(narrow_u16(count), Ordering::Relaxed);
            at = next;
        }
    }

    /// Unmaps `range`; what is not mapped stays so. Blocks must lie in it as a whole.
    pub fn unmap<const N: usize>(&self, pool: &TablePool<N>, security: Security, range: AddressRange) {
        if let (Some(table), true) = (self.recent(security, range.start()), is_page(range)) {
            let entry = pool.entry(table, index(range.start(), PAGES));
            let old = entry.load(Ordering::Relaxed);
            entry.store(Descriptor::INVALID.0, Ordering::Relaxed);
            pool.valid(table).fetch_sub(u16::from(Descriptor(old).is_valid()), Ordering::Relaxed);
            return;
        }
        self.visit(pool, security, range, |table, level, at, end| {
            let first = index(at, level);
            let count = end.saturating_sub(at).div_ceil(span(level));
            let mut cleared = 0_u16;
            for entry in pool.entries(table, first, first.saturating_add(narrow(count))) {
                if Descriptor(entry.load(Ordering::Relaxed)).is_valid() {
                    entry.store(Descriptor::INVALID.0, Ordering::Relaxed);
                    cleared = 1_u16.saturating_add(cleared);
                }
            }
            pool.valid(table).fetch_sub(cleared, Ordering::Relaxed);
        });
    }

    /// Takes out the tables around `range` that map nothing any more. They are free after [`AddressSpace::recycle`].
    pub fn trim<const N: usize>(&self, pool: &TablePool<N>, security: Security, range: AddressRange) {
        let root = self.root_index(security);
        let mut at = range.start();
        while at < range.end() {
            if let Some(table) = self.recent(security, at)
                && pool.valid(table).load(Ordering::Relaxed) != 0
            {
                at = next_table(at, PAGES, range.end());
                continue;
            }
            // The path to the lowest table that is there; then upwards as long as one is empty.
            let mut path = [root; PAGES as usize + 1];
            let mut level = self.geometry.root_level;
            let mut table = root;
            while level < PAGES {
                let entry = Descriptor(pool.entry(table, index(at, level)).load(Ordering::Relaxed));
                if !entry.is_table() {
                    break;
                }
                table = pool.linked(entry);
                level = level.saturating_add(1);
                if let Some(place) = path.get_mut(level as usize) {
                    *place = table;
                }
            }
            let lowest = level;
            while level > self.geometry.root_level && pool.valid(table).load(Ordering::Relaxed) == 0 {
                let above = level.saturating_sub(1);
                let parent = path.get(above as usize).copied().unwrap_or(root);
                pool.entry(parent, index(at, above)).store(Descriptor::INVALID.0, Ordering::Relaxed);
                pool.valid(parent).fetch_sub(1, Ordering::Relaxed);
                pool.unlink(table, &self.unlinked);
                // It may be the one that was used last.
                self.recent.store(0, Ordering::Relaxed);
                self.held.fetch_sub(1, Ordering::Relaxed);
                table = parent;
                level = above;
            }
            at = next_table(at, lowest, range.end());
        }
    }

    /// Lets tables that were taken out be used again. The partition's TLB entries were invalidated since.
    pub fn recycle<const N: usize>(&self, pool: &TablePool<N>) {
        pool.recycle(&self.unlinked);
    }

    /// Calls `work` for each run of leaf entries that `range` takes in one table: the table, its level, the addresses.
    fn visit<const N: usize>(
        &self,
        pool: &TablePool<N>,
        security: Security,
        range: AddressRange,
        mut work: impl FnMut(TableIndex, u32, u64, u64),
    ) {
        let mut at = range.start();
        while at < range.end() {
            if let Some(table) = self.recent(security, at) {
                let end = next_table(at, PAGES, range.end());
                work(table, PAGES, at, end);
                at = end;
                continue;
            }
            let mut table = self.root_index(security);
            let mut level = self.geometry.root_level;
            let mut entry = Descriptor(pool.entry(table, index(at, level)).load(Ordering::Relaxed));
            while level < PAGES && entry.is_table() {
                table = pool.linked(entry);
                level += 1;
                entry = Descriptor(pool.entry(table, index(at, level)).load(Ordering::Relaxed));
            }
            let end = next_table(at, level, range.end());
            if level == PAGES {
                self.remember(security, at, table);
            }
            if level == PAGES || entry.is_valid() {
                work(table, level, at, end);
            }
            at = end;
        }
    }

    /// Walks the tables as hardware does: what an address is mapped to, and with which rights.
    #[cfg(test)]
    pub(crate) fn translate<const N: usize>(
        &self,
        pool: &TablePool<N>,
        security: Security,
        address: u64,
    ) -> Option<(u64, Rights)> {
        let mut table = self.root_index(security);
        for level in self.geometry.root_level..=PAGES {
            let entry = Descriptor(pool.entry(table, index(address, level)).load(Ordering::Relaxed));
            if level < PAGES && entry.is_table() {
                table = pool.linked(entry);
            } else {
                let output = entry.address() | (address % span(level));
                return entry.is_valid().then(|| (output, entry.rights()));
            }
        }
        None
    }
}

/// Tells whether a range is a single page, as ranges of long lists are.
const fn is_page(range: AddressRange) -> bool {
    range.size() == span(PAGES)
}

/// Returns where the next table begins behind `at`, or the end: entries up to there lie in one table. A block is alone.
fn next_table(at: u64, level: u32, end: u64) -> u64 {
    let bytes = if level == PAGES { span(PAGES - 1) } else { span(level) };
    (at | (bytes - 1)).saturating_add(1).min(end)
}

#[expect(clippy::cast_possible_truncation, reason = "a count of entries of one table")]
const fn narrow(count: u64) -> usize {
    count as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a count of entries of one table")]
const fn narrow_u16(count: u64) -> u16 {
    count as u16
}
