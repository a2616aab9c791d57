// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Page tables for DMA (DDI 0487, D8), of stage 2, or of stage 1 where an SMMU has no other; made for use by several cores at once.
//!
//! | file | what lives there |
//! |---|---|
//! | `geometry` | input width, levels, sizes |
//! | `spec` | the bits of descriptors |
//! | `map` | writing leaves and installing tables |
//! | `unmap` | removing leaves, and tables that are not needed any more |
//! | `near` | single pages of lists |
//! | `identity` | tables in which addresses lead to themselves, by rules of their own |
//! | `lookup` | translating as a device would |
//!
//! Entries are atomics, and an entry changes by compare-exchange only: from invalid to something, from there to leaving,
//! and from leaving to invalid once SMMUs have forgotten it. So any number of cores map, unmap and look up through a
//! shared reference, and whoever finds an entry invalid knows that no SMMU uses what was there before. A table is removed
//! only through an exclusive reference: no walk of ours is under way then, and the SMMU's are ended by the invalidation
//! that the caller makes before it frees the table.
//!
//! Tables stand where the normal world may write if nobody guards the pool. What is read from them is never believed:
//! an address leads on only if it is that of a page of this domain, and a walk has as many steps as there are levels.
//!
//! Nothing here invalidates: the domain does, before it releases what was unmapped.

mod geometry;
mod identity;
mod lookup;
mod map;
mod near;
mod spec;
mod unmap;

pub use geometry::{ENTRIES, Geometry, LeafSize, Level, PAGE_BITS, PAGE_SIZE};
pub use lookup::Translation;
pub use map::{MapError, Mapping};
pub(crate) use near::Near;
pub(crate) use spec::ADDRESS_LIMIT;
pub use spec::Format;
pub use unmap::{Detached, UnmapError, Unmapped};

use crate::pool::{Owner, Page, PageWords, Pool, Quota, Word};
use crate::sync::AtomicU64;
use core::sync::atomic::Ordering::Acquire;
use ffa_abi::PhysAddr;
use spec::{Entry, Kind};

/// How far a call got before it ended, and why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<E> {
    /// Bytes from the start of the range that are done.
    pub bytes: u64,
    /// `Ok` where the range or the budget was used up.
    pub end: Result<(), E>,
}

/// A table in the pool is not what this service wrote there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampered;

/// Where a walk ended.
struct Found<'a> {
    /// The table.
    words: &'a PageWords,
    /// The place of the entry.
    word: &'a Word,
    /// The level of the table.
    level: Level,
    /// What stood there.
    entry: Entry,
}

/// One address space for devices.
#[derive(Debug)]
pub struct Table<'a> {
    pool: &'a Pool<'a>,
    owner: Owner,
    root: Page,
    geometry: Geometry,
    format: Format,
    /// Calls that removed something, to tell them from each other.
    removals: AtomicU64,
}

impl<'a> Table<'a> {
    /// Makes an empty table, or `None` where its client's share is used up. Its pages belong to `owner`.
    pub fn new(
        pool: &'a Pool<'a>,
        (owner, quota): (Owner, &Quota),
        geometry: Geometry,
        format: Format,
    ) -> Option<Self> {
        let root = quota.allocate(pool, owner)?;
        Some(Self { pool, owner, root, geometry, format, removals: AtomicU64::new(0) })
    }

    /// Returns where the root stands.
    #[must_use]
    pub fn root(&self) -> PhysAddr {
        self.pool.address(self.root)
    }

    /// Returns the shape.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Returns what its leaves look like.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    fn root_words(&self) -> Result<&'a PageWords, Tampered> {
        self.pool.words(self.root).ok_or(Tampered)
    }

    /// Follows a table entry. None leads back to the root: freed as a child's, its page would still be an SMMU's.
    #[inline]
    fn child(&self, address: PhysAddr) -> Result<(Page, &'a PageWords), Tampered> {
        let page =
            self.pool.page_of(address, self.owner).filter(|page| *page != self.root).ok_or(Tampered)?;
        Ok((page, self.pool.words(page).ok_or(Tampered)?))
    }

    /// Walks down as far as tables lead, at most to `last`.
    fn walk(&self, iova: u64, last: Level) -> Result<Found<'a>, Tampered> {
        let (mut words, mut level) = (self.root_words()?, self.geometry.start());
        loop {
            let word = words.get(level.index(iova)).ok_or(Tampered)?;
            let entry = Entry(word.load(Acquire));
            match (entry.kind(level), level.next()) {
                (Kind::Foreign, _) => return Err(Tampered),
                (Kind::Table, Some(next)) if level < last => {
                    (_, words) = self.child(entry.address())?;
                    level = next;
                }
                _ => return Ok(Found { words, word, level, entry }),
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod walker;
