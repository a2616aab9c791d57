// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages that the hypervisor takes from the kernel, seen by the kernel's devices.

use super::roles::{hyp, with_hyp, with_hyp_at};
use super::*;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use ffa_abi::{HypRequest, PageOwner, PageState, Pages};

const AT: u64 = 0x1000_0000;
const GUEST: PageOwner = PageOwner::Guest(7);

/// A machine on which the hypervisor is there, and a domain of the kernel's with a device in it.
fn claimed() -> (Machine, DomainHandle) {
    let machine = with_hyp();
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    (machine, domain)
}

fn pages(first: u64, count: u16) -> Pages {
    Pages { first: PhysAddr(first), count }
}

/// Returns status and x4.
fn ask(machine: &Machine, request: HypRequest) -> (Status, u64) {
    let response = hyp(machine, KEY, request);
    (response.status, response.values[0])
}

fn state(machine: &Machine, address: u64) -> PageState {
    let values = hyp(machine, KEY, HypRequest::PageState(PhysAddr(address))).values;
    PageState::from_registers([values[0], values[1]]).unwrap()
}

fn own(machine: &Machine, first: u64, count: u16) -> (Status, u64) {
    ask(machine, HypRequest::Own(pages(first, count), GUEST))
}

fn disown(machine: &Machine, first: u64, count: u16) -> (Status, u64) {
    ask(machine, HypRequest::Disown(pages(first, count), GUEST))
}

#[test]
fn a_page_that_was_taken_is_out_of_reach_and_comes_back() {
    let (machine, domain) = claimed();
    let dma = || machine.smmus[0].dma(EDU, AT, true);
    for owner in [GUEST, PageOwner::Hyp, PageOwner::Guest(0), PageOwner::Guest(253)] {
        assert_eq!(machine.map(domain, AT, RAM, K4, BOTH), (Status::Ok, K4));
        assert_eq!(dma(), Some(RAM));
        // While a device can reach it, it is not taken.
        let take = || ask(&machine, HypRequest::Own(pages(RAM, 1), owner));
        assert_eq!(take(), (Status::Busy, RAM));
        assert_eq!(state(&machine, RAM), PageState { owner: PageOwner::Host, host_access: true, pins: 1 });
        assert_eq!(machine.unmap(domain, AT, K4), (Status::Ok, K4));
        assert_eq!(take(), (Status::Ok, 0));
        assert_eq!(state(&machine, RAM + 5), PageState { owner, host_access: false, pins: 0 });
        assert_eq!(machine.map(domain, AT, RAM, K4, READ), (Status::Denied, 0));
        assert_eq!(dma(), None);
        assert_eq!(take(), (Status::Denied, RAM), "it is taken already");
        let give = |owner| ask(&machine, HypRequest::Disown(pages(RAM, 1), owner));
        assert_eq!(give(PageOwner::Guest(100)), (Status::Denied, RAM));
        assert_eq!(give(owner), (Status::Ok, 0));
        assert_eq!(give(owner), (Status::Denied, RAM));
    }
    assert_eq!(machine.map(domain, AT, RAM, K4, BOTH), (Status::Ok, K4));
    assert_eq!(dma(), Some(RAM));
}

