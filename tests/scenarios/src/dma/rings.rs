// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings in shared memory: many mappings by one message, seen in the device's DMA; and what becomes no ring.

use crate::{
    ensure,
    scenario::{Audience::Everyone, Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use arm_ffa::{FfaError, FuncId};
use ffa_abi::ring::{Descriptor, List, ListEntry};
use ffa_abi::{DomainHandle, Iova, Request, Status};
use nwd::{
    ffa::{self, CallError},
    memory::{self, READ_ONLY},
    ram::Ram,
    ring::{self, Answer, Ring},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "ring-lists",
        claim: "Pages here and there are mapped by one message, and unmapped by one",
        expected: "all bytes arrive in the first page and the last; none in any after the unmap; the memory comes back",
        audience: Everyone,
        cores: 1,
        run: lists,
    },
    Scenario {
        name: "ring-checks",
        claim: "What stands in a ring is checked as what stands in a message is",
        expected: "the pool and secure memory DENIED, other windows OUT_OF_RANGE, freed domains invalid; none arrive",
        audience: Test,
        cores: 1,
        run: checks,
    },
    Scenario {
        name: "ring-long",
        claim: "A list too long for one message is done by several, each in a bound",
        expected: "512 pages by more than one message, the right bytes in each of three; none after",
        audience: Test,
        cores: 1,
        run: long,
    },
    Scenario {
        name: "ring-memory",
        claim: "Only memory that its owner shared with the service alone becomes a ring, and is its again only when the ring is closed",
        expected: "read-only, lent, too much, another's, opened twice, unknown: refused; reclaiming an open one DENIED",
        audience: Test,
        cores: 1,
        run: memory,
    },
];

/// Pages of scratch memory for buffers and rings.
const BUFFERS: [u64; 2] = [100, 101];
const RING: u64 = 104;
/// Memory that is mapped, every second page of it.
const FIRST: u64 = 200;

pub(crate) fn buffers(world: &World) -> [Ram; 2] {
    BUFFERS.map(|page| world.page(page))
}

/// Makes a ring of four pages.
pub(crate) fn make(world: &World) -> Result<Ring, Failure> {
    Ok(Ring::new(world.iommu, memory_of(world), &buffers(world))?)
}

/// Returns the four pages of that ring.
pub(crate) fn memory_of(world: &World) -> Ram {
    let scratch = world.machine.scratch();
    scratch.part(world.page(RING).address().0 - scratch.address().0, 4 * PAGE)
}

pub(crate) const fn list(entries: u16) -> List {
    List { entries, done: 0 }
}

pub(crate) fn map_list(domain: DomainHandle, iova: Iova, entries: u16) -> Descriptor {
    Descriptor::MapList { domain, iova, protection: READ_WRITE, list: list(entries) }
}

fn entry(address: u64) -> ListEntry {
    // Addresses of pages, one page each: every such word is one.
    ListEntry(address)
}

fn lists(world: &mut World) -> Outcome {
    const PAGES: u16 = 40;
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    let iova = world.iova(0x10_0000);
    let page = |world: &World, index: u64| world.page(FIRST + 2 * index);
    let at = |index: u64| Iova(iova.0 + index * PAGE);
    let entries = (0..u64::from(PAGES)).map(|index| entry(page(world, index).address().0));
    let slots = ring.put(0, map_list(domain, iova, PAGES), entries);
    let mapped = ring.ring(0, slots)?;
    ensure!(mapped == (slots, 0), "mapping: {mapped:?}, {:?}", ring.answer(0));
    let pattern = world.load()?;
    for index in [0, 17, u64::from(PAGES) - 1] {
        require("a page of the list", world.put(&pattern, at(index), &page(world, index))?, Arrival::All)?;
    }
    let behind = at(PAGES.into());
    require("behind the list", world.put(&pattern, behind, &page(world, 0))?, Arrival::Nothing)?;
    let slots = ring.put(
        0,
        Descriptor::UnmapList { domain, list: list(PAGES) },
        (0..u64::from(PAGES)).map(|index| entry(at(index).0)),
    );
    let unmapped = ring.ring(0, slots)?;
    let answer = ring.answer(0);
    let all = u64::from(PAGES) * PAGE;
    ensure!(
        unmapped == (slots, 0) && answer == Some(Answer { status: Status::Ok, done: all, removed: all }),
        "unmapping: {unmapped:?}, {answer:?}"
    );
    for index in [0, 17, u64::from(PAGES) - 1] {
        let arrival = world.put(&pattern, at(index), &page(world, index))?;
        require("after the unmap", arrival, Arrival::Nothing)?;
    }
    ring.close()?;
    seen!("{PAGES} pages by one message, all bytes arrived; unmapped by one, none; the ring's memory is back")
}

fn checks(world: &mut World) -> Outcome {
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    let stale = world.domain()?;
    world.iommu.free(stale)?;
    world.forget(stale);
    let (iova, page) = (world.iova(0x20_0000), world.page(FIRST));
    let good = entry(page.address().0);
    let outside = Iova(world.iova(0).0.wrapping_sub(PAGE));
    let secure = crate::platform::SECURE_RAM.0;
    let cases = [
        ("the pool", domain, iova, crate::platform::POOL.0, Status::Denied, PAGE),
        ("secure memory", domain, iova, secure, Status::Denied, PAGE),
        ("SMMU registers", domain, iova, crate::platform::SMMU_FRAME.0, Status::Denied, PAGE),
        ("another window", domain, outside, page.address().0, Status::OutOfRange, 0),
        ("a freed domain", stale, iova, page.address().0, Status::InvalidHandle, 0),
    ];
    for (what, domain, iova, bad, status, done) in cases {
        ring.put(0, map_list(domain, iova, 2), [good, entry(bad)].into_iter());
        let rung = ring.ring(0, 2)?;
        let answer = ring.answer(0);
        let wanted = Some(Answer { status, done, removed: 0 });
        ensure!(rung == (2, 1) && answer == wanted, "{what}: {rung:?}, {answer:?}");
        if done != 0 {
            world.iommu.unmap(domain, iova, 2 * PAGE)?;
        }
    }
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    ring.close()?;
    seen!("{} descriptors refused, each by its own status; no byte arrived", cases.len())
}

fn long(world: &mut World) -> Outcome {
    const PAGES: u16 = 512;
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    let iova = world.iova(0x40_0000);
    let page = |world: &World, index: u64| world.page(FIRST + 2 * index);
    let at = |index: u64| Iova(iova.0 + index * PAGE);
    let entries = (0..u64::from(PAGES)).map(|index| entry(page(world, index).address().0));
    let slots = ring.put(0, map_list(domain, iova, PAGES), entries);
    let (mapping, failed) = ring.ring_all(0, slots)?;
    ensure!(failed == 0 && mapping > 1, "mapping: {mapping} messages, {:?}", ring.answer(0));
    let pattern = world.load()?;
    for index in [0, 300, 511] {
        require("a page of the list", world.put(&pattern, at(index), &page(world, index))?, Arrival::All)?;
    }
    let slots = ring.put(
        0,
        Descriptor::UnmapList { domain, list: list(PAGES) },
        (0..u64::from(PAGES)).map(|index| entry(at(index).0)),
    );
    let (unmapping, failed) = ring.ring_all(0, slots)?;
    ensure!(failed == 0 && unmapping > 1, "unmapping: {unmapping} messages, {:?}", ring.answer(0));
    for index in [0, 300, 511] {
        let arrival = world.put(&pattern, at(index), &page(world, index))?;
        require("after the unmap", arrival, Arrival::Nothing)?;
    }
    ring.close()?;
    seen!(
        "{PAGES} pages mapped by {mapping} messages, unmapped by {unmapping}; the right bytes between, none after"
    )
}

fn memory(world: &mut World) -> Outcome {
    let (to, buffers) = (world.iommu.partition(), buffers(world));
    let [receive, transmit] = &buffers;
    let first = world.page(RING).address().0;
    let send = |function, receiver, access, pages| {
        ffa::rxtx_map(receive, transmit)?;
        let (receiver, ranges) = ((receiver, access), [(first, pages)]);
        // Of what is lent to one the receiver says what memory it is.
        let sent = match function {
            FuncId::MemLend32 => memory::send(transmit, function, &[receiver], &ranges),
            _ => memory::send_normal(transmit, function, receiver, &ranges),
        };
        ffa::rxtx_unmap()?;
        sent
    };
    // Where the service is the only partition, there is nobody else to share with.
    let others = world
        .test_sp
        .map(|other| ("another's", FuncId::MemShare32, other, memory::READ_WRITE, 1, Status::Denied));
    let cases = [
        ("read-only", FuncId::MemShare32, to, READ_ONLY, 1, Status::Denied),
        ("lent", FuncId::MemLend32, to, memory::READ_WRITE, 1, Status::Denied),
        ("too much", FuncId::MemShare32, to, memory::READ_WRITE, 5, Status::OutOfRange),
    ];
    let mut tried = 0;
    for (what, function, receiver, access, pages, status) in cases.into_iter().chain(others) {
        let shared = send(function, receiver, access, pages)?;
        refused(what, ring::open(world.iommu, shared), status)?;
        // The service has given it back, if it had it.
        memory::reclaim(shared)?;
        tried += 1;
    }
    refused("an unknown handle", ring::open(world.iommu, 0x1234_5678), Status::Denied)?;
    let ring = make(world)?;
    refused("what is open", ring::open(world.iommu, ring.shared()), Status::Denied)?;
    let denied = memory::reclaim(ring.shared());
    ensure!(denied == Err(CallError::Ffa(FfaError::Denied)), "reclaiming what is open: {denied:?}");
    let (area, bell) = (ring.area(), ring.bell(0, 1));
    ring.close()?;
    refused("ringing a closed ring", world.iommu.request(bell), Status::InvalidHandle)?;
    refused("closing it again", world.iommu.request(Request::AreaClose(area)), Status::InvalidHandle)?;
    seen!("{tried} kinds of memory refused and reclaimed; an open ring's is not reclaimed, a closed one's is")
}
