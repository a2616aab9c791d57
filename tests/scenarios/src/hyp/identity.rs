// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages that the hypervisor takes from under a device that sees all of the kernel's memory.

use super::pages::in_the_way;
use crate::{
    ensure, platform,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require, untranslated},
};
use ffa_abi::{DeviceState, HypRequest, PageOwner, Pages, PhysAddr, Status};
use nwd::ram::Ram;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "identity-follows",
        claim: "A page that is taken is out of reach of a device set to identity when the call returns",
        expected: "all bytes arrive before, none after, all when it is shared or given back; its neighbours always",
        audience: Test,
        cores: 1,
        run: follows,
    },
    Scenario {
        name: "identity-range",
        claim: "So is each page of a range, whether it begins where a block does or not, and no page beside it",
        expected: "512 pages: none of the bytes at both ends and in the middle, all beside them; all when given back",
        audience: Test,
        cores: 1,
        run: range,
    },
    Scenario {
        name: "identity-no-pin",
        claim: "Identity does not keep a page from being taken; a mapping does, and then identity loses nothing",
        expected: "busy while mapped, all bytes by identity; then taken",
        audience: Test,
        cores: 1,
        run: no_pin,
    },
];

const GUEST: PageOwner = PageOwner::Guest(5);

/// Has the device write to a page at its own address.
fn put(
    world: &mut World,
    pattern: &[u8; crate::world::TRANSFER],
    page: &Ram,
) -> Result<Arrival, crate::scenario::Failure> {
    world.put(pattern, untranslated(page.address()), page)
}

fn follows(world: &mut World) -> Outcome {
    let (hyp, page, next) = (world.hyp()?, world.page(4), world.page(5));
    let at = page.address();
    let one = Pages { first: at, count: 1 };
    let pattern = world.load()?;
    world.set(DeviceState::Identity)?;
    for _ in 0..2 {
        let before = put(world, &pattern, &page)?;
        require("the kernel's", before, Arrival::All)?;
        hyp.own(at, 1, GUEST)?;
        let after = put(world, &pattern, &page)?;
        require("taken", after, Arrival::Nothing)?;
        require("the one beside it", put(world, &pattern, &next)?, Arrival::All)?;
        hyp.change(HypRequest::Share(one, GUEST))?;
        require("shared", put(world, &pattern, &page)?, Arrival::All)?;
        hyp.change(HypRequest::Unshare(one, GUEST))?;
        require("unshared", put(world, &pattern, &page)?, Arrival::Nothing)?;
        hyp.disown(at, 1, GUEST)?;
    }
    let last = put(world, &pattern, &page)?;
    require("given back", last, Arrival::All)?;
    seen!("twice: taken, no byte; shared, all; unshared, none; given back: {last}")
}

fn range(world: &mut World) -> Outcome {
    const BLOCK: u64 = 512 * PAGE;
    let hyp = world.hyp()?;
    let scratch = world.machine.scratch();
    let pattern = world.load()?;
    world.set(DeviceState::Identity)?;
    // In a block, over the end of one, and a block as it is.
    for first in [20 * BLOCK + 3 * PAGE, 23 * BLOCK - PAGE, 26 * BLOCK] {
        let page = |number: u64| scratch.part(first - PAGE + number * PAGE, PAGE);
        let inside = [1, 2, 256, 511, 512].map(page);
        let beside = [0, 513].map(page);
        for page in inside.iter().chain(&beside) {
            require("before", put(world, &pattern, page)?, Arrival::All)?;
        }
        hyp.own(PhysAddr(platform::SCRATCH.0 + first), 512, GUEST)?;
        for page in &inside {
            require("taken", put(world, &pattern, page)?, Arrival::Nothing)?;
        }
        for page in &beside {
            require("beside", put(world, &pattern, page)?, Arrival::All)?;
        }
        hyp.disown(PhysAddr(platform::SCRATCH.0 + first), 512, GUEST)?;
        for page in &inside {
            require("given back", put(world, &pattern, page)?, Arrival::All)?;
        }
    }
    seen!("three ranges of 512 pages: none inside, all beside; all when given back")
}

fn no_pin(world: &mut World) -> Outcome {
    let (hyp, page) = (world.hyp()?, world.page(6));
    let (at, iova) = (page.address(), world.iova(0x9_0000));
    let domain = world.domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    world.set(DeviceState::Identity)?;
    in_the_way("taken while mapped", hyp.own(at, 1, GUEST), Status::Busy, at)?;
    ensure!(hyp.page(at)?.pins == 1, "{:?}", hyp.page(at)?);
    let meanwhile = put(world, &pattern, &page)?;
    require("refused", meanwhile, Arrival::All)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    hyp.own(at, 1, GUEST)?;
    require("taken", put(world, &pattern, &page)?, Arrival::Nothing)?;
    hyp.disown(at, 1, GUEST)?;
    seen!("busy while mapped, {meanwhile}; then taken")
}
