// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages that the hypervisor takes from under devices that see all of the kernel's memory, with SMMUs of each level of block
//! changes.

use super::identity::for_identity;
use super::roles::hyp;
use super::*;
use crate::smmu::BlockChanges;
use ffa_abi::{HypRequest, PageOwner, PageState, Pages};
use std::collections::BTreeMap;

const LEVELS: [BlockChanges; 3] = [BlockChanges::BreakFirst, BlockChanges::Marked, BlockChanges::Free];
const GUEST: PageOwner = PageOwner::Guest(3);
/// Pages for the tables of all managed memory, and some more.
const PAGES: usize = 200;

fn moving() -> Policy {
    let accounts = Some(Range { base: 0x2000_0000, size: 0x10_0000 });
    Policy { hyp: HypRole::Required, guard: Guard::El2, accounts, ..for_identity() }
}

/// A machine with a hypervisor, whose SMMUs change blocks in this way; both devices are set to identity.
fn with_hyp(level: BlockChanges) -> Machine {
    let machine = Machine::with_smmus(moving(), PAGES, |smmu| smmu.features.block_changes = level);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    for smmu in 0..2 {
        assert_eq!(machine.set(smmu, EDU, DeviceState::Identity), Status::Ok);
    }
    machine
}

fn ask(machine: &Machine, request: HypRequest) -> (Status, u64) {
    let response = hyp(machine, KEY, request);
    (response.status, response.values[0])
}

fn pages(first: u64, count: u16) -> Pages {
    Pages { first: PhysAddr(first), count }
}

fn own(machine: &Machine, first: u64, count: u16) -> (Status, u64) {
    ask(machine, HypRequest::Own(pages(first, count), GUEST))
}

fn disown(machine: &Machine, first: u64, count: u16) -> (Status, u64) {
    ask(machine, HypRequest::Disown(pages(first, count), GUEST))
}

/// Tells whether devices behind both SMMUs reach a page, and requires that they agree.
fn reached(machine: &Machine, page: u64) -> bool {
    let [one, other] = [0, 1].map(|smmu| machine.smmus[smmu].dma(EDU, page + 8, true));
    assert_eq!(one, other);
    assert!(one.is_none_or(|pa| pa == page + 8));
    one.is_some()
}

#[test]
fn a_page_that_is_taken_leaves_identity_and_comes_back() {
    for level in LEVELS {
        let machine = with_hyp(level);
        let page = RAM + 5 * M2 + 17 * K4;
        let beside = [page - K4, page + K4, RAM + 5 * M2, RAM + 6 * M2 - K4, RAM];
        // SMMUs know it, as what they know it as.
        assert!(reached(&machine, page) && beside.iter().all(|page| reached(&machine, *page)));
        for _ in 0..3 {
            assert_eq!(own(&machine, page, 1), (Status::Ok, 0), "identity is no pin");
            assert!(!reached(&machine, page), "{level:?}");
            assert!(beside.iter().all(|page| reached(&machine, *page)), "{level:?}");
            assert_eq!(disown(&machine, page, 1), (Status::Ok, 0));
            assert!(reached(&machine, page));
        }
    }
}

/// A device that strikes between the steps of a split: it gets through, and its SMMU has no block cached when there are pages.
#[test]
fn a_block_is_split_under_a_device_that_does_not_stop() {
    for level in [BlockChanges::Marked, BlockChanges::Free] {
        let machine: &'static Machine = kept(with_hyp(level));
        let (page, beside) = (RAM + 5 * M2 + 17 * K4, RAM + 5 * M2);
        assert!(reached(machine, beside));
        machine.smmus[0].after_invalidation(move || assert!(reached(machine, beside)));
        assert_eq!(own(machine, page, 1), (Status::Ok, 0));
        assert!(reached(machine, beside) && reached(machine, page + K4) && !reached(machine, page));
    }
}

