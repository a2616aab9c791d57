// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory for tables that the hypervisor lends: used up, in the way of a device's DMA, and back again.

use super::guests;
use crate::{
    dma::rings::buffers,
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use arm_ffa::{FfaError, FuncId};
use ffa_abi::{
    DeviceState, DomainHandle, Iova, PageOwner, PhysAddr, PoolHolder, PoolReport, PoolRequest, Status,
};
use nwd::{
    ffa::{self, CallError},
    hyp::Hyp,
    iommu::IommuError,
    memory,
    ram::Ram,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pool-lent",
        claim: "Memory that the hypervisor lends for its guests' tables is used when their share is used up, and comes back",
        expected: "no memory; lent: as many tables more, all bytes arrive through them; busy; freed: zeroed and reclaimed",
        audience: Test,
        cores: 1,
        run: lent,
    },
    Scenario {
        name: "pool-not-lent",
        claim: "Only pages that are the hypervisor's alone become memory for tables, and nobody maps or moves them then",
        expected: "the kernel's, a guest's, shared and unknown memory denied; lent: denied to everybody; without the key: nothing",
        audience: Test,
        cores: 1,
        run: not_lent,
    },
    Scenario {
        name: "pool-share",
        claim: "A kernel that uses up its share of the memory for tables takes nothing of its guests'",
        expected: "no memory for the kernel; what is used of the others' share and refused to them stays, a guest maps",
        audience: Test,
        cores: 1,
        run: share,
    },
];

const GUEST: PageOwner = PageOwner::Guest(20);
/// What a table of pages translates.
const M2: u64 = 512 * PAGE;
/// Pages that are lent, and where they stand in scratch memory.
const LENT: u32 = 24;
const LOAN: u64 = 512;
/// Pages of a guest, and how often each can be mapped by it.
const PAGES: u64 = 1024;
const FIRST: u64 = 1024;
const TIMES: u64 = 3;

/// Calls again while there is more to do.
fn finish(hyp: &Hyp, request: PoolRequest) -> Result<(), IommuError> {
    for _ in 0..100 {
        match hyp.pool(request) {
            Err(IommuError::Status(Status::Again)) => {}
            outcome => return outcome.map(|_| ()),
        }
    }
    Err(IommuError::Stuck(100))
}

fn report(hyp: &Hyp, holder: PoolHolder) -> Result<PoolReport, Failure> {
    let values = hyp.pool(PoolRequest::Status(holder))?;
    PoolReport::from_registers(values).ok_or_else(|| Failure::new(format_args!("{values:x?} is no report")))
}

/// Lends pages to the service by FF-A alone.
fn lend(world: &World, first: PhysAddr, pages: u32) -> Result<u64, Failure> {
    let [receive, transmit] = buffers(world);
    ffa::rxtx_map(&receive, &transmit)?;
    let receiver = (world.iommu.partition(), memory::READ_WRITE);
    let lent = memory::send(&transmit, FuncId::MemLend32, &[receiver], &[(first.0, pages)]);
    ffa::rxtx_unmap()?;
    Ok(lent?)
}

fn page(world: &World, index: u64) -> Ram {
    world.page(FIRST + index)
}

/// Where the page of a table is mapped: the first of each.
fn at(world: &World, table: u64) -> Iova {
    world.iova(table * M2)
}

