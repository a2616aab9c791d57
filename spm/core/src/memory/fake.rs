// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Address spaces that remember each page, find callers that break the rules of [`AddressSpaces`], and fail when told to; with
//! real tables beside them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a caller does wrong ends a test")]

extern crate std;

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::vec::Vec;

use super::AddressSpaces;
use crate::hardware::{FakeHardware, MapFailed};
use crate::manifest::AddressRange;
use crate::manifest::range::PAGE_SIZE;
use crate::manifest::region::Security;
use crate::stage2::{AddressSpace, Geometry, Grain, Kind, NoTables, Rights, TablePool};

/// A page of a partition: its place, whether it is non-secure, the address.
pub type Page = (usize, bool, u64);

/// The pages of all partitions.
#[derive(Debug, Default)]
pub struct Pages {
    /// What is mapped.
    pub mapped: BTreeMap<Page, Rights>,
    /// Where there are tables for pages, or for blocks.
    pub prepared: BTreeMap<Page, Grain>,
    /// Partitions with changes that were not published.
    pub unpublished: BTreeSet<usize>,
    /// Ranges that were zeroed.
    pub zeroed: Vec<AddressRange>,
    /// How many of the next calls that may fail succeed.
    pub fails_after: Option<u32>,
}

impl Pages {
    fn fails(&mut self) -> bool {
        match &mut self.fails_after {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
}

/// What the machine would do with its tables.
pub(crate) struct Trees {
    pool: Box<TablePool<128>>,
    spaces: Vec<AddressSpace>,
}

impl Default for Trees {
    fn default() -> Self {
        let pool = Box::new(TablePool::new());
        let geometry = Geometry { ipa_bits: 48, root_level: 0 };
        let spaces = (0..3).map(|_| AddressSpace::new(&pool, geometry).unwrap()).collect();
        Self { pool, spaces }
    }
}

#[cfg(test)]
impl Trees {
    /// Returns what a walk finds for a page.
    pub(crate) fn rights(&self, (partition, non_secure, address): Page) -> Option<Rights> {
        let security = if non_secure { Security::NonSecure } else { Security::Secure };
        let (output, rights) = self.spaces.get(partition)?.translate(&self.pool, security, address)?;
        assert_eq!(output, address);
        Some(rights)
    }

    /// Returns how many tables a partition has.
    pub(crate) fn held(&self, partition: usize) -> usize {
        self.spaces.get(partition).unwrap().held()
    }
}

/// All partitions' spaces.
#[derive(Default)]
pub struct FakeSpaces(pub Mutex<Pages>, pub(crate) Trees);

impl FakeSpaces {
    /// Maps what a partition has from the boot on.
    pub fn boot(&self, partition: usize, security: Security, range: AddressRange, rights: Rights) {
        let mut pages = self.0.lock().unwrap();
        for page in pages_of(partition, security, range) {
            pages.mapped.insert(page, rights);
            pages.prepared.insert(page, Grain::Pages);
        }
        self.grow(partition, security, range, Grain::Pages);
        self.tree(partition, |pool, space| {
            space.map(pool, security, range, Grain::Pages, Kind::Memory(rights))
        });
    }

    fn tree(&self, partition: usize, work: impl FnOnce(&TablePool<128>, &AddressSpace)) {
        if let Some(space) = self.1.spaces.get(partition) {
            work(&self.1.pool, space);
        }
    }

    /// There are enough tables for all tests: running out is made by `fails_after`.
    fn grow(&self, partition: usize, security: Security, range: AddressRange, grain: Grain) {
        self.tree(partition, |pool, space| {
            space.prepare(pool, security, range, grain, 100).expect("there are enough tables");
        });
    }
}

fn pages_of(partition: usize, security: Security, range: AddressRange) -> impl Iterator<Item = Page> {
    let addresses = (range.start()..range.end()).step_by(usize::try_from(PAGE_SIZE).unwrap());
    addresses.map(move |address| (partition, security == Security::NonSecure, address))
}

impl AddressSpaces for FakeSpaces {
    fn prepare(
        &self,
        partition: usize,
        security: Security,
        range: AddressRange,
        grain: Grain,
    ) -> Result<(), NoTables> {
        let mut pages = self.0.lock().unwrap();
        // Where the tables are there nothing can fail.
        let missing = pages_of(partition, security, range).any(|page| !pages.prepared.contains_key(&page));
        if missing && pages.fails() {
            return Err(NoTables);
        }
        for page in pages_of(partition, security, range) {
            assert!(!pages.mapped.contains_key(&page), "is to be mapped twice: {page:x?}");
            pages.prepared.insert(page, grain);
        }
        self.grow(partition, security, range, grain);
        Ok(())
    }

    fn map(&self, partition: usize, security: Security, range: AddressRange, grain: Grain, rights: Rights) {
        let mut pages = self.0.lock().unwrap();
        for page in pages_of(partition, security, range) {
            assert_eq!(pages.prepared.get(&page), Some(&grain), "is not prepared: {page:x?}");
            assert!(pages.mapped.insert(page, rights).is_none(), "mapped twice: {page:x?}");
        }
        pages.unpublished.insert(partition);
        self.tree(partition, |pool, space| space.map(pool, security, range, grain, Kind::Memory(rights)));
    }

    fn unmap(&self, partition: usize, security: Security, range: AddressRange) {
        let mut pages = self.0.lock().unwrap();
        for page in pages_of(partition, security, range) {
            pages.mapped.remove(&page);
        }
        pages.unpublished.insert(partition);
        self.tree(partition, |pool, space| space.unmap(pool, security, range));
    }

    fn trim(&self, partition: usize, security: Security, range: AddressRange) {
        let mut pages = self.0.lock().unwrap();
        for page in pages_of(partition, security, range) {
            if !pages.mapped.contains_key(&page) {
                pages.prepared.remove(&page);
            }
        }
        pages.unpublished.insert(partition);
        self.tree(partition, |pool, space| space.trim(pool, security, range));
    }

    fn publish(&self, partition: usize) {
        self.0.lock().unwrap().unpublished.remove(&partition);
        self.tree(partition, |pool, space| space.recycle(pool));
    }

    fn zero(&self, _: Security, range: AddressRange) -> Result<(), MapFailed> {
        let mut pages = self.0.lock().unwrap();
        if pages.fails() {
            return Err(MapFailed);
        }
        assert!(pages.unpublished.is_empty(), "a TLB may still know what is zeroed");
        pages.zeroed.push(range);
        Ok(())
    }
}

/// The fake machine's spaces are these.
impl AddressSpaces for FakeHardware {
    fn prepare(
        &self,
        partition: usize,
        security: Security,
        range: AddressRange,
        grain: Grain,
    ) -> Result<(), NoTables> {
        self.spaces.prepare(partition, security, range, grain)
    }

    fn map(&self, partition: usize, security: Security, range: AddressRange, grain: Grain, rights: Rights) {
        self.spaces.map(partition, security, range, grain, rights);
    }

    fn unmap(&self, partition: usize, security: Security, range: AddressRange) {
        self.spaces.unmap(partition, security, range);
    }

    fn trim(&self, partition: usize, security: Security, range: AddressRange) {
        self.spaces.trim(partition, security, range);
    }

    fn publish(&self, partition: usize) {
        self.spaces.publish(partition);
    }

    fn zero(&self, security: Security, range: AddressRange) -> Result<(), MapFailed> {
        self.spaces.zero(security, range)
    }
}
