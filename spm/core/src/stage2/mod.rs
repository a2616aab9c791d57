// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition's stage 2: two trees of tables, for secure and for non-secure addresses, both mapping addresses to
//! themselves.
//!
//! A change is made in two steps: [`AddressSpace::prepare`] brings in the tables and may fail (`tables`), [`AddressSpace::map`] and
//! [`AddressSpace::unmap`] cannot. Valid entries change to invalid ones and back, never into each other, so that no TLB sees
//! two. Whoever unmaps invalidates TLBs before anybody else gets the memory. Nothing here is locked: one caller at a time
//! changes spaces.

mod descriptor;
mod grain;
mod pool;
mod tables;
#[cfg(test)]
mod tests;

use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

pub use descriptor::{Kind, Rights};
pub use grain::Grain;
pub use pool::{NoTables, TablePool};

use crate::manifest::AddressRange;
use crate::manifest::region::Security;
use descriptor::Descriptor;
use grain::{PAGES, index, next_table, span};
use pool::TableIndex;

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
}

/// Tells whether a range is a single page, as ranges of long lists are.
const fn is_page(range: AddressRange) -> bool {
    range.size() == span(PAGES)
}

#[expect(clippy::cast_possible_truncation, reason = "a count of entries of one table")]
const fn narrow(count: u64) -> usize {
    count as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a count of entries of one table")]
const fn narrow_u16(count: u64) -> u16 {
    count as u16
}
