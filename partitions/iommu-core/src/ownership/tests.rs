// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ownership against a naive model: a list of pages, each with an owner, a bit and a count.

use super::*;
use crate::kept::kept;
use crate::policy::{FORMAT_VERSION, Guard, HypRole};
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use ffa_abi::{Pages, Status};
use proptest::prelude::*;
use std::collections::BTreeMap;

const K4: u64 = 4096;
const M2: u64 = 2 << 20;
const POOL: u64 = 0x9000_0000;
/// A range that begins and ends within blocks: two pages, three blocks, three pages.
const FIRST: Range = Range { base: 0x801f_e000, size: 5 * K4 + 3 * M2 };
/// A range that ends where the first block would go on.
const SECOND: Range = Range { base: 0x9020_0000, size: M2 };

/// Makes owners of pages in the two ranges, with accounts or without.
fn ownership(counts: bool) -> Ownership<'static> {
    let mut policy = Policy { hyp: HypRole::Required, guard: Guard::El2, ..Policy::EMPTY };
    assert_eq!(policy.version, FORMAT_VERSION);
    policy.managed = [FIRST, SECOND].into_iter().collect();
    policy.pool = Range { base: POOL, size: M2 };
    let accounts = crate::service::tests::accounts(&policy);
    Ownership::new(kept(policy), counts.then_some(accounts)).unwrap()
}

fn may(base: u64, size: u64) -> bool {
    ownership(false).check(Client::Host, PhysAddr(base), size).is_some()
}

#[test]
fn managed_memory_up_to_its_last_byte() {
    assert!(may(FIRST.base, FIRST.size));
    assert!(may(FIRST.base + FIRST.size - K4, K4));
    assert!(may(SECOND.base, M2));
    assert_eq!(ownership(false).limit(), SECOND.base + M2);
}

#[test]
fn nothing_that_leaves_it() {
    let end = FIRST.base + FIRST.size;
    for (base, size) in [
        (end - K4, K4 + 1),
        (FIRST.base - K4, 2 * K4),
        (FIRST.base - K4, K4),
        (end, K4),
        (FIRST.base, 0),
        (u64::MAX - K4 + 1, K4),
        (u64::MAX - K4 + 1, 2 * K4),
        (FIRST.base, u64::MAX),
        (FIRST.base, SECOND.base + M2 - FIRST.base),
    ] {
        assert!(!may(base, size), "{base:#x}+{size:#x}");
    }
}

#[test]
fn every_page_has_an_account_of_its_own() {
    let mut policy = Policy::EMPTY;
    policy.managed = [FIRST, SECOND].into_iter().collect();
    assert_eq!((policy.managed_pages(), policy.managed_blocks()), (5 + 3 * 512 + 512, 5 + 1));
    let Accounts { pages, blocks } = crate::service::tests::accounts(&policy);
    for (pages, blocks) in [(&pages[1..], blocks), (pages, &blocks[1..])] {
        assert_eq!(Ownership::new(&policy, Some(Accounts { pages, blocks })).unwrap_err(), TooFewAccounts);
    }
}

#[test]
fn what_is_nobody_s_is_told_apart() {
    let ownership = ownership(true);
    let state = |address| ownership.state(PhysAddr(address));
    let host = PageState { owner: PageOwner::Host, host_access: true, pins: 0 };
    assert_eq!((state(FIRST.base), state(SECOND.base + M2 - 1)), (Some(host), Some(host)));
    assert_eq!(state(POOL), Some(PageState { owner: PageOwner::Pool, host_access: false, pins: 0 }));
    for address in [0, FIRST.base - 1, FIRST.base + FIRST.size, POOL + M2 + M2, u64::MAX] {
        assert_eq!(state(address), None);
    }
}

