// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lists that keep their order, and the search for overlaps against a naive one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn range(page: u64, pages: u64) -> AddressRange {
    AddressRange::from_pages(page * PAGE_SIZE, pages).unwrap()
}

fn constituents() -> Box<Constituents> {
    Box::new(Constituents::new())
}

fn list(constituents: &mut Constituents, share: u16, ranges: &[(u64, u64)]) -> List {
    let mut list = List::EMPTY;
    for &(page, pages) in ranges {
        constituents.push(&mut list, share, range(page, pages)).unwrap();
    }
    list
}

#[test]
fn a_list_keeps_its_order() {
    let mut constituents = constituents();
    let list = list(&mut constituents, 0, &[(9, 1), (2, 3), (5, 1)]);
    let ranges: Vec<_> = constituents.ranges(list).collect();
    assert_eq!(ranges, [range(9, 1), range(2, 3), range(5, 1)]);
    assert_eq!(list.len(), 3);
}

#[test]
fn overlaps_are_found_whatever_the_order() {
    let mut constituents = constituents();
    for ranges in [[(9, 2), (2, 3), (10, 1)], [(2, 3), (4, 2), (9, 1)], [(5, 1), (5, 1), (1, 1)]] {
        let twice = list(&mut constituents, 0, &ranges);
        assert_eq!(constituents.claim(twice), Err(Overlap::Within));
    }
    let first = list(&mut constituents, 1, &[(20, 2), (10, 2)]);
    constituents.claim(first).unwrap();
    for ranges in [[(11, 1)], [(9, 2)], [(8, 20)], [(21, 5)]] {
        let second = list(&mut constituents, 2, &ranges);
        assert_eq!(constituents.claim(second), Err(Overlap::WithOther), "{ranges:?}");
    }
    let between = list(&mut constituents, 3, &[(22, 1), (12, 8), (9, 1)]);
    constituents.claim(between).unwrap();
    constituents.unclaim(1);
    assert!(!constituents.overlaps(range(10, 2)) && constituents.overlaps(range(12, 1)));
}

#[test]
fn all_places_can_be_used_again() {
    let mut constituents = constituents();
    for round in 0..3 {
        let mut list = List::EMPTY;
        for page in (0..MAX_CONSTITUENTS as u64).rev() {
            constituents.push(&mut list, round, range(2 * page, 1)).unwrap();
        }
        assert_eq!(constituents.push(&mut list, round, range(1, 1)), Err(NoRoom));
        constituents.claim(list).unwrap();
        constituents.unclaim(round);
        constituents.release(&mut list);
    }
}

proptest! {
    /// Against a list of transactions that is searched page by page.
    #[test]
    fn agrees_with_a_naive_list(
        steps in proptest::collection::vec(
            (0_u16..8, proptest::collection::vec((0_u64..120, 1_u64..4), 1..8)), 1..40,
        ),
    ) {
        let mut constituents = constituents();
        let mut model: BTreeMap<u16, (List, Vec<(u64, u64)>)> = BTreeMap::new();
        for (share, ranges) in steps {
            if let Some((mut list, _)) = model.remove(&share) {
                constituents.unclaim(share);
                constituents.release(&mut list);
                continue;
            }
            let mut list = list(&mut constituents, share, &ranges);
            let pages = |ranges: &[(u64, u64)]| -> Vec<u64> {
                ranges.iter().flat_map(|&(page, pages)| page..page + pages).collect()
            };
            let new = pages(&ranges);
            let mut distinct = new.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let taken: Vec<u64> = model.values().flat_map(|(_, ranges)| pages(ranges)).collect();
            let sound = distinct.len() == new.len() && !new.iter().any(|page| taken.contains(page));
            prop_assert_eq!(constituents.claim(list).is_ok(), sound);
            if sound {
                model.insert(share, (list, ranges));
            } else {
                constituents.release(&mut list);
            }
            for page in 0..125 {
                let held = model.values().any(|(_, ranges)| pages(ranges).contains(&page));
                prop_assert_eq!(constituents.overlaps(range(page, 1)), held);
            }
        }
    }
}
