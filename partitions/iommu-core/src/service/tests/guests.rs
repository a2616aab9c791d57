// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guests' domains and devices: what the hypervisor can ask for, what the kernel cannot do about it, and what DMA reaches.

use super::roles::{hyp, with_hyp_at};
use super::*;
use crate::ownership::Holder;
use ffa_abi::{GuestRequest, HypRequest, PageOwner, PageState, Pages};

/// Behind SMMU 0: guests' and the kernel's; guests' alone; the hypervisor's alone.
pub(super) const EITHER: u32 = 0x40;
const GUESTS: u32 = 0x48;
const HYPS: u32 = 0x50;
const GUEST: PageOwner = PageOwner::Guest(7);
const OTHER: PageOwner = PageOwner::Guest(8);
const AT: u64 = 0x1000_0000;

fn with_guests() -> Policy {
    let accounts = Some(Range { base: 0x2000_0000, size: 0x10_0000 });
    let mut policy = Policy { hyp: HypRole::Required, guard: Guard::El2, accounts, ..policy() };
    for (name, sid, host, hyp, guests) in [
        ("either", EITHER, true, false, true),
        ("guests", GUESTS, false, false, true),
        ("hyps", HYPS, false, true, false),
    ] {
        let mut device = device(name, 0, sid, 2, host, WINDOW);
        device.holders = Holders { host, hyp, guests };
        device.identity = host;
        policy.devices.push(device).unwrap();
    }
    policy
}

pub(super) fn claimed() -> Machine {
    claimed_with_rate(0)
}

/// With so many faults of a device in a second that are fine.
pub(super) fn claimed_with_rate(fault_rate: u32) -> Machine {
    let machine = Machine::of(Policy { fault_rate, ..with_guests() }, 288);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    machine
}

fn ask(machine: &Machine, request: GuestRequest) -> (Status, u64) {
    let response = hyp(machine, KEY, HypRequest::Guest(request));
    (response.status, response.values[0])
}

pub(super) fn alloc(machine: &Machine, owner: PageOwner) -> DomainHandle {
    let (status, raw) = ask(machine, GuestRequest::DomainAlloc { smmu: SmmuIndex(0), owner });
    assert_eq!(status, Status::Ok);
    DomainHandle::from_raw(u32::try_from(raw).unwrap()).unwrap()
}

fn map(machine: &Machine, domain: DomainHandle, iova: u64, pa: u64, pages: u16) -> (Status, u64) {
    let (iova, pa) = (Iova(iova), PhysAddr(pa));
    ask(machine, GuestRequest::Map { domain, iova, pa, pages, protection: BOTH })
}

fn unmap(machine: &Machine, domain: DomainHandle, iova: u64, pages: u16) -> (Status, u64) {
    ask(machine, GuestRequest::Unmap { domain, iova: Iova(iova), pages })
}

/// Tells who other than the kernel has the device of a stream.
fn holder_of(machine: &Machine, sid: u32) -> Option<Holder> {
    let (index, _) = machine.service.policy.device(0, sid)?;
    machine.service.devices.get(index)?.holder()
}

pub(super) fn assign(machine: &Machine, sid: u32, domain: DomainHandle) -> Status {
    ask(machine, GuestRequest::DeviceAssign { smmu: SmmuIndex(0), sid: StreamId(sid), domain }).0
}

pub(super) fn take_back(machine: &Machine, sid: u32) -> Status {
    ask(machine, GuestRequest::DeviceReturn { smmu: SmmuIndex(0), sid: StreamId(sid) }).0
}

fn moved(
    machine: &Machine,
    request: fn(Pages, PageOwner) -> HypRequest,
    first: u64,
    count: u16,
    owner: PageOwner,
) -> Status {
    hyp(machine, KEY, request(Pages { first: PhysAddr(first), count }, owner)).status
}

fn own(machine: &Machine, first: u64, count: u16, owner: PageOwner) {
    assert_eq!(moved(machine, HypRequest::Own, first, count, owner), Status::Ok);
}

fn pins(machine: &Machine, page: u64) -> u32 {
    let values = hyp(machine, KEY, HypRequest::PageState(PhysAddr(page))).values;
    PageState::from_registers([values[0], values[1]]).unwrap().pins
}

