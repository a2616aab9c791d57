// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices that are to reach pages which are not the host's.

use super::{
    guest::{Witness, refused_by_service},
    hidden::control,
};
use crate::{
    scenario::{Audience::Test, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::Status;
use nwd::hypercall::{Call, call};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "guest-page",
        claim: "DMA to a guest's page",
        expected: "map it; write to where it would be mapped, and to its physical address",
        audience: Test,
        cores: 1,
        run: guest_page,
    },
    Scenario {
        name: "hypervisor-page",
        claim: "DMA to the hypervisor's memory",
        expected: "map it; write to where it would be mapped, and to its physical address",
        audience: Test,
        cores: 1,
        run: hypervisor_page,
    },
    Scenario {
        name: "page-moved-while-mapped",
        claim: "A page becomes a guest's while a device has it",
        expected: "give it away while it is mapped; unmap, give it away, write to the old mapping with a warm TLB",
        audience: Test,
        cores: 1,
        run: moved_while_mapped,
    },
];

fn guest_page(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x6_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let before = world.put(&pattern, iova, &page)?;
    require("the host's own page", before, Arrival::All)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    let guest = Witness::guest(world, &page)?;
    refused("mapping it", world.map(domain, iova, &page, READ_WRITE), Status::Denied)?;
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    guest.unharmed("a write to where it would be mapped")?;
    world.device.write_ram(untranslated(guest.address()), 0, TRANSFER_COUNT)?;
    guest.unharmed("a write to its physical address")?;
    drop(guest);
    world.map(domain, iova, &page, READ_WRITE)?;
    let after = world.put(&pattern, iova, &page)?;
    require("the host's again", after, Arrival::All)?;
    seen!(
        "the service denies the mapping, the SMMU stops the writes; the host's own, before and after: {after}"
    )
}

fn hypervisor_page(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x6_6000));
    let arrival = control(world, iova, &page)?;
    let target = Witness::hypervisor(world)?;
    let domain = world.attached_domain()?;
    let mapped = world.iommu.map(domain, iova, target.address(), PAGE, READ_WRITE);
    refused("mapping it", mapped, Status::Denied)?;
    for at in [iova, untranslated(target.address())] {
        world.device.write_ram(at, 0, TRANSFER_COUNT)?;
        target.unharmed("a write")?;
    }
    seen!("the service denies the mapping, the SMMU stops the writes; the host's own: {arrival}")
}

fn moved_while_mapped(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(1), world.iova(0x6_1000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("mapped", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let given = call(Call::Give, page.address().0, 0);
    refused_by_service("given while mapped", given, Status::Busy, &page)?;
    let control = world.put(&pattern, iova, &page)?;
    require("still the host's", control, Arrival::All)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    let guest = Witness::guest(world, &page)?;
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    guest.unharmed("a write through the old translation")?;
    seen!(
        "mapped: busy, it stays the host's, {control}; unmapped: the SMMU has forgotten it, no byte arrives"
    )
}