#[test]
fn moves_have_their_status() {
    let ownership = ownership(true);
    let own = |first, count| {
        let pages = Pages { first: PhysAddr(first), count };
        ownership
            .change(pages, Change::Own(Holder::HYP), &NoFollowers)
            .map_err(|refused| (refused.status, refused.at.0))
    };
    assert_eq!(own(FIRST.base + 1, 1), Err((Status::Misaligned, FIRST.base + 1)));
    assert_eq!(own(FIRST.base, 0), Err((Status::OutOfRange, FIRST.base)));
    assert_eq!(own(FIRST.base, 513), Err((Status::OutOfRange, FIRST.base)));
    assert_eq!(own(FIRST.base, u16::MAX), Err((Status::OutOfRange, FIRST.base)));
    for (first, count) in [(FIRST.base - K4, 2), (FIRST.base + FIRST.size - K4, 2), (POOL, 1), (!0xfff, 2)] {
        assert_eq!(own(first, count), Err((Status::Denied, first)));
    }
    assert_eq!(own(FIRST.base + 7 * K4, 1), Ok(()));
    // The first page that is in the way is named, and nothing is done.
    assert_eq!(own(FIRST.base, 512), Err((Status::Denied, FIRST.base + 7 * K4)));
    assert_eq!(ownership.state(PhysAddr(FIRST.base)).unwrap().owner, PageOwner::Host);
    assert_eq!(ownership.pin(PhysAddr(FIRST.base + 2 * K4), LeafSize::Page4K, 9), Ok(5));
    assert_eq!(own(FIRST.base, 512), Err((Status::Busy, FIRST.base + 2 * K4)));
    assert_eq!(own(FIRST.base, 2), Ok(()));
}

/// What is counted as often as can be is refused, and comes back as often.
#[test]
fn pins_saturate_safely() {
    let ownership = ownership(true);
    let page = PhysAddr(FIRST.base);
    let guest = Holder::guest(3).unwrap();
    let one = Pages { first: page, count: 1 };
    for (most, changes) in [(16383, &[][..]), (14, &[Change::Own(guest), Change::Share(guest)])] {
        for change in changes {
            ownership.change(one, *change, &NoFollowers).unwrap();
        }
        for _ in 0..most {
            assert_eq!(ownership.pin(page, LeafSize::Page4K, 1), Ok(1));
        }
        for _ in 0..3 {
            assert_eq!(ownership.pin(page, LeafSize::Page4K, 1), Err(Refusal::Saturated));
        }
        assert_eq!(ownership.state(page).unwrap().pins, most);
        assert_eq!(
            ownership.change(one, Change::Own(guest), &NoFollowers).unwrap_err().status,
            if changes.is_empty() { Status::Busy } else { Status::Denied }
        );
        ownership.unpin(page, LeafSize::Page4K, 1);
        assert_eq!(ownership.pin(page, LeafSize::Page4K, 1), Ok(1));
        for _ in 0..most {
            ownership.unpin(page, LeafSize::Page4K, 1);
        }
        // One too many, as a table that somebody wrote in may ask for.
        ownership.unpin(page, LeafSize::Page4K, 1);
        assert_eq!(ownership.state(page).unwrap().pins, 0);
    }
    assert_eq!(ownership.change(one, Change::Disown(guest), &NoFollowers), Ok(()));
}