#[test]
fn a_guest_s_device_reaches_what_is_the_guest_s_and_nothing_else() {
    let machine = claimed();
    own(&machine, RAM, 4, GUEST);
    own(&machine, RAM + 8 * K4, 1, OTHER);
    own(&machine, RAM + 9 * K4, 1, PageOwner::Hyp);
    let domain = alloc(&machine, GUEST);
    // The kernel's, another guest's, the hypervisor's, the pool's, nobody's.
    for foreign in [RAM + 4 * K4, RAM + 8 * K4, RAM + 9 * K4, POOL_BASE, 0x5000_0000, RAM + RAM_SIZE] {
        assert_eq!(map(&machine, domain, AT, foreign, 1), (Status::Denied, 0), "{foreign:#x}");
    }
    assert_eq!(map(&machine, domain, AT, RAM, 9), (Status::Ok, 4 * K4), "up to the first that is not");
    assert_eq!(assign(&machine, GUESTS, domain), Status::Ok);
    for sid in [GUESTS, GUESTS + 1] {
        for page in 0..6 {
            let seen = machine.smmus[0].dma(sid, AT + page * K4, true);
            assert_eq!(seen, (page < 4).then_some(RAM + page * K4));
        }
    }
    let found = ask(&machine, GuestRequest::IovaToPa { domain, iova: Iova(AT + K4 + 5) });
    assert_eq!(found, (Status::Ok, RAM + K4 + 5));
    assert_eq!(unmap(&machine, domain, AT, 1), (Status::Ok, K4));
    assert_eq!(machine.smmus[0].dma(GUESTS, AT, false), None);
    assert_eq!(take_back(&machine, GUESTS), Status::Ok);
    assert_eq!(machine.smmus[0].dma(GUESTS, AT + K4, false), None);
}

/// A page stays whose it is while its owner's device can reach it; that it is shared is another matter.
#[test]
fn a_page_that_a_guest_s_domain_maps_does_not_leave_the_guest() {
    let machine = claimed();
    own(&machine, RAM, 2, GUEST);
    let (domain, kernel_s) = (alloc(&machine, GUEST), machine.alloc(0));
    assert_eq!(map(&machine, domain, AT, RAM, 1), (Status::Ok, K4));
    assert_eq!(moved(&machine, HypRequest::Disown, RAM, 2, GUEST), Status::Busy);
    for _ in 0..2 {
        assert_eq!(moved(&machine, HypRequest::Share, RAM, 2, GUEST), Status::Ok);
        assert_eq!(pins(&machine, RAM), 1);
        assert_eq!(machine.map(kernel_s, AT, RAM, K4, READ), (Status::Ok, K4));
        assert_eq!(pins(&machine, RAM), 2);
        assert_eq!(moved(&machine, HypRequest::Unshare, RAM, 2, GUEST), Status::Busy);
        assert_eq!(machine.unmap(kernel_s, AT, K4), (Status::Ok, K4));
        assert_eq!(
            moved(&machine, HypRequest::Unshare, RAM, 2, GUEST),
            Status::Ok,
            "its own is not in the way"
        );
    }
    assert_eq!(moved(&machine, HypRequest::Disown, RAM, 2, GUEST), Status::Busy);
    assert_eq!(unmap(&machine, domain, AT, 1), (Status::Ok, K4));
    assert_eq!(moved(&machine, HypRequest::Disown, RAM, 2, GUEST), Status::Ok);
    assert_eq!(map(&machine, domain, AT, RAM, 1), (Status::Denied, 0));
}

#[test]
fn a_page_is_not_given_back_while_an_smmu_may_still_know_it() {
    let machine: &'static Machine = kept(claimed());
    own(machine, RAM, 512, GUEST);
    let domain = alloc(machine, GUEST);
    assert_eq!(assign(machine, GUESTS, domain), Status::Ok);
    // One page, and a whole table.
    for count in [1, 512] {
        assert_eq!(map(machine, domain, AT, RAM, count), (Status::Ok, u64::from(count) * K4));
        let smmu = &machine.smmus[0];
        assert_eq!(smmu.dma(GUESTS, AT, true), Some(RAM));
        smmu.during_invalidation(move || {
            assert_eq!(smmu.dma(GUESTS, AT, true), Some(RAM));
            assert_eq!(moved(machine, HypRequest::Disown, RAM, 1, GUEST), Status::Busy);
        });
        assert_eq!(unmap(machine, domain, AT, count).0, Status::Ok);
        assert_eq!(smmu.dma(GUESTS, AT, true), None);
    }
    assert_eq!(moved(machine, HypRequest::Disown, RAM, 512, GUEST), Status::Ok);
}