#[test]
fn a_guest_shares_a_page_and_takes_it_back() {
    let (machine, domain) = claimed();
    let share = || ask(&machine, HypRequest::Share(pages(RAM, 2), GUEST));
    let unshare = || ask(&machine, HypRequest::Unshare(pages(RAM, 2), GUEST));
    assert_eq!(share(), (Status::Denied, RAM), "a page of the kernel's is nobody's to share");
    assert_eq!(own(&machine, RAM, 2), (Status::Ok, 0));
    assert_eq!(machine.map(domain, AT, RAM + K4, K4, BOTH), (Status::Denied, 0));
    assert_eq!(share(), (Status::Ok, 0));
    assert_eq!(state(&machine, RAM), PageState { owner: GUEST, host_access: true, pins: 0 });
    assert_eq!(machine.map(domain, AT, RAM + K4, K4, BOTH), (Status::Ok, K4));
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), Some(RAM + K4));
    assert_eq!(unshare(), (Status::Busy, RAM + K4));
    assert_eq!(disown(&machine, RAM, 2), (Status::Busy, RAM + K4));
    assert_eq!(machine.unmap(domain, AT, K4), (Status::Ok, K4));
    assert_eq!(unshare(), (Status::Ok, 0));
    assert_eq!(machine.map(domain, AT, RAM + K4, K4, BOTH), (Status::Denied, 0));
    assert_eq!(disown(&machine, RAM, 2), (Status::Ok, 0));
    assert_eq!(machine.map(domain, AT, RAM + K4, K4, BOTH), (Status::Ok, K4));
}

/// A long range is taken by many calls; where one is refused, those before it are undone.
#[test]
fn a_long_range_is_taken_by_a_sequence_that_can_be_undone() {
    let (machine, domain) = claimed();
    let in_the_way = RAM + 3 * M2 + 17 * K4;
    assert_eq!(machine.map(domain, AT, in_the_way, K4, BOTH), (Status::Ok, K4));
    let chunks = |from: u64| (0..5).map(move |chunk| from + chunk * M2);
    let taken: std::vec::Vec<_> =
        chunks(RAM).take_while(|first| own(&machine, *first, 512) == (Status::Ok, 0)).collect();
    assert_eq!(taken.len(), 3);
    assert_eq!(own(&machine, RAM + 3 * M2, 512), (Status::Busy, in_the_way));
    for first in taken {
        assert_eq!(disown(&machine, first, 512), (Status::Ok, 0));
    }
    // All is as it was: by blocks too.
    assert_eq!(machine.map(domain, AT + M2, RAM, 3 * M2, BOTH), (Status::Ok, 3 * M2));
    assert_eq!(machine.unmap(domain, AT + M2, 3 * M2), (Status::Ok, 3 * M2));
    assert_eq!(machine.unmap(domain, AT, K4), (Status::Ok, K4));
    for first in chunks(RAM + K4) {
        assert_eq!(own(&machine, first, 512), (Status::Ok, 0), "blocks need not begin where a move does");
    }
    assert_eq!(machine.map(domain, AT, RAM, 6 * M2, BOTH), (Status::Ok, K4), "up to the first that is taken");
    assert_eq!(machine.map(domain, AT + M2, RAM + 5 * M2 + K4, M2, BOTH), (Status::Ok, M2));
}

#[test]
fn whatever_a_mapping_is_made_of_its_memory_is_held_until_it_is_gone() {
    let (machine, domain) = claimed();
    // Pages, a block, a whole table, and all of them.
    for (pa, size) in [(RAM, 3 * K4), (RAM, M2), (RAM + K4, M2), (RAM, 2 * M2 + 3 * K4)] {
        let mut done = 0;
        while done < size {
            let (status, bytes) = machine.map(domain, AT + done, pa + done, size - done, BOTH);
            assert_eq!(status, Status::Ok);
            done += bytes;
        }
        for offset in [0, (size / 2) & !(K4 - 1), size - K4] {
            assert_eq!(
                own(&machine, pa + offset, 1),
                (Status::Busy, pa + offset),
                "{offset:#x} of {size:#x}"
            );
        }
        let mut done = 0;
        while done < size {
            let (status, bytes) = machine.unmap(domain, AT + done, size - done);
            assert_eq!(status, Status::Ok);
            done += bytes;
        }
        for offset in (0..size).step_by(4096) {
            assert_eq!(own(&machine, pa + offset, 1), (Status::Ok, 0));
            assert_eq!(disown(&machine, pa + offset, 1), (Status::Ok, 0));
        }
    }
}

