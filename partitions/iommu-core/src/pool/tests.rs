// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pool against a naive model of who owns what.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const BASE: PhysAddr = PhysAddr(0x8000_3000);

fn memory(pages: usize) -> (Vec<Word>, Vec<PageSlot>) {
    let words = (0..pages * ENTRIES).map(|_| Word::new(0xdead_beef)).collect();
    (words, (0..pages).map(|_| PageSlot::new()).collect())
}

fn owner(slot: usize) -> Owner {
    Owner::new(slot).unwrap()
}

const PROOF: Invalidated = Invalidated::never_reachable();

#[test]
fn pages_come_zeroed_even_if_they_were_written_while_free() {
    let (words, slots) = memory(2);
    let pool = Pool::new(&words, BASE, &slots).unwrap();
    let page = pool.allocate(owner(0)).unwrap();
    assert!(pool.words(page).unwrap().iter().all(|word| word.load(Relaxed) == 0));
    pool.free(page, owner(0), PROOF).unwrap();
    words[3].store(7, Relaxed);
    let again = pool.allocate(owner(1)).unwrap();
    assert_eq!(again, page);
    assert!(pool.words(again).unwrap().iter().all(|word| word.load(Relaxed) == 0));
}

#[test]
fn double_free_and_strangers_are_refused() {
    let (words, slots) = memory(2);
    let pool = Pool::new(&words, BASE, &slots).unwrap();
    let page = pool.allocate(owner(0)).unwrap();
    assert_eq!(pool.free(page, owner(1), PROOF), Err(PoolError::NotOwned));
    assert_eq!(pool.free(page, owner(0), PROOF), Ok(Origin::CarveOut));
    assert_eq!(pool.free(page, owner(0), PROOF), Err(PoolError::NotOwned));
    assert_eq!(pool.available(), 2);
}

#[test]
fn reserved_runs_are_aligned_apart_and_never_handed_out() {
    let (words, slots) = memory(16);
    let pool = Pool::new(&words, BASE, &slots).unwrap();
    let one = pool.reserve(4, 4).unwrap();
    assert_eq!(one.base.0 % 0x4000, 0);
    assert_eq!(one.words.len(), 4 * ENTRIES);
    assert!(one.words.iter().all(|word| word.load(Relaxed) == 0));
    let two = pool.reserve(1, 1).unwrap();
    assert_eq!(two.base.0 + PAGE_SIZE, one.base.0);
    let mut seen = 0;
    while let Some(page) = pool.allocate(owner(0)) {
        assert!(pool.address(page).0 < two.base.0);
        seen += 1;
    }
    assert_eq!(seen, usize::try_from((two.base.0 - BASE.0) / PAGE_SIZE).unwrap());
    assert!(pool.reserve(1, 1).is_none());
    assert_eq!(pool.page_of(one.base, owner(0)), None);
}

#[test]
fn memory_that_is_no_pool_is_refused() {
    let (words, slots) = memory(2);
    assert_eq!(Pool::new(&words[1..], BASE, &slots).unwrap_err(), PoolError::Unaligned);
    assert_eq!(Pool::new(&words, PhysAddr(0x800), &slots).unwrap_err(), PoolError::Unaligned);
    assert_eq!(Pool::new(&words, PhysAddr(u64::MAX - 0xfff), &slots).unwrap_err(), PoolError::Unaligned);
    assert_eq!(Pool::new(&words, BASE, &slots[1..]).unwrap_err(), PoolError::TooLarge);
}

proptest! {
    /// Pages are handed out once, found by their address by their owner only, and all come back.
    #[test]
    fn agrees_with_a_naive_model(steps in proptest::collection::vec((0usize..3, 0usize..4, 0usize..8), 0..200)) {
        let (words, slots) = memory(8);
        let pool = Pool::new(&words, BASE, &slots).unwrap();
        let mut model = BTreeMap::new();
        for (action, who, which) in steps {
            match action {
                0 => match pool.allocate(owner(who)) {
                    Some(page) => prop_assert!(model.insert(page.0, who).is_none()),
                    None => prop_assert_eq!(model.len(), 8),
                },
                1 => {
                    let page = Page(u16::try_from(which).unwrap());
                    let expected = model.get(&page.0) == Some(&who);
                    prop_assert_eq!(pool.free(page, owner(who), PROOF).is_ok(), expected);
                    if expected {
                        model.remove(&page.0);
                    }
                }
                _ => {
                    let had_one = model.values().any(|owner| *owner == who);
                    prop_assert_eq!(pool.free_any(owner(who), PROOF).is_some(), had_one);
                    // Which one went is the pool's choice: ask it.
                    model.retain(|page, who| pool.page_of(pool.address(Page(*page)), owner(*who)).is_some());
                }
            }
            prop_assert_eq!(pool.available(), 8 - model.len());
            for page in 0..8 {
                for who in 0..4 {
                    let found = pool.page_of(pool.address(Page(page)), owner(who)).is_some();
                    prop_assert_eq!(found, model.get(&page) == Some(&who));
                }
            }
        }
    }

    #[test]
    fn no_address_is_found_that_is_not_a_page_of_the_owner(address: u64) {
        let (words, slots) = memory(4);
        let pool = Pool::new(&words, BASE, &slots).unwrap();
        prop_assert_eq!(pool.page_of(PhysAddr(address), owner(0)), None);
        prop_assert_eq!(pool.page_of(PhysAddr(BASE.0 + address % 0x8000), owner(0)), None);
    }
}