/// Maps one page by each of as many tables as there is memory for, from one on; returns which was refused.
fn use_up(world: &World, hyp: &Hyp, domain: DomainHandle, from: u64) -> Result<u64, Failure> {
    for table in from..PAGES * TIMES {
        match guests::map(hyp, domain, at(world, table), page(world, table / TIMES).address()) {
            Ok(()) => {}
            Err(IommuError::Status(Status::NoMemory)) => return Ok(table),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(format_args!("there is memory for {} tables", PAGES * TIMES)))
}

fn lent(world: &mut World) -> Outcome {
    let (hyp, loan) = (world.hyp()?, world.page(LOAN).address());
    let count = u64::from(LENT);
    // Whatever the hypervisor had there.
    for index in 0..count {
        world.page(LOAN + index).write(8 * index, &[0xa5; 64]);
    }
    hyp.own(page(world, 0).address(), PAGES, GUEST)?;
    hyp.own(loan, count, PageOwner::Hyp)?;
    let domain = guests::alloc(world, &hyp, GUEST)?;
    let before = use_up(world, &hyp, domain, 0)?;
    let full = report(&hyp, PoolHolder::Guests)?;
    ensure!(full.used == full.limit && full.lent == 0, "{full:?}");
    let memory = lend(world, loan, LENT)?;
    finish(&hyp, PoolRequest::Lend { memory, holder: PoolHolder::Guests })?;
    ensure!(hyp.page(loan)?.owner == PageOwner::Pool, "{:?}", hyp.page(loan)?);
    let after = use_up(world, &hyp, domain, before)?;
    let used = report(&hyp, PoolHolder::Guests)?;
    ensure!((used.lent, used.lent_used) == (LENT, LENT), "{used:?}");
    // A table of another level may be among them.
    ensure!((1..=count).contains(&(after - before)) && after - before + 2 >= count, "{before} and {after}");
    let last = after - 1;
    let (pattern, target) = (world.load()?, page(world, last / TIMES));
    world.set(DeviceState::Blocked)?;
    guests::assign(world, &hyp, domain)?;
    let through = world.put(&pattern, at(world, last), &target)?;
    require("through lent tables", through, Arrival::All)?;
    refused("while tables stand there", finish(&hyp, PoolRequest::Reclaim { memory }), Status::Busy)?;
    require("while it is asked back", world.put(&pattern, at(world, last), &target)?, Arrival::All)?;
    let kept = memory::reclaim(memory);
    ensure!(kept == Err(CallError::Ffa(FfaError::Denied)), "reclaimed while lent: {kept:?}");
    guests::take_back(world, &hyp)?;
    guests::free(&hyp, domain)?;
    finish(&hyp, PoolRequest::Reclaim { memory })?;
    memory::reclaim(memory)?;
    for index in 0..count {
        let page = world.page(LOAN + index);
        ensure!((0..PAGE / 8).all(|word| page.word(8 * word) == 0), "page {index} holds something");
        ensure!(hyp.page(page.address())?.owner == PageOwner::Hyp, "page {index} is another's");
    }
    let end = report(&hyp, PoolHolder::Guests)?;
    ensure!((end.used, end.lent, end.lent_used) == (0, 0, 0), "{end:?}");
    hyp.disown(loan, count, PageOwner::Hyp)?;
    hyp.disown(page(world, 0).address(), PAGES, GUEST)?;
    seen!("{before} tables, then {} in lent memory; {through} through them; back and zeroed", after - before)
}

fn not_lent(world: &mut World) -> Outcome {
    let (hyp, loan) = (world.hyp()?, world.page(LOAN).address());
    let holder = PoolHolder::Hyp;
    let denied = |memory, what: &str| {
        refused(what, finish(&hyp, PoolRequest::Lend { memory, holder }), Status::Denied)?;
        memory::reclaim(memory).map_err(Failure::from)
    };
    denied(lend(world, loan, 2)?, "the kernel's")?;
    hyp.own(loan, 2, GUEST)?;
    denied(lend(world, loan, 2)?, "a guest's")?;
    hyp.disown(loan, 2, GUEST)?;
    hyp.own(loan, 1, PageOwner::Hyp)?;
    denied(lend(world, loan, 2)?, "the kernel's, behind the hypervisor's")?;
    hyp.own(PhysAddr(loan.0 + PAGE), 1, PageOwner::Hyp)?;
    let [receive, transmit] = buffers(world);
    ffa::rxtx_map(&receive, &transmit)?;
    let receiver = (world.iommu.partition(), memory::READ_WRITE);
    let shared = memory::send_normal(&transmit, FuncId::MemShare32, receiver, &[(loan.0, 2)]);
    ffa::rxtx_unmap()?;
    denied(shared?, "shared memory")?;
    let memory = lend(world, loan, 2)?;
    let stranger = Hyp::with_key(world.iommu, ffa_abi::Key::from_registers([world.random.word(), 0]));
    let request = PoolRequest::Lend { memory, holder };
    refused("without the key", stranger.pool(request), Status::WrongKey)?;
    finish(&hyp, request)?;
    refused("lent twice", hyp.pool(request), Status::Denied)?;
    let domain = world.domain()?;
    let two = loan.0..loan.0 + 2 * PAGE;
    for at in two.step_by(4096).map(PhysAddr) {
        let mapped = world.iommu.map(domain, world.iova(0), at, PAGE, READ_WRITE);
        refused("by the kernel", mapped, Status::Denied)?;
        let moved = hyp.disown(at, 1, PageOwner::Hyp);
        ensure!(moved.is_err() && hyp.page(at)?.owner == PageOwner::Pool, "{moved:?}, {:?}", hyp.page(at)?);
    }
    finish(&hyp, PoolRequest::Reclaim { memory })?;
    refused("reclaimed twice", hyp.pool(PoolRequest::Reclaim { memory }), Status::InvalidHandle)?;
    memory::reclaim(memory)?;
    hyp.disown(loan, 2, PageOwner::Hyp)?;
    seen!("four denied and given back; lent: denied to the kernel and to moves; given back")
}

fn share(world: &mut World) -> Outcome {
    let (hyp, at_page) = (world.hyp()?, page(world, 0));
    let others = [PoolHolder::Hyp, PoolHolder::Guests];
    let [hyp_s, guests_s] = others.map(|holder| report(&hyp, holder));
    let before = [hyp_s?, guests_s?];
    let domain = world.domain()?;
    let mut tables = 0;
    loop {
        match world.map(domain, at(world, tables), &at_page, READ_WRITE) {
            Ok(()) => tables += 1,
            Err(IommuError::Status(Status::NoMemory)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let host = report(&hyp, PoolHolder::Host)?;
    ensure!(host.used == host.limit && host.refused > 0, "{host:?}");
    let [hyp_s, guests_s] = others.map(|holder| report(&hyp, holder));
    ensure!([hyp_s?, guests_s?] == before, "{before:?} before");
    let guest_s = page(world, 1).address();
    hyp.own(guest_s, 1, GUEST)?;
    let theirs = guests::alloc(world, &hyp, GUEST)?;
    guests::map(&hyp, theirs, world.iova(0), guest_s)?;
    guests::free(&hyp, theirs)?;
    hyp.disown(guest_s, 1, GUEST)?;
    seen!("no memory for the kernel after {tables} tables; the others' as before, and a guest maps")
}
