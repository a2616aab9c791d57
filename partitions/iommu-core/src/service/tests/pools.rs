// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory for tables that the hypervisor lends, and whose share is whose.

use super::guests::alloc;
use super::roles::hyp;
use super::*;
use ffa_abi::{GuestRequest, HypRequest, PageOwner, PageState, Pages, PoolHolder, PoolReport, PoolRequest};

const GUESTS: u32 = 0x48;
const HYPS: u32 = 0x50;
const GUEST: PageOwner = PageOwner::Guest(7);
const AT: u64 = 0x1000_0000;
/// What the manager calls the memory that is lent, and where that is.
const LOAN: u64 = 0x7_0000_0001;
const LENT: u64 = RAM + 0x10_0000;
/// Pages of the carve-out: half is the kernel's, a quarter the hypervisor's and a quarter its guests'.
const POOL: usize = 32;

/// A machine on which the hypervisor has claimed its role, and has taken 64 pages.
fn claimed() -> Machine {
    let accounts = Some(Range { base: 0x2000_0000, size: 0x10_0000 });
    let mut policy = Policy { hyp: HypRole::Required, guard: Guard::El2, accounts, ..policy() };
    for (name, sid, hyp, guests) in [("guests", GUESTS, false, true), ("hyps", HYPS, true, false)] {
        let mut device = device(name, 0, sid, 1, false, WINDOW);
        device.holders = Holders { host: false, hyp, guests };
        policy.devices.push(device).unwrap();
    }
    let machine = Machine::of(policy, POOL);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    own(&machine, LENT, 64, PageOwner::Hyp);
    machine
}

fn own(machine: &Machine, first: u64, count: u16, owner: PageOwner) {
    let pages = Pages { first: PhysAddr(first), count };
    assert_eq!(hyp(machine, KEY, HypRequest::Own(pages, owner)).status, Status::Ok);
}

fn disown(machine: &Machine, first: u64, count: u16) -> Status {
    hyp(machine, KEY, HypRequest::Disown(Pages { first: PhysAddr(first), count }, PageOwner::Hyp)).status
}

fn owner(machine: &Machine, page: u64) -> PageOwner {
    let values = hyp(machine, KEY, HypRequest::PageState(PhysAddr(page))).values;
    PageState::from_registers([values[0], values[1]]).unwrap().owner
}

fn pool(machine: &Machine, request: PoolRequest) -> (Status, u64) {
    let response = hyp(machine, KEY, HypRequest::Pool(request));
    (response.status, response.values[0])
}

fn report(machine: &Machine, holder: PoolHolder) -> PoolReport {
    let response = hyp(machine, KEY, HypRequest::Pool(PoolRequest::Status(holder)));
    assert_eq!(response.status, Status::Ok);
    PoolReport::from_registers(response.values).unwrap()
}

/// Asks until the answer is another than AGAIN; returns it, and how often that was asked for.
fn finish(machine: &Machine, request: PoolRequest) -> ((Status, u64), usize) {
    for times in 1..20 {
        let answer = pool(machine, request);
        if answer.0 != Status::Again {
            return (answer, times);
        }
    }
    panic!("{request:?} does not come to an end");
}

fn lend(machine: &Machine, memory: u64, first: u64, pages: u64, holder: PoolHolder) -> (Status, u64) {
    let pages: std::vec::Vec<_> = (0..pages).map(|page| first + page * K4).collect();
    machine.shared.lend(memory, &pages);
    finish(machine, PoolRequest::Lend { memory, holder }).0
}

fn reclaim(machine: &Machine, memory: u64) -> (Status, u64) {
    finish(machine, PoolRequest::Reclaim { memory }).0
}

/// Maps single pages of a guest's, each of which needs a table, until that is refused: how many there are, and with which status.
fn scatter(machine: &Machine, domain: DomainHandle, pa: u64, from: u64) -> (u64, Status) {
    for table in 0.. {
        let (iova, pa) = (Iova(AT + (from + table) * M2), PhysAddr(pa));
        let request = GuestRequest::Map { domain, iova, pa, pages: 1, protection: BOTH };
        let status = hyp(machine, KEY, HypRequest::Guest(request)).status;
        if status != Status::Ok {
            return (table, status);
        }
    }
    unreachable!()
}

fn gather(machine: &Machine, domain: DomainHandle, tables: u64) {
    for table in 0..tables {
        let request = GuestRequest::Unmap { domain, iova: Iova(AT + table * M2), pages: 512 };
        assert_eq!(hyp(machine, KEY, HypRequest::Guest(request)).status, Status::Ok);
    }
}