#[test]
fn a_device_is_assigned_from_blocked_and_returned_to_blocked() {
    let machine = claimed();
    own(&machine, RAM, 1, GUEST);
    let (domain, kernel_s) = (alloc(&machine, GUEST), machine.alloc(0));
    assert_eq!(map(&machine, domain, AT, RAM, 1), (Status::Ok, K4));
    let holder = || holder_of(&machine, EITHER + 1);
    for state in [DeviceState::Paging(kernel_s), DeviceState::Identity] {
        assert_eq!(machine.set(0, EITHER, state), Status::Ok);
        assert_eq!(assign(&machine, EITHER, domain), Status::Busy, "it is in use");
        assert_eq!(take_back(&machine, EITHER), Status::Denied, "it is the kernel's");
        assert_eq!(machine.set(0, EITHER, DeviceState::Blocked), Status::Ok);
        assert_eq!(holder(), None);
        assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
        assert_eq!(holder(), Holder::guest(7));
        assert_eq!(assign(&machine, EITHER, domain), Status::Busy, "it has one");
        for state in [state, DeviceState::Blocked] {
            assert_eq!(machine.set(0, EITHER, state), Status::Denied);
        }
        assert_eq!(
            machine.smmus[0].dma(EITHER, AT, true),
            Some(RAM),
            "nothing that the kernel said changed it"
        );
        let free = GuestRequest::DomainFree(domain);
        assert_eq!(ask(&machine, free).0, Status::Busy);
        assert_eq!(take_back(&machine, EITHER), Status::Ok);
        assert_eq!((holder(), take_back(&machine, EITHER)), (None, Status::Denied));
        assert_eq!(machine.smmus[0].dma(EITHER, AT, true), None);
    }
    let mut calls = 0;
    while ask(&machine, GuestRequest::DomainFree(domain)).0 == Status::Again {
        calls += 1;
        assert!(calls < 200);
    }
    assert_eq!(ask(&machine, GuestRequest::DomainFree(domain)).0, Status::InvalidHandle);
    assert_eq!(moved(&machine, HypRequest::Disown, RAM, 1, GUEST), Status::Ok, "its pins came back");
}

#[test]
fn devices_go_to_whom_the_policy_lets_have_them() {
    let machine = claimed();
    let (guest_s, hyp_s) = (alloc(&machine, GUEST), alloc(&machine, PageOwner::Hyp));
    for (sid, guest, hyp) in [
        (GUESTS, Status::Ok, Status::Denied),
        (HYPS, Status::Denied, Status::Ok),
        (EDU, Status::Denied, Status::Denied),
        (NOBODY_S, Status::Denied, Status::Denied),
        (0x999, Status::Denied, Status::Denied),
    ] {
        for (domain, status) in [(guest_s, guest), (hyp_s, hyp)] {
            assert_eq!(assign(&machine, sid, domain), status, "{sid:#x}");
            assert_eq!(take_back(&machine, sid), status);
        }
        if sid != EDU {
            assert_eq!(
                machine.set(0, sid, DeviceState::Blocked),
                Status::Denied,
                "{sid:#x} is not the kernel's"
            );
        }
    }
    let elsewhere = |smmu, owner| ask(&machine, GuestRequest::DomainAlloc { smmu: SmmuIndex(smmu), owner }).0;
    // No device there is a guest's; no such SMMU; nobody that it speaks for.
    assert_eq!(elsewhere(1, GUEST), Status::Denied);
    assert_eq!(
        (elsewhere(3, GUEST), elsewhere(0x100, GUEST)),
        (Status::InvalidParameters, Status::InvalidParameters)
    );
    for owner in [PageOwner::Host, PageOwner::Pool, PageOwner::Guest(255)] {
        assert_eq!(elsewhere(0, owner), Status::InvalidParameters);
    }
}

/// A handle is its holder's: the kernel cannot use the hypervisor's, nor the hypervisor the kernel's.
#[test]
fn handles_of_one_are_nothing_to_the_other() {
    let machine = claimed();
    own(&machine, RAM, 1, GUEST);
    let (guest_s, kernel_s) = (alloc(&machine, GUEST), machine.alloc(0));
    assert_eq!(machine.map(guest_s, AT, RAM + K4, K4, READ), (Status::InvalidHandle, 0));
    assert_eq!(machine.unmap(guest_s, AT, K4), (Status::InvalidHandle, 0));
    assert_eq!(machine.status(Request::IovaToPa { domain: guest_s, iova: Iova(AT) }), Status::InvalidHandle);
    assert_eq!(machine.status(Request::DomainFree(guest_s)), Status::InvalidHandle);
    assert_eq!(machine.set(0, EITHER, DeviceState::Paging(guest_s)), Status::InvalidHandle);
    assert_eq!(map(&machine, kernel_s, AT, RAM, 1), (Status::InvalidHandle, 0));
    assert_eq!(unmap(&machine, kernel_s, AT, 1), (Status::InvalidHandle, 0));
    assert_eq!(assign(&machine, GUESTS, kernel_s), Status::InvalidHandle);
    assert_eq!(ask(&machine, GuestRequest::DomainFree(kernel_s)).0, Status::InvalidHandle);
    for key in [[0, 0], [KEY[1], KEY[0]]] {
        let request =
            GuestRequest::DeviceAssign { smmu: SmmuIndex(0), sid: StreamId(GUESTS), domain: guest_s };
        assert_eq!(hyp(&machine, key, HypRequest::Guest(request)), Response::status(Status::WrongKey));
    }
    for (iova, pa, pages, status) in [
        (AT, RAM + 8, 1, Status::Misaligned),
        // Bits of x6 below a page are the protection's.
        (AT + 8, RAM, 1, Status::InvalidParameters),
        (AT, RAM, 0, Status::OutOfRange),
        (AT, !0xfff, 1, Status::OutOfRange),
        (WINDOW.base - K4, RAM, 1, Status::OutOfRange),
    ] {
        assert_eq!(map(&machine, guest_s, iova, pa, pages), (status, 0));
    }
    assert_eq!(unmap(&machine, guest_s, AT + 8, 1), (Status::Misaligned, 0));
    assert_eq!(unmap(&machine, guest_s, AT, 0), (Status::OutOfRange, 0));
}

