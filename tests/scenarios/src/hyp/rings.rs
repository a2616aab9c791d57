// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings of a kernel that has a hypervisor above it.

use crate::{
    dma::rings::{buffers, make},
    ensure,
    scenario::{Audience::Test, Outcome, Scenario, refused},
    seen,
    world::{PAGE, World},
};
use ffa_abi::{PageOwner, PhysAddr, Status};
use nwd::{hyp::MoveError, memory, ring};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "ring-of-guest-pages",
    claim: "A guest's page becomes no ring, and a ring's page becomes no guest's",
    expected: "denied, and reclaimed; busy while the ring is open, taken when it is closed",
    audience: Test,
    cores: 1,
    run: guest_pages,
}];

const GUEST: PageOwner = PageOwner::Guest(3);

fn guest_pages(world: &mut World) -> Outcome {
    let (hyp, page) = (world.hyp()?, world.page(60).address());
    hyp.own(page, 1, GUEST)?;
    // The manager knows nothing of guests. The first page is the kernel's, the second is not.
    let first = PhysAddr(page.0 - PAGE);
    let shared = ring::share(world.iommu.partition(), &[(first.0, 2)], &buffers(world))?;
    refused("a guest's page", ring::open(world.iommu, shared), Status::Denied)?;
    memory::reclaim(shared)?;
    ensure!(hyp.page(first)?.pins == 0, "{:?}", hyp.page(first)?);
    hyp.disown(page, 1, GUEST)?;
    let ring = make(world)?;
    let at = world.page(106).address();
    ensure!(hyp.page(at)?.pins == 1, "{:?}", hyp.page(at)?);
    let busy = hyp.own(at, 1, GUEST);
    ensure!(busy == Err(MoveError::InTheWay(Status::Busy, at.0)), "a ring's page: {busy:?}");
    ring.close()?;
    hyp.own(at, 1, GUEST)?;
    hyp.disown(at, 1, GUEST)?;
    seen!("denied and reclaimed; busy while open, taken when closed")
}
