// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table in which every address that is mapped leads to itself, for reads and writes. What is mapped changes; where
//! an address leads does not, so an entry may be written over what an SMMU has cached of it.
//!
//! One caller at a time changes such a table, unlike those of other domains; SMMUs walk it meanwhile. A block becomes
//! pages as the SMMUs that walk it allow (IHI 0070, 3.21.1): whoever calls [`Block::split`] has asked them.

use super::map::{MapError, largest_leaf};
use super::spec::{Entry, Kind};
use super::{ENTRIES, Format, Found, LeafSize, Level, PAGE_SIZE, Table, Tampered};
use crate::pool::{PageWords, Quota, Word};
use core::sync::atomic::Ordering::{Relaxed, Release};
use ffa_abi::{PhysAddr, Protection};

/// What devices may do where something is mapped.
const ACCESS: Protection = Protection::READ.union(Protection::WRITE);

fn leaf(format: Format, size: LeafSize, address: u64) -> Entry {
    Entry::leaf(format, size, PhysAddr(address), ACCESS)
}

/// A block of 2 MiB that is mapped as one.
#[derive(Debug)]
pub(crate) struct Block<'t, 'a> {
    table: &'t Table<'a>,
    word: &'a Word,
    base: u64,
}

impl<'a> Table<'a> {
    /// Maps whole pages to themselves, by leaves of at most a size; what is mapped already stays as it is.
    pub(crate) fn map_to_itself(
        &self,
        base: u64,
        size: u64,
        largest: LeafSize,
        quota: &Quota,
    ) -> Result<(), MapError> {
        let mut done = 0;
        while done < size {
            let (at, rest) = (base.wrapping_add(done), size.saturating_sub(done));
            let Found { word, level, entry, .. } = self.walk(at, Level::L2)?;
            let bytes = match entry.kind(level) {
                Kind::Leaf => level.entry_size().wrapping_sub(at & (level.entry_size() - 1)),
                Kind::Table => pages_of(self.child(entry.address())?.1, at, rest, Pages::Mapped(self.format)),
                Kind::Invalid => {
                    let wanted = largest_leaf(at, rest).min(largest);
                    match level.leaf().filter(|here| *here <= wanted) {
                        Some(here) => {
                            word.store(leaf(self.format, here, at).0, Release);
                            here.bytes()
                        }
                        None => {
                            self.install(word, quota)?;
                            0
                        }
                    }
                }
                Kind::Leaving | Kind::Foreign => return Err(MapError::Tampered),
            };
            done = done.wrapping_add(bytes);
        }
        Ok(())
    }

    /// Removes whole pages. A block of which they are a part is to be split before.
    pub(crate) fn unmap_from_itself(&self, base: u64, size: u64) -> Result<(), Tampered> {
        let mut done = 0;
        while done < size {
            let (at, rest) = (base.wrapping_add(done), size.saturating_sub(done));
            let Found { word, level, entry, .. } = self.walk(at, Level::L2)?;
            let inside = at & (level.entry_size() - 1);
            let bytes = match entry.kind(level) {
                Kind::Invalid => level.entry_size().wrapping_sub(inside),
                Kind::Leaf if inside == 0 && rest >= level.entry_size() => {
                    word.store(Entry::INVALID.0, Relaxed);
                    level.entry_size()
                }
                Kind::Table => pages_of(self.child(entry.address())?.1, at, rest, Pages::Gone),
                Kind::Leaf | Kind::Leaving | Kind::Foreign => return Err(Tampered),
            };
            done = done.wrapping_add(bytes);
        }
        Ok(())
    }

    /// Returns the block that a page is in, where it is mapped by one.
    pub(crate) fn block_at(&self, address: u64) -> Result<Option<Block<'_, 'a>>, Tampered> {
        let Found { word, level, entry, .. } = self.walk(address, Level::L2)?;
        let block = (entry.kind(level), level) == (Kind::Leaf, Level::L2);
        Ok(block.then_some(Block { table: self, word, base: address & !(level.entry_size() - 1) }))
    }
}

impl Block<'_, '_> {
    /// Returns its first address.
    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// Asks SMMUs not to keep the translation from now on. What they have cached of it stays until they forget it.
    pub(crate) fn mark(&self) {
        self.word.store(leaf(self.table.format, LeafSize::Block2M, self.base).not_to_be_cached().0, Release);
    }

    /// Puts a table of pages that lead where the block did into its place.
    pub(crate) fn split(&self, quota: &Quota) -> Result<(), MapError> {
        let charge = quota.charge().ok_or(MapError::NoMemory)?;
        let page = self.table.pool.allocate_filled(self.table.owner, |words| {
            pages_of(words, self.base, LeafSize::Block2M.bytes(), Pages::Mapped(self.table.format));
        });
        let page = page.ok_or(MapError::NoMemory)?;
        // Release: an SMMU that finds the table finds it full.
        self.word.store(Entry::table(self.table.pool.address(page)).0, Release);
        charge.keep();
        Ok(())
    }
}

/// What is to become of pages.
#[derive(Clone, Copy, Debug)]
enum Pages {
    /// Each leads to itself.
    Mapped(Format),
    /// Nothing leads to them.
    Gone,
}

/// Writes the entries of pages from an address on, as far as one table and `rest` bytes go. Returns how many bytes they map.
fn pages_of(table: &PageWords, at: u64, rest: u64, pages: Pages) -> u64 {
    let run = table.get(Level::L3.index(at)..).unwrap_or_default();
    let wanted = usize::try_from(rest >> Level::L3.shift()).unwrap_or(ENTRIES);
    let run = run.get(..wanted).unwrap_or(run);
    // Entries differ by their addresses, which are those of pages that follow each other.
    let (mut entry, step) = match pages {
        Pages::Mapped(format) => (leaf(format, LeafSize::Page4K, at).0, PAGE_SIZE),
        Pages::Gone => (Entry::INVALID.0, 0),
    };
    let mut put = |word: &Word| {
        word.store(entry, Relaxed);
        entry = entry.wrapping_add(step);
    };
    // Eight at a time by hand: where code is built for size nobody else unrolls this, and a message writes three tables.
    let (eights, rest): (&[[Word; 8]], _) = run.as_chunks();
    for [a, b, c, d, e, f, g, h] in eights {
        put(a);
        put(b);
        put(c);
        put(d);
        put(e);
        put(f);
        put(g);
        put(h);
    }
    rest.iter().for_each(put);
    (run.len() as u64) << Level::L3.shift()
}