#[test]
fn blocks_are_pinned_whole_or_by_pages() {
    let ownership = ownership(true);
    let block = PhysAddr(0x8020_0000);
    let pin = |leaf, count| ownership.pin(block, leaf, count);
    assert_eq!(pin(LeafSize::Block2M, 9), Err(Refusal::Denied), "beyond what is managed");
    assert_eq!(pin(LeafSize::Block2M, 3), Ok(3));
    let last = Pages { first: PhysAddr(block.0 + M2 - K4), count: 2 };
    let own = || ownership.change(last, Change::Own(Holder::HYP), &NoFollowers);
    assert_eq!(own(), Err(Refused { status: Status::Busy, at: last.first }));
    ownership.unpin(block, LeafSize::Block2M, 1);
    assert_eq!(own(), Err(Refused { status: Status::Busy, at: PhysAddr(block.0 + M2) }));
    ownership.unpin(PhysAddr(block.0 + M2), LeafSize::Block2M, 1);
    assert_eq!(own(), Ok(()));
    assert_eq!(pin(LeafSize::Block2M, 1), Err(Refusal::Denied));
    assert_eq!(pin(LeafSize::Page4K, 512), Ok(511));
    ownership.unpin(block, LeafSize::Page4K, 511);
    assert_eq!(ownership.change(last, Change::Disown(Holder::HYP), &NoFollowers), Ok(()));
    assert_eq!(pin(LeafSize::Block2M, 3), Ok(3));
    // The first two and the last three pages of the range are parts of blocks.
    let edge = PhysAddr(FIRST.base & !(M2 - 1));
    assert_eq!(ownership.pin(edge, LeafSize::Block2M, 1), Err(Refusal::Denied));
}

#[test]
fn a_gigabyte_is_pinned_as_its_blocks() {
    const G: u64 = 1 << 30;
    let mut policy = Policy::EMPTY;
    policy.managed = [Range { base: G, size: 3 * G }].into_iter().collect();
    let ownership = Ownership::new(&policy, Some(crate::service::tests::accounts(&policy))).unwrap();
    assert_eq!((ownership.cost(LeafSize::Block1G), NoPins.cost(LeafSize::Block1G)), (512, 1));
    let one = Pages { first: PhysAddr(2 * G + 77 * K4), count: 1 };
    ownership.change(one, Change::Own(Holder::HYP), &NoFollowers).unwrap();
    assert_eq!(ownership.pin(PhysAddr(G), LeafSize::Block1G, 3), Ok(1));
    assert_eq!(ownership.pin(PhysAddr(2 * G), LeafSize::Block1G, 1), Err(Refusal::Denied));
    let pins = |address| ownership.state(PhysAddr(address)).unwrap().pins;
    assert_eq!([G, 2 * G - K4, 2 * G, 2 * G + M2, 3 * G].map(pins), [1, 1, 0, 0, 0]);
    ownership.unpin(PhysAddr(G), LeafSize::Block1G, 1);
    assert_eq!(pins(G), 0);
}

/// Pages of the model, from two before a block begins on.
const PAGES: u64 = 5 + 3 * 512;