#[test]
fn what_is_lent_is_used_for_tables_and_comes_back_zeroed() {
    let machine = claimed();
    // A page of a guest's for each mapping: each is counted three times at most.
    own(&machine, RAM, 64, GUEST);
    let domain = alloc(&machine, GUEST);
    let fill = |from: u64| {
        let mut table = from;
        loop {
            let (done, status) = scatter(&machine, domain, RAM + table * K4, table);
            if done == 0 {
                return (table, status);
            }
            // The page is mapped as often as can be.
            table += done;
            assert!(matches!(status, Status::Saturated | Status::NoMemory));
            if status == Status::NoMemory {
                return (table, status);
            }
        }
    };
    let (before, status) = fill(0);
    assert_eq!(status, Status::NoMemory);
    let PoolReport { limit, used, refused, .. } = report(&machine, PoolHolder::Guests);
    assert_eq!((limit, used), (8, 8));
    assert!(refused > 0);
    assert_eq!(lend(&machine, LOAN, LENT, 16, PoolHolder::Guests), (Status::Ok, 0));
    for page in 0..16 {
        assert_eq!(owner(&machine, LENT + page * K4), PageOwner::Pool);
    }
    let (after, status) = fill(before);
    assert_eq!((after - before, status), (16, Status::NoMemory));
    for table in 0..after {
        let request = GuestRequest::IovaToPa { domain, iova: Iova(AT + table * M2) };
        assert_eq!(hyp(&machine, KEY, HypRequest::Guest(request)).status, Status::Ok);
    }
    let words = machine.shared.chunk(0).unwrap();
    assert!(words.iter().any(|word| word.load(core::sync::atomic::Ordering::Relaxed) != 0));
    let in_use = report(&machine, PoolHolder::Guests);
    assert_eq!((in_use.used, in_use.lent, in_use.lent_used), (8, 16, 16));
    // It does not come back while tables stand there, and nothing new is put there.
    assert_eq!(reclaim(&machine, LOAN), (Status::Busy, 16));
    assert!(!machine.shared.reclaim(LOAN));
    gather(&machine, domain, after - 2);
    assert_eq!(reclaim(&machine, LOAN), (Status::Busy, 2));
    let in_use = report(&machine, PoolHolder::Guests);
    assert_eq!((in_use.used, in_use.lent, in_use.lent_used), (2, 2, 2));
    gather(&machine, domain, after);
    assert_eq!(reclaim(&machine, LOAN), (Status::Ok, 0));
    assert!(machine.shared.reclaim(LOAN) && machine.shared.chunk(0).is_none());
    for page in 0..16 {
        assert_eq!(owner(&machine, LENT + page * K4), PageOwner::Hyp);
    }
    assert_eq!(disown(&machine, LENT, 64), Status::Ok);
    assert_eq!(reclaim(&machine, LOAN), (Status::InvalidHandle, 0));
    assert_eq!(fill(0).0, before, "the share is what it was");
}

#[test]
fn each_step_has_a_bound() {
    let machine = claimed();
    machine.shared.lend(LOAN, &(0..64).map(|page| LENT + page * K4).collect::<std::vec::Vec<_>>());
    let request = PoolRequest::Lend { memory: LOAN, holder: PoolHolder::Host };
    assert_eq!(finish(&machine, request), ((Status::Ok, 0), 4));
    assert_eq!(finish(&machine, PoolRequest::Reclaim { memory: LOAN }), ((Status::Ok, 0), 5));
}