#[test]
fn what_a_guest_shares_is_in_identity_while_it_is_shared() {
    for level in LEVELS {
        let machine = with_hyp(level);
        for (first, count) in [(RAM + 3 * K4, 2), (RAM + M2, 512), (RAM + 3 * M2 - K4, 300)] {
            let share = || ask(&machine, HypRequest::Share(pages(first, count), GUEST));
            let unshare = || ask(&machine, HypRequest::Unshare(pages(first, count), GUEST));
            let all = || [0, u64::from(count) - 1].map(|page| reached(&machine, first + page * K4));
            assert_eq!(own(&machine, first, count), (Status::Ok, 0));
            for _ in 0..2 {
                assert_eq!(all(), [false; 2]);
                assert_eq!(share(), (Status::Ok, 0));
                assert_eq!(all(), [true; 2]);
                assert_eq!(unshare(), (Status::Ok, 0));
            }
            assert_eq!(share(), (Status::Ok, 0));
            assert_eq!(disown(&machine, first, count), (Status::Ok, 0), "also what is shared");
            assert_eq!(all(), [true; 2]);
        }
    }
}

#[test]
fn a_move_that_is_refused_takes_nothing_out() {
    for level in LEVELS {
        let machine = with_hyp(level);
        let domain = machine.alloc(0);
        let pinned = RAM + M2 + 9 * K4;
        assert_eq!(machine.map(domain, WINDOW.base, pinned, K4, BOTH), (Status::Ok, K4));
        assert_eq!(own(&machine, RAM + M2 - 3 * K4, 400), (Status::Busy, pinned));
        for page in (0..400).map(|page| RAM + M2 - 3 * K4 + page * K4) {
            assert!(reached(&machine, page), "{page:#x}");
        }
    }
}

/// An SMMU that cannot be had to forget a page keeps it with the kernel; devices behind others go on.
#[test]
fn a_page_that_an_smmu_may_still_know_does_not_move() {
    for level in LEVELS {
        let machine = with_hyp(level);
        let page = RAM + 7 * K4;
        assert!(reached(&machine, page));
        machine.smmus[1].fail_after(0);
        for _ in 0..2 {
            assert_eq!(own(&machine, page, 1), (Status::Hardware, page));
            let values = hyp(&machine, KEY, HypRequest::PageState(PhysAddr(page))).values;
            let state = PageState::from_registers([values[0], values[1]]).unwrap();
            assert_eq!(state, PageState { owner: PageOwner::Host, host_access: true, pins: 0 });
            assert_eq!(machine.smmus[0].dma(EDU, page, true), Some(page));
        }
    }
}

/// An SMMU that knows nothing of identity any more has nothing to forget: that it fails then keeps no page from anybody.
#[test]
fn an_smmu_whose_devices_have_left_identity_is_not_asked() {
    let machine = with_hyp(BlockChanges::Free);
    assert!(reached(&machine, RAM));
    machine.smmus[0].fail();
    assert_eq!(own(&machine, RAM, 1), (Status::Hardware, RAM), "its device may reach it still");
    machine.smmus[0].can_be_rebuilt(0);
    let check = Request::SmmuCheck { smmu: SmmuIndex(0), hint: ffa_abi::PowerHint::None };
    assert_eq!(machine.status(check), Status::Ok);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    machine.smmus[0].fail_after(0);
    assert_eq!(own(&machine, RAM, 1), (Status::Ok, 0));
    assert_eq!(machine.smmus[1].dma(EDU, RAM, true), None);
    // It comes back, and finds the page gone.
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Hardware);
    assert_eq!(own(&machine, RAM + K4, 1), (Status::Hardware, RAM + K4), "it may know identity from here on");
    assert_eq!(machine.smmus[1].dma(EDU, RAM + K4, true), Some(RAM + K4));
    machine.smmus[0].can_be_rebuilt(0);
    assert_eq!(machine.status(check), Status::Ok);
    assert_eq!(machine.set(0, EDU, DeviceState::Identity), Status::Ok);
    assert!(!reached(&machine, RAM) && reached(&machine, RAM + K4));
}

