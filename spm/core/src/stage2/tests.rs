// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The trees against a set of pages, and tables that are taken and given back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DEEP: Geometry = Geometry { ipa_bits: 48, root_level: 0 };
const SHALLOW: Geometry = Geometry { ipa_bits: 39, root_level: 1 };
const READ: Rights = Rights { write: false, execute: false };

fn range(start: u64, pages: u64) -> AddressRange {
    AddressRange::from_pages(start, pages).unwrap()
}

impl AddressSpace {
    /// Walks the tables as hardware does: what an address is mapped to, and with which rights.
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

#[test]
fn a_range_is_mapped_to_itself_and_no_page_more() {
    let pool = TablePool::<16>::new();
    for geometry in [DEEP, SHALLOW] {
        let space = AddressSpace::new(&pool, geometry).unwrap();
        let memory = range(0x4020_1000, 600);
        space.prepare(&pool, Security::NonSecure, memory, Grain::Blocks, 9).unwrap();
        space.map(&pool, Security::NonSecure, memory, Grain::Blocks, Kind::Memory(READ));
        for address in [0x4020_1000, 0x4045_8fff] {
            assert_eq!(space.translate(&pool, Security::NonSecure, address), Some((address, READ)));
            assert_eq!(space.translate(&pool, Security::Secure, address), None);
        }
        for address in [0x4020_0fff, 0x4045_9000, 0] {
            assert_eq!(space.translate(&pool, Security::NonSecure, address), None);
        }
    }
}

#[test]
fn large_aligned_ranges_take_no_table_of_pages() {
    let pool = TablePool::<8>::new();
    let space = AddressSpace::new(&pool, DEEP).unwrap();
    let memory = range(0x4000_0000, 0x4_0000 + 0x200);
    space.prepare(&pool, Security::NonSecure, memory, Grain::Blocks, 9).unwrap();
    assert_eq!(space.held(), 2, "levels 1 and 2");
    space.map(&pool, Security::NonSecure, memory, Grain::Blocks, Kind::Memory(READ));
    assert_eq!(space.translate(&pool, Security::NonSecure, 0x7fff_f123), Some((0x7fff_f123, READ)));
    assert_eq!(space.translate(&pool, Security::NonSecure, 0x801f_ffff), Some((0x801f_ffff, READ)));
    assert_eq!(space.translate(&pool, Security::NonSecure, 0x8020_0000), None);
    space.unmap(&pool, Security::NonSecure, memory);
    space.trim(&pool, Security::NonSecure, memory);
    assert_eq!(space.held(), 0);
    assert_eq!(space.translate(&pool, Security::NonSecure, 0x4000_0000), None);
}

#[test]
fn tables_end_and_come_back_only_after_invalidation() {
    let pool = TablePool::<5>::new();
    let space = AddressSpace::new(&pool, DEEP).unwrap();
    let (first, second) = (range(0x4000_0000, 1), range(0x4020_0000, 1));
    space.prepare(&pool, Security::Secure, first, Grain::Pages, 9).unwrap();
    assert_eq!(space.prepare(&pool, Security::Secure, second, Grain::Pages, 9), Err(NoTables));
    space.map(&pool, Security::Secure, first, Grain::Pages, Kind::Memory(Rights::ALL));
    space.trim(&pool, Security::Secure, first);
    assert_eq!(space.held(), 3, "what maps something stays");
    space.unmap(&pool, Security::Secure, first);
    space.trim(&pool, Security::Secure, first);
    assert_eq!(space.prepare(&pool, Security::Secure, second, Grain::Pages, 9), Err(NoTables));
    space.recycle(&pool);
    assert_eq!(pool.available(), 3);
    space.prepare(&pool, Security::Secure, second, Grain::Pages, 9).unwrap();
    space.map(&pool, Security::Secure, second, Grain::Pages, Kind::Memory(Rights::ALL));
    assert_eq!(space.translate(&pool, Security::Secure, 0x4020_0000), Some((0x4020_0000, Rights::ALL)));
    assert_eq!(space.translate(&pool, Security::Secure, 0x4000_0000), None);
}

#[test]
fn a_partition_takes_no_more_tables_than_it_may() {
    let pool = TablePool::<16>::new();
    let space = AddressSpace::new(&pool, DEEP).unwrap();
    assert_eq!(space.prepare(&pool, Security::Secure, range(0, 0x400), Grain::Pages, 3), Err(NoTables));
    space.trim(&pool, Security::Secure, range(0, 0x400));
    space.recycle(&pool);
    assert_eq!((space.held(), pool.available()), (0, 14));
    let beyond = range(1 << 39, 1);
    let small = AddressSpace::new(&pool, SHALLOW).unwrap();
    assert_eq!(small.prepare(&pool, Security::Secure, beyond, Grain::Pages, 9), Err(NoTables));
}

proptest! {
    /// Ranges come and go; the trees agree with a list of pages, and nothing is left of them in the end.
    #[test]
    fn trees_agree_with_a_list_of_pages(
        steps in proptest::collection::vec((0_u64..6, 0_u64..4, 0_u64..520, 1_u64..1100, any::<bool>()), 1..24),
    ) {
        let pool = TablePool::<64>::new();
        let space = AddressSpace::new(&pool, DEEP).unwrap();
        let mut mapped: BTreeMap<u64, AddressRange> = BTreeMap::new();
        for (gib, mib, page, pages, blocks) in steps {
            let new = range((gib << 30) + (mib << 21) + (page << 12), pages);
            let grain = if blocks { Grain::Blocks } else { Grain::Pages };
            if let Some(old) = mapped.values().find(|old| old.overlaps(new)).copied() {
                mapped.remove(&old.start());
                space.unmap(&pool, Security::Secure, old);
                space.trim(&pool, Security::Secure, old);
                space.recycle(&pool);
            } else if space.prepare(&pool, Security::Secure, new, grain, 40).is_ok() {
                space.map(&pool, Security::Secure, new, grain, Kind::Memory(READ));
                mapped.insert(new.start(), new);
            } else {
                space.trim(&pool, Security::Secure, new);
                space.recycle(&pool);
            }
            for probe in [new, *mapped.values().next().unwrap_or(&new)] {
                let edges = [probe.start().wrapping_sub(1), probe.start(), probe.end() - 1, probe.end()];
                for address in edges.into_iter().filter(|address| *address < 1 << 48) {
                    let expected = mapped.values().any(|range| range.contains_address(address));
                    let found = space.translate(&pool, Security::Secure, address);
                    prop_assert_eq!(found, expected.then_some((address, READ)), "{:#x}", address);
                }
            }
        }
        for range in mapped.values() {
            space.unmap(&pool, Security::Secure, *range);
            space.trim(&pool, Security::Secure, *range);
        }
        space.recycle(&pool);
        prop_assert_eq!((space.held(), pool.available()), (0, 62));
    }
}
