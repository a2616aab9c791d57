// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages on their way to a guest and back, while devices and other cores are at work.

use super::guest::{Witness, refused_by_service};
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require},
};
use ffa_abi::{DeviceState, Iova, Request, Status};
use nwd::{
    edu::Direction,
    hypercall::{Call, call},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "given-under-way",
        claim: "A page becomes a guest's while a transfer to it is under way",
        expected: "start a transfer; unmap the page and give it to a guest before a byte has moved",
        audience: Test,
        cores: 1,
        run: under_way,
    },
    Scenario {
        name: "blocked-not-unmapped",
        claim: "A page becomes a guest's while a blocked device's domain still has it",
        expected: "block the device, give the page away, attach again",
        audience: Test,
        cores: 1,
        run: blocked,
    },
    Scenario {
        name: "straddling",
        claim: "A mapping that runs from the host's memory into a guest's",
        expected: "map four pages of which the third is a guest's; DMA to each",
        audience: Test,
        cores: 1,
        run: straddling,
    },
    Scenario {
        name: "shared-and-unshared",
        claim: "A page that a guest shared is kept when the guest ends it",
        expected: "map a shared page; the guest ends the sharing, and is given back, while it is mapped; after unmap",
        audience: Test,
        cores: 1,
        run: unshared,
    },
    Scenario {
        name: "freed-domain",
        claim: "A domain's number used again with a warm TLB",
        expected: "write by DMA, free the domain, give its page to a guest, write in a new domain with the same address",
        audience: Test,
        cores: 1,
        run: freed,
    },
];

fn under_way(world: &mut World) -> Outcome {
    const TRIES: u32 = 10;
    let (page, iova) = (world.page(20), world.iova(0x8_0000));
    let domain = world.attached_domain()?;
    for _ in 0..TRIES {
        world.map(domain, iova, &page, READ_WRITE)?;
        let pattern = world.load()?;
        let before = world.put(&pattern, iova, &page)?;
        require("before", before, Arrival::All)?;
        world.device.start(Direction::ToRam, iova, 0, TRANSFER_COUNT)?;
        world.iommu.unmap(domain, iova, PAGE)?;
        let guest = Witness::guest(world, &page)?;
        let in_time = world.device.is_busy();
        world.device.finish()?;
        guest.unharmed("a transfer under way")?;
        if in_time {
            return seen!(
                "the SMMU has forgotten the page before the guest has it; without a move: {before}"
            );
        }
    }
    Err(Failure::new(format_args!("{TRIES} transfers were over before the page was given")))
}

fn blocked(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(20), world.iova(0x8_1000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.set(DeviceState::Blocked)?;
    let given = call(Call::Give, page.address().0, 0);
    refused_by_service("given away", given, Status::Busy, &page)?;
    require("blocked", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    world.set(DeviceState::Paging(domain))?;
    let after = world.put(&pattern, iova, &page)?;
    require("attached again", after, Arrival::All)?;
    seen!("busy: a mapping holds its page, whether a device uses it or not; attached again: {after}")
}

fn straddling(world: &mut World) -> Outcome {
    const PAGES: u64 = 4;
    let iova = world.iova(0x8_2000);
    let pages = [20, 21, 22, 23].map(|index| world.page(index));
    let [first, _, third, _] = pages;
    let domain = world.attached_domain()?;
    let guest = Witness::guest(world, &third)?;
    let map = Request::Map { domain, iova, pa: first.address(), size: PAGES * PAGE, protection: READ_WRITE };
    let [mapped, ..] = world.iommu.request(map)?;
    ensure!(mapped == 2 * PAGE, "{mapped:#x} bytes were mapped");
    let pattern = world.load()?;
    let mut arrived = 0;
    for (index, page) in pages.iter().enumerate() {
        let at = Iova(iova.0 + index as u64 * PAGE);
        if page.address() == guest.address() {
            world.device.write_ram(at, 0, TRANSFER_COUNT)?;
            continue;
        }
        let wanted = if index < 2 { Arrival::All } else { Arrival::Nothing };
        require("a page of the host's", world.put(&pattern, at, page)?, wanted)?;
        arrived += usize::from(wanted == Arrival::All);
    }
    guest.unharmed("the third page")?;
    seen!(
        "the service maps up to the guest's page, and no further; {arrived} pages before it: all bytes arrived"
    )
}

fn unshared(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(24), world.iova(0x8_6000));
    let mut guest = Witness::guest(world, &page)?;
    let at = page.address().0;
    let domain = world.attached_domain()?;
    refused("before", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    call(Call::Share, at, 0)?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let shared = world.put(&pattern, iova, &page)?;
    require("shared", shared, Arrival::All)?;
    refused_by_service("ended while mapped", call(Call::Unshare, at, 0), Status::Busy, &page)?;
    refused_by_service("given back while mapped", call(Call::TakeBack, at, 0), Status::Busy, &page)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    call(Call::Unshare, at, 0)?;
    guest.refill(world)?;
    refused("after", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    guest.unharmed("after it was ended")?;
    seen!(
        "busy while it is mapped, so the guest knows; after unmap the SMMU stops it; while shared: {shared}"
    )
}

fn freed(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(25), world.iova(0x8_7000));
    let mut rounds = 0;
    for _ in 0..4 {
        let old = world.attached_domain()?;
        world.map(old, iova, &page, READ_WRITE)?;
        let pattern = world.load()?;
        require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
        world.set(DeviceState::Blocked)?;
        world.iommu.free(old)?;
        world.forget(old);
        let guest = Witness::guest(world, &page)?;
        let new = world.attached_domain()?;
        world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
        guest.unharmed("through what the old domain had")?;
        world.set(DeviceState::Blocked)?;
        world.iommu.free(new)?;
        world.forget(new);
        rounds += 1;
    }
    seen!(
        "{rounds} times: the SMMU forgets a domain before its number is given again; before each: all bytes arrived"
    )
}
