// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables come into a partition's trees, and go out of them; what they map does not change here.

use core::sync::atomic::Ordering;

use super::descriptor::Descriptor;
use super::grain::{Grain, PAGES, index, next_table};
use super::{AddressSpace, NoTables, TablePool};
use crate::manifest::AddressRange;
use crate::manifest::region::Security;

impl AddressSpace {
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
}