#[test]
fn only_what_is_the_hypervisor_s_alone_becomes_the_pool_s() {
    let machine = claimed();
    own(&machine, RAM, 1, GUEST);
    // The kernel's, a guest's, the pool's, frames, nothing.
    let places = [RAM + 8 * K4, RAM, POOL_BASE, 0x5000_0000, RAM + RAM_SIZE];
    for (memory, place) in (10..).zip(places) {
        assert_eq!(lend(&machine, memory, place, 1, PoolHolder::Hyp), (Status::Denied, place), "{place:#x}");
        assert!(machine.shared.reclaim(memory), "it was given back");
    }
    // One page of several, in the middle.
    assert_eq!(disown(&machine, LENT + 3 * K4, 1), Status::Ok);
    assert_eq!(lend(&machine, 20, LENT, 8, PoolHolder::Hyp), (Status::Denied, LENT + 3 * K4));
    own(&machine, LENT + 3 * K4, 1, PageOwner::Hyp);
    // One that the kernel may map, and one that a device of the hypervisor's reaches.
    let shared = Pages { first: PhysAddr(LENT + K4), count: 1 };
    let change = |request| assert_eq!(hyp(&machine, KEY, request).status, Status::Ok);
    change(HypRequest::Share(shared, PageOwner::Hyp));
    assert_eq!(lend(&machine, 21, LENT, 8, PoolHolder::Hyp), (Status::Denied, LENT + K4));
    change(HypRequest::Unshare(shared, PageOwner::Hyp));
    let domain = alloc(&machine, PageOwner::Hyp);
    let (iova, pa) = (Iova(AT), PhysAddr(LENT + 2 * K4));
    change(HypRequest::Guest(GuestRequest::Map { domain, iova, pa, pages: 1, protection: BOTH }));
    assert_eq!(lend(&machine, 22, LENT, 8, PoolHolder::Hyp), (Status::Busy, LENT + 2 * K4));
    change(HypRequest::Guest(GuestRequest::Unmap { domain, iova, pages: 1 }));
    // What is shared is not lent, too many pages are, and pages that are apart.
    machine.shared.share(23, &[LENT]);
    let (memory, holder) = (23, PoolHolder::Hyp);
    assert_eq!(pool(&machine, PoolRequest::Lend { memory, holder }), (Status::Denied, 0));
    assert_eq!(lend(&machine, 24, LENT, 65, PoolHolder::Hyp), (Status::OutOfRange, 0));
    machine.shared.lend(25, &[LENT, LENT + 2 * K4]);
    assert_eq!(pool(&machine, PoolRequest::Lend { memory: 25, holder }), (Status::OutOfRange, 0));
    for page in 0..64 {
        assert_eq!(owner(&machine, LENT + page * K4), PageOwner::Hyp);
    }
    // With a wrong key nothing is looked at.
    machine.shared.lend(26, &[LENT]);
    let request = HypRequest::Pool(PoolRequest::Lend { memory: 26, holder });
    assert_eq!(hyp(&machine, [1, 2], request).status, Status::WrongKey);
    assert!(machine.shared.reclaim(26));
}

#[test]
fn what_is_lent_is_nobody_s_to_map_or_to_move() {
    let machine = claimed();
    assert_eq!(lend(&machine, LOAN, LENT, 2, PoolHolder::Hyp), (Status::Ok, 0));
    assert_eq!(lend(&machine, LOAN + 1, LENT + 2 * K4, 1, PoolHolder::Host), (Status::Ok, 0));
    let domain = machine.alloc(0);
    assert_eq!(machine.map(domain, AT, LENT, K4, BOTH), (Status::Denied, 0));
    let hyps = alloc(&machine, PageOwner::Hyp);
    let (iova, pa) = (Iova(AT), PhysAddr(LENT));
    let map = GuestRequest::Map { domain: hyps, iova, pa, pages: 1, protection: BOTH };
    assert_eq!(hyp(&machine, KEY, HypRequest::Guest(map)).status, Status::Denied);
    assert_eq!(disown(&machine, LENT, 1), Status::Denied);
    let pages = Pages { first: PhysAddr(LENT), count: 1 };
    for request in [HypRequest::Share(pages, PageOwner::Hyp), HypRequest::Own(pages, GUEST)] {
        assert_eq!(hyp(&machine, KEY, request).status, Status::Denied);
    }
    let pool_s = HypRequest::Disown(pages, PageOwner::Pool);
    assert_eq!(hyp(&machine, KEY, pool_s).status, Status::InvalidParameters);
    // Not as a ring either, and not twice.
    machine.shared.share(40, &[LENT]);
    assert_eq!(machine.status(Request::AreaOpen { memory: 40 }), Status::Denied);
    let again = PoolRequest::Lend { memory: LOAN, holder: PoolHolder::Hyp };
    assert_eq!(pool(&machine, again), (Status::Denied, 0));
    assert_eq!(lend(&machine, 41, LENT, 1, PoolHolder::Hyp), (Status::Denied, LENT));
}

