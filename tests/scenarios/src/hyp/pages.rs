// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages that the hypervisor takes from the kernel: seen in what the kernel's device can write to.

use crate::{
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use ffa_abi::{HypRequest, PageOwner, Pages, PhysAddr, Status};
use nwd::hyp::{Hyp, MoveError};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "page-taken",
        claim: "A page that the hypervisor takes for a guest cannot be mapped by the kernel, and is not taken while mapped",
        expected: "mapped: all bytes arrive, busy; unmapped: taken, mapping denied, none arrive; given back: all arrive",
        audience: Test,
        cores: 1,
        run: taken,
    },
    Scenario {
        name: "page-shared",
        claim: "A guest shares a page with the kernel, and ends that only when no device has it",
        expected: "denied, then all bytes arrive, busy while mapped, then denied again",
        audience: Test,
        cores: 1,
        run: shared,
    },
    Scenario {
        name: "pages-undone",
        claim: "A long range is taken by many calls, and all is undone where one page is in the way",
        expected: "the page is named; what was taken is the kernel's again, in blocks; without it all is taken",
        audience: Test,
        cores: 1,
        run: undone,
    },
    Scenario {
        name: "pages-foreign",
        claim: "Nobody takes what is not the kernel's: the pool, SMMU frames, secure memory, holes",
        expected: "denied for each; also for pages that are taken already, and without the key",
        audience: Test,
        cores: 1,
        run: foreign,
    },
];

const GUEST: PageOwner = PageOwner::Guest(1);

pub(super) fn in_the_way(
    what: &str,
    result: Result<(), MoveError>,
    status: Status,
    at: PhysAddr,
) -> Result<(), Failure> {
    match result {
        Err(MoveError::InTheWay(seen, page)) if (seen, page) == (status, at.0) => Ok(()),
        Err(error) => Err(Failure::new(format_args!("{what}: {error}, not {status:?} at {:#x}", at.0))),
        Ok(()) => Err(Failure::new(format_args!("{what}: done, not {status:?} at {:#x}", at.0))),
    }
}

fn one(first: PhysAddr) -> Pages {
    Pages { first, count: 1 }
}

