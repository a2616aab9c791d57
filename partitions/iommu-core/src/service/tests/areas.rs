// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Areas: which memory becomes one, and when it is its owner's again.

use super::rings::{Client, RING, open};
use super::roles::{hyp, with_hyp};
use super::*;
use crate::shared::MAX_AREA_PAGES;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use ffa_abi::ring::Doorbell;
use ffa_abi::{AreaHandle, HypRequest, PageOwner, Pages};

#[test]
fn memory_is_the_clients_again_when_the_area_is_closed() {
    let client = Client::new();
    let Client { machine, area, .. } = &client;
    assert!(!machine.shared.reclaim(1));
    assert_eq!(open(machine, 1), Err(Status::Denied), "it is retrieved");
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::Ok);
    assert_eq!(machine.shared.mapped(), 0);
    assert!(machine.shared.reclaim(1));
    let bell = Request::Doorbell(Doorbell { area: *area, first: 0, slots: 1 });
    assert_eq!(machine.status(bell), Status::InvalidHandle);
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::InvalidHandle);
    // The place is used again, under another handle.
    machine.shared.share(2, &[RING]);
    let next = open(machine, 2).unwrap();
    assert_eq!((next.place(), next == *area), (area.place(), false));
    assert_eq!(machine.status(bell), Status::InvalidHandle);
    assert_eq!(open(machine, 77), Err(Status::Denied));
    assert_eq!(
        machine.status(Request::AreaClose(AreaHandle::new(MAX_AREAS, 1).unwrap())),
        Status::InvalidHandle
    );
}

#[test]
fn areas_are_of_memory_that_may_be_mapped_only() {
    let machine = Machine::new();
    let bad = [POOL_BASE, 0x5000_0000, RAM - K4, RAM + RAM_SIZE, 0];
    for (handle, page) in (10..).zip(bad) {
        for (handle, pages) in [(handle, vec![page]), (handle + 100, vec![RAM, page, RAM + K4])] {
            machine.shared.share(handle, &pages);
            assert_eq!(open(&machine, handle), Err(Status::Denied), "{page:#x}");
            assert_eq!(machine.shared.mapped(), 0);
            assert!(machine.shared.reclaim(handle), "it was relinquished");
        }
    }
    machine.shared.share(1, &[RAM; MAX_AREA_PAGES + 1]);
    assert_eq!(open(&machine, 1), Err(Status::OutOfRange));
    // As many as there are places, and no more.
    for handle in 200..200 + MAX_AREAS as u64 {
        machine.shared.share(handle, &[RING]);
        open(&machine, handle).unwrap();
    }
    machine.shared.share(300, &[RING]);
    assert_eq!(open(&machine, 300), Err(Status::NoMemory));
    assert!(machine.shared.reclaim(300));
}

/// Takes or gives back a page of a machine's, and returns how that went.
fn take(machine: &Machine, page: u64) -> Status {
    hyp(machine, KEY, HypRequest::Own(Pages { first: PhysAddr(page), count: 1 }, PageOwner::Guest(7))).status
}

#[test]
fn pages_of_an_area_do_not_move_until_it_is_closed() {
    let machine = with_hyp();
    machine.shared.share(9, &[RAM]);
    assert_eq!(open(&machine, 9), Err(Status::NotReady));
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let client = Client::on(machine);
    let Client { machine, area, .. } = &client;
    for page in [RING, RING + K4, RING + 2 * K4, RING + 7 * K4] {
        assert_eq!(take(machine, page), Status::Busy);
    }
    // While the manager does not take them back, they stay.
    machine.shared.refuse(2);
    for _ in 0..2 {
        assert_eq!(machine.status(Request::AreaClose(*area)), Status::Denied);
        assert_eq!((take(machine, RING), machine.shared.mapped()), (Status::Busy, 0));
        let bell = Request::Doorbell(Doorbell { area: *area, first: 0, slots: 1 });
        assert_eq!(machine.status(bell), Status::InvalidHandle);
    }
    assert_eq!(machine.status(Request::AreaClose(*area)), Status::Ok);
    assert!(machine.shared.reclaim(1));
    assert_eq!(take(machine, RING), Status::Ok);
    // A guest's page is no area's, and the pages before it are free again.
    machine.shared.share(10, &[RING + K4, RING]);
    assert_eq!(open(machine, 10), Err(Status::Denied));
    assert_eq!(machine.shared.mapped(), 0);
    assert_eq!(take(machine, RING + K4), Status::Ok);
    // Nor does an area that finds no room keep anything.
    machine.shared.fill(true);
    assert_eq!(open(machine, 9), Err(Status::NoMemory));
    assert!(machine.shared.reclaim(9));
    assert_eq!(take(machine, RAM), Status::Ok);
}

/// Cores that open, ring and close at once, handles of others among what they use, while a hypervisor takes pages: nobody uses an
/// area that is closed (the fake would tell), and a page that was taken is in none.
#[test]
fn areas_come_and_go_on_all_cores() {
    const CORES: u64 = 4;
    const ROUNDS: u64 = 300;
    let machine = with_hyp();
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let (machine, taken) = (&machine, AtomicU64::new(0));
    let rung = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for core in 0..CORES {
            let rung = &rung;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let memory = core * ROUNDS + round;
                    let common = RING + CORES * K4;
                    let pages = [RING + core * K4, common];
                    let some = if round % 4 == 0 { 2 } else { 1 };
                    machine.shared.share(memory, &pages[..some]);
                    let area = open(machine, memory);
                    for place in 0..MAX_AREAS {
                        let guess = AreaHandle::new(place, u32::try_from(round).unwrap() + 1).unwrap();
                        let area = if place == 0 { area.unwrap_or(guess) } else { guess };
                        let bell = Request::Doorbell(Doorbell { area, first: 0, slots: 1 });
                        match machine.status(bell) {
                            Status::Ok => _ = rung.fetch_add(1, Relaxed),
                            status => assert!(matches!(status, Status::InvalidHandle | Status::Busy)),
                        }
                    }
                    let Ok(area) = area else {
                        assert!(machine.shared.reclaim(memory), "what was refused is given back");
                        continue;
                    };
                    assert_eq!(take(machine, RING + core * K4), Status::Busy);
                    loop {
                        match machine.status(Request::AreaClose(area)) {
                            Status::Busy => std::thread::yield_now(),
                            status => break assert_eq!(status, Status::Ok),
                        }
                    }
                    assert!(machine.shared.reclaim(memory));
                }
            });
        }
        scope.spawn(|| {
            let common = RING + CORES * K4;
            while taken.load(Relaxed) < 20 {
                if take(machine, common) == Status::Ok {
                    machine.shared.share(u64::MAX, &[common]);
                    assert!(matches!(
                        open(machine, u64::MAX),
                        Err(Status::Denied | Status::NoMemory | Status::Busy)
                    ));
                    assert!(machine.shared.reclaim(u64::MAX));
                    taken.fetch_add(1, Relaxed);
                    let pages = Pages { first: PhysAddr(common), count: 1 };
                    let give = || hyp(machine, KEY, HypRequest::Disown(pages, PageOwner::Guest(7))).status;
                    // Another move may be under way.
                    while give() != Status::Ok {}
                }
                std::thread::yield_now();
            }
        });
    });
    assert!(taken.load(Relaxed) > 0 && rung.load(Relaxed) > 0);
    assert_eq!(machine.shared.mapped(), 0);
    // Nothing is pinned any more.
    (0..=CORES).for_each(|page| assert_eq!(take(machine, RING + page * K4), Status::Ok));
}