#[test]
fn memory_of_a_domain_is_held_until_the_domain_is_free() {
    let (machine, domain) = claimed();
    assert_eq!(machine.map(domain, AT, RAM, M2, BOTH), (Status::Ok, M2));
    assert_eq!(machine.map(domain, AT + M2, RAM + K4, M2, BOTH), (Status::Ok, M2));
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(own(&machine, RAM + M2, 1), (Status::Busy, RAM + M2));
    let mut calls = 0;
    while machine.status(Request::DomainFree(domain)) == Status::Again {
        calls += 1;
    }
    assert!((1..200).contains(&calls), "{calls} calls");
    assert_eq!(machine.pool.available(), POOL_PAGES);
    assert_eq!((own(&machine, RAM, 512), own(&machine, RAM + M2, 512)), ((Status::Ok, 0), (Status::Ok, 0)));
}

/// The pin goes when SMMUs have forgotten the mapping, not when the mapping goes.
#[test]
fn a_page_is_not_taken_while_an_smmu_may_still_know_it() {
    for (pa, size) in [(RAM, K4), (RAM, M2), (RAM + K4, M2)] {
        let (machine, domain) = claimed();
        let machine: &'static Machine = kept(machine);
        let smmu = &machine.smmus[0];
        assert_eq!(machine.map(domain, AT, pa, size, BOTH), (Status::Ok, size));
        assert_eq!(smmu.dma(EDU, AT, true), Some(pa));
        smmu.during_invalidation(move || {
            assert_eq!(smmu.dma(EDU, AT, true), Some(pa));
            assert_eq!(own(machine, pa, 1), (Status::Busy, pa));
        });
        assert_eq!(machine.unmap(domain, AT, size), (Status::Ok, size));
        assert_eq!(own(machine, pa, 1), (Status::Ok, 0));
        assert_eq!(smmu.dma(EDU, AT, true), None);
    }
}

#[test]
fn memory_that_a_failed_smmu_may_know_is_never_taken() {
    let (machine, domain) = claimed();
    assert_eq!(machine.map(domain, AT, RAM, 2 * K4, BOTH), (Status::Ok, 2 * K4));
    machine.smmus[0].fail_after(0);
    assert_eq!(machine.unmap(domain, AT, K4), (Status::Hardware, 0));
    assert_eq!(own(&machine, RAM, 2), (Status::Busy, RAM));
    assert_eq!(own(&machine, RAM + K4, 1), (Status::Busy, RAM + K4));
}

#[test]
fn a_page_is_mapped_only_so_often() {
    let (machine, domain) = claimed();
    let count = 16383;
    for place in 0..count {
        assert_eq!(machine.map(domain, AT + place * K4, RAM, K4, READ), (Status::Ok, K4));
    }
    assert_eq!(machine.map(domain, AT + count * K4, RAM, K4, READ), (Status::Saturated, 0));
    assert_eq!(machine.map(domain, AT + count * K4, RAM + K4, K4, READ), (Status::Ok, K4));
    assert_eq!(machine.unmap(domain, AT, K4), (Status::Ok, K4));
    assert_eq!(machine.map(domain, AT, RAM, K4, READ), (Status::Ok, K4));
}

#[test]
fn what_a_hypervisor_cannot_ask_for_has_its_status() {
    let (machine, _) = claimed();
    let one = pages(RAM, 1);
    for owner in [PageOwner::Host, PageOwner::Pool, PageOwner::Guest(254)] {
        for request in [
            HypRequest::Own(one, owner),
            HypRequest::Disown(one, owner),
            HypRequest::Share(one, owner),
            HypRequest::Unshare(one, owner),
        ] {
            assert_eq!(ask(&machine, request), (Status::InvalidParameters, 0));
        }
    }
    for address in [POOL_BASE, 0x5000_0000, 0, RAM + RAM_SIZE, !0xfff] {
        assert_eq!(own(&machine, address, 1), (Status::Denied, address));
    }
    assert_eq!(own(&machine, RAM + 8, 1), (Status::Misaligned, RAM + 8));
    assert_eq!(own(&machine, RAM, 0), (Status::OutOfRange, RAM));
    assert_eq!(own(&machine, RAM, 513), (Status::OutOfRange, RAM));
    assert_eq!(ask(&machine, HypRequest::PageState(PhysAddr(0))), (Status::Denied, 0));
    assert_eq!(state(&machine, POOL_BASE).owner, PageOwner::Pool);
    let values = machine.ask(Request::Features).values;
    let limits = Limits::from_registers([values[1], values[2], values[3]]).unwrap();
    assert_eq!((limits.pages_per_move, limits.guests), (512, 254));
}