#[test]
fn who_uses_up_what_is_its_own_costs_the_others_nothing() {
    let machine = claimed();
    own(&machine, RAM, 128, GUEST);
    // For the hypervisor's own tables, of which nobody else is handed any.
    assert_eq!(lend(&machine, LOAN, LENT, 4, PoolHolder::Hyp), (Status::Ok, 0));
    let before = PoolHolder::ALL.map(|holder| report(&machine, holder));
    let guest_s = alloc(&machine, GUEST);
    let mut tables = 0;
    for page in 0.. {
        let (done, status) = scatter(&machine, guest_s, RAM + page * K4, tables);
        tables += done;
        if status == Status::NoMemory {
            break;
        }
    }
    let [host, hyps, guests] = PoolHolder::ALL.map(|holder| report(&machine, holder));
    assert_eq!((guests.used, guests.lent_used), (guests.limit, 0));
    assert_eq!([host, hyps], [before[0], before[1]]);
    // The kernel uses up all of its share.
    let domain = machine.alloc(0);
    let mut status = Status::Ok;
    for table in 0..100 {
        status = machine.map(domain, AT + table * M2, RAM + RAM_SIZE - K4, K4, BOTH).0;
        if status != Status::Ok {
            break;
        }
    }
    assert_eq!(status, Status::NoMemory);
    let [host, hyps, _] = PoolHolder::ALL.map(|holder| report(&machine, holder));
    assert_eq!((host.used, host.lent_used, host.refused), (host.limit, 0, 1));
    assert_eq!(hyps, before[1]);
    // The hypervisor has all that is its own: its share, then what it has lent itself.
    let (own_s, at) = (alloc(&machine, PageOwner::Hyp), LENT + 32 * K4);
    let mut tables = 0;
    let mut page = 0;
    loop {
        let (done, status) = scatter(&machine, own_s, at + page * K4, tables);
        tables += done;
        page += 1;
        if status == Status::NoMemory {
            break;
        }
    }
    let hyps = report(&machine, PoolHolder::Hyp);
    assert_eq!((hyps.used, hyps.lent, hyps.lent_used), (hyps.limit, 4, 4));
}

/// One begins where the other could have pages, if it were longer.
#[test]
fn chunks_that_are_close_to_each_other_are_told_apart() {
    let machine = claimed();
    own(&machine, RAM, 8, GUEST);
    for (memory, first) in [(LOAN, LENT), (LOAN + 1, LENT + 5 * K4)] {
        assert_eq!(lend(&machine, memory, first, 2, PoolHolder::Guests), (Status::Ok, 0));
    }
    let domain = alloc(&machine, GUEST);
    let mut tables = 0;
    let mut refused = (0..8).map(|page| {
        let (done, status) = scatter(&machine, domain, RAM + page * K4, tables);
        tables += done;
        status
    });
    assert_eq!(refused.find(|status| *status != Status::Saturated), Some(Status::NoMemory));
    let report = report(&machine, PoolHolder::Guests);
    assert_eq!((report.used, report.lent_used), (8, 4));
    gather(&machine, domain, tables);
    for memory in [LOAN, LOAN + 1] {
        assert_eq!(reclaim(&machine, memory), (Status::Ok, 0));
    }
}

#[test]
fn what_the_manager_does_not_take_back_stays_the_pool_s() {
    let machine = claimed();
    assert_eq!(lend(&machine, LOAN, LENT, 2, PoolHolder::Guests), (Status::Ok, 0));
    machine.shared.refuse(1);
    assert_eq!(reclaim(&machine, LOAN), (Status::Denied, 0));
    assert_eq!(owner(&machine, LENT), PageOwner::Pool);
    assert!(machine.shared.chunk(0).is_none(), "nobody reaches it any more");
    assert_eq!(reclaim(&machine, LOAN), (Status::Ok, 0));
    assert_eq!(owner(&machine, LENT), PageOwner::Hyp);
    // Where it cannot be mapped, it goes back at once.
    machine.shared.fill(true);
    assert_eq!(lend(&machine, LOAN + 1, LENT, 2, PoolHolder::Guests), (Status::NoMemory, 0));
    assert!(machine.shared.reclaim(LOAN + 1));
    assert_eq!(owner(&machine, LENT), PageOwner::Hyp);
    machine.shared.fill(false);
    // There are eight places.
    for (place, memory) in (0..).zip(50..58) {
        assert_eq!(lend(&machine, memory, LENT + place * K4, 1, PoolHolder::Hyp), (Status::Ok, 0));
    }
    assert_eq!(lend(&machine, 58, LENT + 8 * K4, 1, PoolHolder::Hyp), (Status::NoMemory, 0));
    assert_eq!(reclaim(&machine, 53), (Status::Ok, 0));
    assert_eq!(
        finish(&machine, PoolRequest::Lend { memory: 58, holder: PoolHolder::Hyp }).0,
        (Status::Ok, 0)
    );
}