#[derive(Clone, Debug)]
enum Step {
    Change(Change, u64, u16),
    Pin(LeafSize, u64, usize),
    /// Takes back one of the pins that are there.
    Unpin(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Step> {
    let page = prop_oneof![0..PAGES, 0..4_u64, Just(2_u64), Just(514), 500..530_u64];
    let count = prop_oneof![Just(1_u16), 1..20_u16, 500..=513_u16];
    let holder = prop_oneof![Just(Holder::HYP), (0..2_u16).prop_map(|number| Holder::guest(number).unwrap())];
    let change = (holder, 0..6).prop_map(|(holder, kind)| match kind {
        0 => Change::Own(holder),
        1 => Change::Disown(holder),
        2 => Change::Share(holder),
        3 => Change::Unshare(holder),
        4 => Change::Lend,
        _ => Change::Reclaim,
    });
    let leaf = prop_oneof![2 => Just(LeafSize::Page4K), 1 => Just(LeafSize::Block2M)];
    prop_oneof![
        3 => (change, page.clone(), count.clone()).prop_map(|(change, page, count)| Step::Change(change, page, count)),
        2 => (leaf, page, count).prop_map(|(leaf, page, count)| Step::Pin(leaf, page, count.into())),
        2 => any::<prop::sample::Index>().prop_map(Step::Unpin),
    ]
}

/// A page as the model has it: its holder, none for the kernel, whether it is shared, and how often it is mapped.
#[derive(Clone, Copy, Default)]
struct Page {
    holder: Option<Holder>,
    shared: bool,
    pins: u32,
}

#[derive(Default)]
struct Model {
    pages: BTreeMap<u64, Page>,
    pinned: std::vec::Vec<(LeafSize, u64)>,
}

impl Model {
    fn page(&self, page: u64) -> Page {
        self.pages.get(&page).copied().unwrap_or_default()
    }

    /// Returns what a change makes of a page, or why not.
    fn changed(&self, change: Change, page: u64) -> Result<Page, Status> {
        let before = self.page(page);
        let (fits, after) = match change {
            Change::Own(holder) => (before.holder.is_none(), (Some(holder), false)),
            Change::Disown(holder) => (before.holder == Some(holder), (None, false)),
            Change::Share(holder) => (before.holder == Some(holder) && !before.shared, (Some(holder), true)),
            Change::Unshare(holder) => {
                (before.holder == Some(holder) && before.shared, (Some(holder), false))
            }
            Change::Lend => {
                (before.holder == Some(Holder::HYP) && !before.shared, (Some(Holder::POOL), false))
            }
            Change::Reclaim => (before.holder == Some(Holder::POOL), (Some(Holder::HYP), false)),
        };
        match (fits, before.pins) {
            (true, 0) => Ok(Page { holder: after.0, shared: after.1, pins: 0 }),
            (true, _) => Err(Status::Busy),
            (false, _) => Err(Status::Denied),
        }
    }
}

fn address(page: u64) -> u64 {
    FIRST.base + page * K4
}

/// The pages that a leaf maps.
fn pages_of(leaf: LeafSize, page: u64) -> core::ops::Range<u64> {
    page..page + leaf.bytes() / K4
}

fn apply(ownership: &Ownership<'_>, model: &mut Model, step: &Step) {
    match step {
        Step::Change(change, page, count) => {
            let pages = Pages { first: PhysAddr(address(*page)), count: *count };
            let answer = ownership.change(pages, *change, &NoFollowers);
            let all = *page..*page + u64::from(*count);
            if *count > PAGES_PER_MOVE {
                assert_eq!(answer.unwrap_err().status, Status::OutOfRange);
            } else if all.end > PAGES {
                assert_eq!(answer.unwrap_err().status, Status::Denied);
            } else {
                let wanted: Result<std::vec::Vec<_>, _> = all
                    .map(|page| Ok((page, model.changed(*change, page).map_err(|status| (status, page))?)))
                    .collect();
                match (wanted, answer) {
                    (Ok(pages), Ok(())) => model.pages.extend(pages),
                    (Err((status, first)), Err(refused)) => {
                        assert_eq!(refused, Refused { status, at: PhysAddr(address(first)) });
                    }
                    (wanted, answer) => panic!("{:?} but {answer:?}", wanted.err()),
                }
            }
        }
        Step::Pin(leaf, page, count) => {
            // Leaves begin where they can.
            let page = if *leaf == LeafSize::Page4K { *page } else { (*page / 512) * 512 + 2 };
            let answer = ownership.pin(PhysAddr(address(page)), *leaf, *count);
            let size = leaf.bytes() / K4;
            let may = |page: u64| {
                let page = model.page(page);
                page.holder.is_none() || page.shared
            };
            let free =
                (0..*count as u64).take_while(|place| pages_of(*leaf, page + place * size).all(may)).count();
            if page + size * *count as u64 > PAGES || free == 0 {
                assert_eq!(answer, Err(Refusal::Denied));
                return;
            }
            match answer {
                Ok(count) => {
                    assert_eq!(count, free);
                    for place in 0..count as u64 {
                        let first = page + place * size;
                        model.pinned.push((*leaf, first));
                        pages_of(*leaf, first)
                            .for_each(|page| model.pages.entry(page).or_default().pins += 1);
                    }
                }
                Err(refusal) => panic!("{refusal:?}"),
            }
        }
        Step::Unpin(index) => {
            if model.pinned.is_empty() {
                return;
            }
            let (leaf, page) = model.pinned.swap_remove(index.index(model.pinned.len()));
            ownership.unpin(PhysAddr(address(page)), leaf, 1);
            pages_of(leaf, page).for_each(|page| model.pages.entry(page).or_default().pins -= 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]
    #[test]
    fn agrees_with_a_naive_list(steps in proptest::collection::vec(steps(), 1..60)) {
        let ownership = ownership(true);
        let mut model = Model::default();
        for step in &steps {
            apply(&ownership, &mut model, step);
        }
        for page in 0..PAGES {
            let expected = model.page(page);
            let state = PageState {
                owner: expected.holder.map_or(PageOwner::Host, |holder| Account::of_other(holder, false).owner()),
                host_access: expected.holder.is_none() || expected.shared,
                pins: expected.pins,
            };
            prop_assert_eq!(ownership.state(PhysAddr(address(page))), Some(state));
        }
        // What is not mapped can all be taken back: nothing was left closed.
        for (leaf, page) in model.pinned {
            ownership.unpin(PhysAddr(address(page)), leaf, 1);
        }
        for (page, Page { holder, .. }) in model.pages {
            if let Some(holder) = holder {
                let one = Pages { first: PhysAddr(address(page)), count: 1 };
                prop_assert_eq!(ownership.change(one, Change::Disown(holder), &NoFollowers), Ok(()));
            }
        }
        prop_assert_eq!(ownership.pin(PhysAddr(address(2)), LeafSize::Block2M, 3), Ok(3));
    }
}

/// A page that was taken is not mapped at the same time, whichever came first.
#[test]
fn of_a_pin_and_a_move_at_once_one_loses() {
    let ownership = ownership(true);
    let wanted = if cfg!(miri) { 2 } else { 200 };
    // A block is pinned page by page, which takes Miri longer than anybody has patience.
    let cores = if cfg!(miri) { 2..3_u64 } else { 0..3 };
    let over = AtomicBool::new(false);
    let pins = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for core in cores {
            let (ownership, over, pins) = (&ownership, &over, &pins);
            scope.spawn(move || {
                let (leaf, at) = match core {
                    0 => (LeafSize::Block2M, 0x8020_0000),
                    1 => (LeafSize::Block2M, 0x8020_0000 + M2),
                    _ => (LeafSize::Page4K, 0x8020_0000 + M2 - K4),
                };
                while !over.load(SeqCst) {
                    if ownership.pin(PhysAddr(at), leaf, 1).is_ok() {
                        pins.fetch_add(1, SeqCst);
                        let state = ownership.state(PhysAddr(at)).unwrap();
                        assert!(state.owner == PageOwner::Host && state.pins > 0, "{state:?}");
                        ownership.unpin(PhysAddr(at), leaf, 1);
                    }
                    std::thread::yield_now();
                }
            });
        }
        let pages = Pages { first: PhysAddr(0x8020_0000 + M2 - 2 * K4), count: 4 };
        let mut taken = 0;
        while taken < wanted || pins.load(SeqCst) < wanted {
            match ownership.change(pages, Change::Own(Holder::HYP), &NoFollowers) {
                Ok(()) => {
                    taken += 1;
                    for page in 0..4 {
                        let state = ownership.state(PhysAddr(pages.first.0 + page * K4)).unwrap();
                        assert_eq!((state.owner, state.pins), (PageOwner::Hyp, 0));
                    }
                    ownership.change(pages, Change::Disown(Holder::HYP), &NoFollowers).unwrap();
                }
                Err(refused) => assert_eq!(refused.status, Status::Busy),
            }
            std::thread::yield_now();
        }
        over.store(true, SeqCst);
    });
    assert_eq!(ownership.pin(PhysAddr(0x8020_0000), LeafSize::Block2M, 3), Ok(3));
}