/// Neither uses up what is the other's: domains and memory for tables.
#[test]
fn a_kernel_that_uses_its_share_up_costs_guests_nothing() {
    let machine = claimed();
    own(&machine, RAM, 1, GUEST);
    let alloc_one = || machine.status(Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging });
    let mut domains = 0;
    while alloc_one() == Status::Ok {
        domains += 1;
    }
    let values = machine.ask(Request::Features).values;
    let limits = Limits::from_registers([values[1], values[2], values[3]]).unwrap();
    assert!(domains <= limits.domains && limits.domains == 96);
    assert!(machine.pool.available() > 0);
    let domain = alloc(&machine, GUEST);
    assert_eq!(map(&machine, domain, AT, RAM, 1), (Status::Ok, K4));
    assert_eq!(assign(&machine, GUESTS, domain), Status::Ok);
    assert_eq!(machine.smmus[0].dma(GUESTS, AT, true), Some(RAM));
    let mut theirs = 1;
    while ask(&machine, GuestRequest::DomainAlloc { smmu: SmmuIndex(0), owner: OTHER }).0 == Status::Ok {
        theirs += 1;
    }
    assert_eq!(theirs, 32);
}

#[test]
fn a_page_is_mapped_by_its_guest_only_so_often() {
    let machine = claimed();
    own(&machine, RAM, 1, GUEST);
    let domain = alloc(&machine, GUEST);
    for place in 0..3 {
        assert_eq!(map(&machine, domain, AT + place * K4, RAM, 1), (Status::Ok, K4));
    }
    assert_eq!(map(&machine, domain, AT + 3 * K4, RAM, 1), (Status::Saturated, 0));
    assert_eq!(unmap(&machine, domain, AT, 1), (Status::Ok, K4));
    assert_eq!(map(&machine, domain, AT + 3 * K4, RAM, 1), (Status::Ok, K4));
}

/// A device whose SMMU failed on the way stays the guest's: the kernel cannot take it by asking first.
#[test]
fn a_device_that_is_lost_on_the_way_is_not_the_kernel_s() {
    let machine = claimed();
    let domain = alloc(&machine, GUEST);
    machine.smmus[0].fail_after(0);
    assert_eq!(assign(&machine, EITHER, domain), Status::Hardware);
    assert_eq!(machine.set(0, EITHER, DeviceState::Blocked), Status::Denied);
    assert_eq!(holder_of(&machine, EITHER), Holder::guest(7));
    assert_eq!(take_back(&machine, EITHER), Status::Hardware);
    assert_eq!(machine.set(0, EITHER, DeviceState::Blocked), Status::Denied);
}

/// Where nobody guards the tables, guests would only seem protected.
#[test]
fn without_a_guard_there_is_nothing_for_guests() {
    let machine = with_hyp_at(Guard::Nobody);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let domain = DomainHandle::new(100, 1).unwrap();
    for request in [
        GuestRequest::DomainAlloc { smmu: SmmuIndex(0), owner: GUEST },
        GuestRequest::DomainAlloc { smmu: SmmuIndex(0), owner: PageOwner::Hyp },
        GuestRequest::DomainFree(domain),
        GuestRequest::DeviceAssign { smmu: SmmuIndex(0), sid: StreamId(EDU), domain },
        GuestRequest::DeviceReturn { smmu: SmmuIndex(0), sid: StreamId(EDU) },
    ] {
        assert_eq!(ask(&machine, request), (Status::Denied, 0));
    }
}
