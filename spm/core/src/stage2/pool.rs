// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables of all partitions' stage 2: one array, and which of its elements are free.
//!
//! A table that is free is all zero but for its first entry, which chains it to the next one by an invalid descriptor. So
//! it can be taken again at once, and a walk that still reaches it finds nothing.

use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use spin::mutex::SpinMutex;

use super::descriptor::Descriptor;

/// Entries of a table.
pub(super) const ENTRIES: usize = 512;
const TABLE_BYTES: usize = 4096;

/// No free table: a partition asks for more than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTables;

/// A translation table. Walks of other cores read it at any time.
#[repr(C, align(4096))]
struct Table([AtomicU64; ENTRIES]);

/// Number of a table in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableIndex(u16);

impl TableIndex {
    /// Returns the number.
    pub(super) const fn raw(self) -> u16 {
        self.0
    }

    /// The inverse of [`TableIndex::raw`].
    pub(super) const fn from_raw(number: u16) -> Self {
        Self(number)
    }
}

struct Free {
    /// Tables from here on were never taken.
    unused: u16,
    /// First of those given back, plus 1; 0 if there is none.
    returned: u16,
    /// How many are in use.
    taken: u16,
}

/// All tables. Its address is the one that walks use.
pub struct TablePool<const N: usize> {
    tables: [Table; N],
    /// How many entries of each table are valid.
    valid: [AtomicU16; N],
    free: SpinMutex<Free>,
}

#[expect(clippy::declare_interior_mutable_const, reason = "initial value of an array's elements")]
const ZERO: AtomicU64 = AtomicU64::new(0);
#[expect(clippy::declare_interior_mutable_const, reason = "initial value of an array's elements")]
const EMPTY: Table = Table([ZERO; ENTRIES]);
#[expect(clippy::declare_interior_mutable_const, reason = "initial value of an array's elements")]
const NONE: AtomicU16 = AtomicU16::new(0);

impl<const N: usize> TablePool<N> {
    /// Makes a pool of empty tables, of zeros only.
    #[must_use]
    pub const fn new() -> Self {
        assert!(N < u16::MAX as usize, "an index and 1 fit u16");
        let free = Free { unused: 0, returned: 0, taken: 0 };
        Self { tables: [EMPTY; N], valid: [NONE; N], free: SpinMutex::new(free) }
    }

    /// Returns how many tables can be taken.
    #[must_use]
    pub fn available(&self) -> usize {
        N - usize::from(self.free.lock().taken)
    }

    pub(super) fn take(&self) -> Result<TableIndex, NoTables> {
        let mut free = self.free.lock();
        let index = match free.returned.checked_sub(1) {
            Some(index) => {
                let first = self.entry(TableIndex(index), 0);
                free.returned = unchain(first.load(Ordering::Relaxed));
                first.store(0, Ordering::Relaxed);
                index
            }
            None if usize::from(free.unused) < N => {
                free.unused += 1;
                free.unused - 1
            }
            None => return Err(NoTables),
        };
        free.taken = free.taken.saturating_add(1);
        Ok(TableIndex(index))
    }

    /// Chains an empty table, which no entry leads to any more, before those of `unlinked`: walks may still reach it.
    pub(super) fn unlink(&self, table: TableIndex, unlinked: &AtomicU16) {
        let next = unlinked.load(Ordering::Relaxed);
        self.entry(table, 0).store(chain(next), Ordering::Relaxed);
        unlinked.store(table.0.saturating_add(1), Ordering::Relaxed);
    }

    /// Lets tables that were unlinked be taken. No TLB may know them any more.
    pub(super) fn recycle(&self, unlinked: &AtomicU16) {
        let mut next = unlinked.swap(0, Ordering::Relaxed);
        if next == 0 {
            return;
        }
        let mut free = self.free.lock();
        while let Some(index) = next.checked_sub(1) {
            let first = self.entry(TableIndex(index), 0);
            next = unchain(first.load(Ordering::Relaxed));
            first.store(chain(free.returned), Ordering::Relaxed);
            free.returned = index.saturating_add(1);
            free.taken = free.taken.saturating_sub(1);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an index is one of this pool's, an entry below 512 by its mask"
    )]
    pub(super) fn entry(&self, table: TableIndex, index: usize) -> &AtomicU64 {
        &self.tables[usize::from(table.0)].0[index % ENTRIES]
    }

    /// Returns the entries `first..end` of a table.
    pub(super) fn entries(&self, table: TableIndex, first: usize, end: usize) -> &[AtomicU64] {
        let table = self.tables.get(usize::from(table.0));
        table.and_then(|table| table.0.get(first..end)).unwrap_or_default()
    }

    #[expect(clippy::indexing_slicing, reason = "an index is one of this pool's")]
    pub(super) fn valid(&self, table: TableIndex) -> &AtomicU16 {
        &self.valid[usize::from(table.0)]
    }

    /// Returns a table's address.
    pub(super) fn address(&self, table: TableIndex) -> u64 {
        self.tables.as_ptr().addr().wrapping_add(usize::from(table.0) * TABLE_BYTES) as u64
    }

    /// Returns the table that an entry leads to.
    #[expect(clippy::cast_possible_truncation, reason = "usize has 64 bits; an index fits by N")]
    pub(super) fn linked(&self, entry: Descriptor) -> TableIndex {
        let offset = (entry.address() as usize).wrapping_sub(self.tables.as_ptr().addr());
        TableIndex((offset / TABLE_BYTES) as u16)
    }
}

impl<const N: usize> Default for TablePool<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// An invalid descriptor that holds the number of a table plus 1.
fn chain(next: u16) -> u64 {
    u64::from(next) << 1
}

#[expect(clippy::cast_possible_truncation, reason = "the inverse of chain")]
const fn unchain(entry: u64) -> u16 {
    (entry >> 1) as u16
}