fn taken(world: &mut World) -> Outcome {
    let (hyp, page, iova) = (world.hyp()?, world.page(0), world.iova(0x6_0000));
    let at = page.address();
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let before = world.put(&pattern, iova, &page)?;
    require("mapped", before, Arrival::All)?;
    in_the_way("taken while mapped", hyp.own(at, 1, GUEST), Status::Busy, at)?;
    ensure!(hyp.page(at)?.pins == 1, "{:?}", hyp.page(at)?);
    world.iommu.unmap(domain, iova, PAGE)?;
    hyp.own(at, 1, GUEST)?;
    refused("mapping it", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    let meanwhile = world.put(&pattern, iova, &page)?;
    require("taken", meanwhile, Arrival::Nothing)?;
    let state = hyp.page(at)?;
    ensure!(state.owner == GUEST && !state.host_access, "{state:?}");
    in_the_way("taken by another", hyp.own(at, 1, PageOwner::Hyp), Status::Denied, at)?;
    in_the_way("given by another", hyp.disown(at, 1, PageOwner::Guest(2)), Status::Denied, at)?;
    hyp.disown(at, 1, GUEST)?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let after = world.put(&pattern, iova, &page)?;
    require("given back", after, Arrival::All)?;
    seen!("mapped: {before}, busy; taken: denied, {meanwhile}; given back: {after}")
}

fn shared(world: &mut World) -> Outcome {
    let (hyp, page, iova) = (world.hyp()?, world.page(1), world.iova(0x6_1000));
    let at = page.address();
    let domain = world.attached_domain()?;
    let pattern = world.load()?;
    hyp.own(at, 1, GUEST)?;
    refused("before", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    hyp.change(HypRequest::Share(one(at), GUEST))?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let meanwhile = world.put(&pattern, iova, &page)?;
    require("shared", meanwhile, Arrival::All)?;
    let unshare = || hyp.change(HypRequest::Unshare(one(at), GUEST));
    in_the_way("unshared while mapped", unshare(), Status::Busy, at)?;
    in_the_way("given back while mapped", hyp.disown(at, 1, GUEST), Status::Busy, at)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    unshare()?;
    refused("after", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    require("unshared", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    hyp.disown(at, 1, GUEST)?;
    seen!("denied before; shared: {meanwhile}, busy while mapped; denied after")
}

fn undone(world: &mut World) -> Outcome {
    const BLOCK: u64 = 512 * PAGE;
    // From a block on, four and a half of them.
    const COUNT: u64 = 4 * 512 + 256;
    let (hyp, domain) = (world.hyp()?, world.attached_domain()?);
    let first = PhysAddr(platform::SCRATCH.0 + 8 * BLOCK);
    let obstacle = PhysAddr(first.0 + 3 * BLOCK + 17 * PAGE);
    let iova = world.iova(0x4000_0000);
    world.iommu.map(domain, iova, obstacle, PAGE, READ_WRITE)?;
    in_the_way("a range with a page that is mapped", hyp.own(first, COUNT, GUEST), Status::Busy, obstacle)?;
    for page in [0, 1, 511, 512, 3 * 512 - 1, 3 * 512, COUNT - 1] {
        let state = hyp.page(PhysAddr(first.0 + page * PAGE))?;
        ensure!(state.owner == PageOwner::Host && state.pins == 0, "page {page}: {state:?}");
    }
    // All of it is the kernel's again, as blocks too.
    world.iommu.map(domain, world.iova(0x4020_0000), first, 3 * BLOCK, READ_WRITE)?;
    in_the_way("a range that is mapped", hyp.own(first, COUNT, GUEST), Status::Busy, first)?;
    world.iommu.unmap(domain, world.iova(0x4020_0000), 3 * BLOCK)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    hyp.own(first, COUNT, GUEST)?;
    for page in [0, 511, 512, COUNT - 1] {
        let memory = PhysAddr(first.0 + page * PAGE);
        refused("a page of it", world.iommu.map(domain, iova, memory, PAGE, READ_WRITE), Status::Denied)?;
    }
    hyp.disown(first, COUNT, GUEST)?;
    world.iommu.map(domain, iova, first, 4 * BLOCK, READ_WRITE)?;
    world.iommu.unmap(domain, iova, 4 * BLOCK)?;
    seen!("{COUNT} pages: refused at page {}, undone; then taken, and given back", 3 * 512 + 17)
}

fn foreign(world: &mut World) -> Outcome {
    let (hyp, free) = (world.hyp()?, world.page(2).address());
    let pool = PhysAddr(platform::POOL.0);
    let places =
        [pool.0, platform::SMMU_FRAME.0, platform::SECURE_RAM.0, platform::HOLE.0, 0xffff_ffff_ffff_f000];
    for place in places.map(PhysAddr) {
        in_the_way("what is not the kernel's", hyp.own(place, 1, GUEST), Status::Denied, place)?;
    }
    ensure!(hyp.page(pool)?.owner == PageOwner::Pool, "{:?}", hyp.page(pool)?);
    hyp.own(free, 1, PageOwner::Hyp)?;
    in_the_way("a page of its own", hyp.own(free, 1, GUEST), Status::Denied, free)?;
    hyp.disown(free, 1, PageOwner::Hyp)?;
    let misaligned = PhysAddr(free.0 + 8);
    in_the_way("half a page", hyp.own(misaligned, 1, GUEST), Status::Misaligned, misaligned)?;
    let none = HypRequest::Own(Pages { first: free, count: 0 }, GUEST);
    in_the_way("no page", hyp.change(none), Status::OutOfRange, free)?;
    let stranger = Hyp::with_key(world.iommu, ffa_abi::Key::from_registers([world.random.word(), 0]));
    in_the_way("a guessed key", stranger.own(free, 1, GUEST), Status::WrongKey, PhysAddr(0))?;
    ensure!(hyp.page(free)?.owner == PageOwner::Host, "{:?}", hyp.page(free)?);
    seen!("{} places denied, as are pages that are taken; a guessed key moves nothing", places.len())
}