/// Where nobody keeps the normal world from the tables, a guest would only seem protected.
#[test]
fn without_a_guard_nothing_is_a_guest_s() {
    let machine = with_hyp_at(Guard::Nobody);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    assert_eq!(own(&machine, RAM, 1), (Status::Denied, 0));
    let values = machine.ask(Request::Features).values;
    let limits = Limits::from_registers([values[1], values[2], values[3]]).unwrap();
    assert_eq!((limits.pages_per_move, limits.guests), (512, 0));
    assert_eq!(ask(&machine, HypRequest::Own(pages(RAM, 1), PageOwner::Hyp)), (Status::Ok, 0));
}

#[test]
fn without_the_key_no_page_moves() {
    let (machine, _) = claimed();
    for key in [[0, 0], [KEY[0], KEY[0]], [KEY[1], KEY[0]]] {
        for request in [HypRequest::Own(pages(RAM, 1), GUEST), HypRequest::PageState(PhysAddr(RAM))] {
            assert_eq!(hyp(&machine, key, request), Response::status(Status::WrongKey));
        }
    }
    assert_eq!(state(&machine, RAM).owner, PageOwner::Host);
}

/// Times that pages are taken, and that they are mapped, at least.
const TAKEN: u32 = if cfg!(miri) { 1 } else { 200 };

/// Ends the work of others when it is dropped, also by a failed assertion.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A kernel that maps and unmaps from two cores while the hypervisor takes the same pages: what is taken, no device reaches.
#[test]
fn pages_are_taken_while_cores_map_them() {
    let (machine, domain) = claimed();
    // How often it finds all unmapped is the host's choice: it tries until it has often enough.
    let (working, mapped) = (AtomicBool::new(true), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for core in 0..2_u64 {
            let (machine, working, mapped) = (&machine, &working, &mapped);
            scope.spawn(move || {
                while working.load(Ordering::Relaxed) {
                    let at = AT + core * 2 * M2;
                    let (status, bytes) = machine.map(domain, at, RAM, M2, BOTH);
                    assert!(matches!(status, Status::Ok | Status::Denied | Status::Busy), "{status:?}");
                    mapped.fetch_add(u32::from(bytes > 0), Ordering::Relaxed);
                    let mut done = 0;
                    while done < bytes {
                        let (status, bytes) = machine.unmap(domain, at + done, bytes - done);
                        assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
                        done += bytes;
                    }
                    std::thread::yield_now();
                }
            });
        }
        let _end = Ends(&working);
        let mut taken = 0;
        for round in 0.. {
            assert!(round < 10_000_000, "taken {taken} times, mapped {mapped:?} times");
            let first = RAM + round % 64 * K4;
            if own(&machine, first, 8) == (Status::Ok, 0) {
                taken += 1;
                for core in 0..2 {
                    for offset in (0..M2).step_by(4096) {
                        let reached = machine.smmus[0].dma(EDU, AT + core * 2 * M2 + offset, true);
                        assert!(reached.is_none_or(|pa| !(first..first + 8 * K4).contains(&pa)));
                    }
                }
                assert_eq!(disown(&machine, first, 8), (Status::Ok, 0));
            }
            if taken >= TAKEN && mapped.load(Ordering::Relaxed) >= TAKEN {
                break;
            }
        }
    });
    assert_eq!(own(&machine, RAM, 512), (Status::Ok, 0), "every pin came back");
}