/// A page that cannot move is not taken away for a moment: devices behind other SMMUs go on.
#[test]
fn nothing_is_taken_out_where_an_smmu_has_failed() {
    for level in LEVELS {
        let machine: &'static Machine = kept(with_hyp(level));
        let page = RAM + 7 * K4;
        assert!(reached(machine, page));
        machine.smmus[0].fail();
        machine.smmus[1].after_invalidation(move || {
            assert_eq!(machine.smmus[1].dma(EDU, page, true), Some(page), "{level:?}");
        });
        let before = machine.smmus[1].invalidations();
        assert_eq!(own(machine, page, 1), (Status::Hardware, page));
        assert_eq!(machine.smmus[1].invalidations(), before, "{level:?}");
        assert_eq!(machine.smmus[1].dma(EDU, page, true), Some(page));
    }
}

/// Tables for splits are set aside: what the kernel maps does not use them up.
#[test]
fn a_kernel_that_uses_its_share_up_cannot_keep_a_page() {
    let machine = with_hyp(BlockChanges::Free);
    let domain = machine.alloc(0);
    let mut at = WINDOW.base;
    while machine.map(domain, at, RAM + RAM_SIZE - K4, K4, READ).0 == Status::Ok {
        at += M2;
    }
    assert_eq!(machine.map(domain, at, RAM + RAM_SIZE - K4, K4, READ).0, Status::NoMemory);
    for block in 0..RAM_SIZE / M2 {
        let page = RAM + block * M2 + K4;
        assert_eq!(own(&machine, page, 1), (Status::Ok, 0));
        assert!(!reached(&machine, page) && reached(&machine, page + K4));
    }
    assert_eq!(machine.pool.available(), 0);
}

/// Which SMMUs have to forget is who has had a device there; one that has none yet finds the table as it is.
#[test]
fn an_smmu_that_comes_later_finds_what_was_taken_gone() {
    let machine = Machine::of(moving(), PAGES);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    assert_eq!(own(&machine, RAM, 3), (Status::Ok, 0));
    assert_eq!(machine.smmus[0].invalidations() + machine.smmus[1].invalidations(), 0);
    for smmu in 0..2 {
        assert_eq!(machine.set(smmu, EDU, DeviceState::Identity), Status::Ok);
    }
    assert!(!reached(&machine, RAM + 2 * K4) && reached(&machine, RAM + 3 * K4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 24 }))]

    /// Whatever moves, devices reach what the kernel may use and nothing else, whatever SMMUs have cached before.
    #[test]
    fn identity_is_what_the_kernel_may_use(
        level in 0usize..3,
        steps in proptest::collection::vec((0usize..4, 0u64..1200, 0usize..5, 0u64..1200), 1..40),
    ) {
        let machine = with_hyp(LEVELS[level]);
        // By page: whether the kernel may use it; those that are not here are its own.
        let mut taken = BTreeMap::new();
        for (action, first, count, seen) in steps {
            let count = [1, 2, 100, 512, 511][count];
            let range = pages(RAM + first * K4, count);
            let request = [HypRequest::Own, HypRequest::Disown, HypRequest::Share, HypRequest::Unshare][action](range, GUEST);
            let status = ask(&machine, request).0;
            let all = first..first + u64::from(count);
            let allowed = all.clone().all(|page| {
                taken.get(&page).copied() == [None, taken.get(&page).copied(), Some(false), Some(true)][action]
                    && (action == 0 || taken.contains_key(&page))
            });
            prop_assert_eq!(status, if allowed { Status::Ok } else { Status::Denied });
            for page in all.clone().filter(|_| allowed) {
                match action {
                    0 | 3 => taken.insert(page, false),
                    1 => taken.remove(&page),
                    _ => taken.insert(page, true),
                };
            }
            for page in [seen, first, first + u64::from(count) - 1, first.saturating_sub(1), first + u64::from(count)] {
                let wanted = taken.get(&page).copied().unwrap_or(true);
                prop_assert_eq!(reached(&machine, RAM + page * K4), wanted, "page {}", page);
            }
        }
    }
}
