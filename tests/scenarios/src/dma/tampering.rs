// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Somebody in the normal world writes the SMMU's registers, which nobody keeps from it here.

use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    smmu::{CR0, GBPA, open, switch_off},
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use ffa_abi::{Iova, PowerHint, SmmuRegisters, SmmuState, Status};
use nwd::iommu::IommuError;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "smmu-switched-off",
        claim: "An SMMU that somebody switches off lets nothing pass, and is as it was once the service looks at it",
        expected: "no byte arrives while it is off; it is noticed and told; then the old mapping works, and nothing else",
        audience: Test,
        cores: 1,
        run: switched_off,
    },
    Scenario {
        name: "smmu-off-under-unmap",
        claim: "What cannot be unmapped because the SMMU was switched off is not let go, and is unmapped once it works",
        expected: "HARDWARE; reports asked for until it works; then the unmap works, and nothing arrives",
        audience: Test,
        cores: 1,
        run: under_unmap,
    },
    Scenario {
        name: "smmu-opened",
        claim: "DMA that somebody let pass at the SMMU's registers ends when the service is asked to compare them",
        expected: "a transfer to any address arrives before, and none after; both registers are named",
        audience: Test,
        cores: 1,
        run: opened,
    },
];

fn switched_off(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x6_0000));
    let (smmu, beyond) = (world.smmu(), world.iova(0x7_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let before = world.iommu.smmu(smmu)?;
    ensure!(world.iommu.check(smmu, PowerHint::Goes)?.is_empty(), "something differs before");
    let control = CR0.read()?;
    switch_off()?;
    require("while it is off", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    let differed = world.iommu.check(smmu, PowerHint::Returned)?;
    ensure!(differed == SmmuRegisters::CR0, "{differed:?} differed");
    ensure!(CR0.read()? == control, "CR0 was {control:#x}, and is {:#x}", CR0.read()?);
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    require("beyond", world.put(&pattern, beyond, &world.page(1))?, Arrival::Nothing)?;
    let after = world.iommu.smmu(smmu)?;
    let counted =
        (after.rebuilt - before.rebuilt, after.lost - before.lost, after.tampered - before.tampered);
    ensure!(after.state == SmmuState::Works && counted == (1, 1, 0), "{after:?}");
    world.drain_faults()?;
    seen!(
        "nothing arrived while it was off; {differed:?} was noticed; then all bytes arrived, and none beyond"
    )
}

fn under_unmap(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x6_0000));
    let smmu = world.smmu();
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let before = world.iommu.smmu(smmu)?;
    switch_off()?;
    let refused = world.iommu.unmap(domain, iova, PAGE);
    ensure!(matches!(refused, Err(IommuError::Status(Status::Hardware))), "{refused:?}");
    let failed = world.iommu.smmu(smmu)?;
    ensure!(
        failed.state == SmmuState::Differed && failed.tampered == before.tampered + 1,
        "{failed:?} after {refused:?}"
    );
    let mut polls = 0;
    while world.iommu.smmu(smmu)?.state != SmmuState::Works {
        // What it answers meanwhile is that the SMMU has failed.
        let _: Result<_, IommuError> = world.iommu.fault();
        polls += 1;
        ensure!(polls < 100, "it does not work after {polls} polls");
    }
    world.drain_faults()?;
    world.iommu.unmap(domain, iova, PAGE)?;
    require("unmapped", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    world.map(domain, iova, &page, READ_WRITE)?;
    require("mapped again", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.drain_faults()?;
    seen!(
        "HARDWARE; works after {polls} poll(s); unmapped then, and nothing arrived until it was mapped again"
    )
}

fn opened(world: &mut World) -> Outcome {
    let (page, smmu) = (world.page(2), world.smmu());
    let address = Iova(page.address().0);
    let pattern = world.load()?;
    world.attached_domain()?;
    require("before", world.put(&pattern, address, &page)?, Arrival::Nothing)?;
    let gate = GBPA.read()?;
    open()?;
    switch_off()?;
    require("while it is open", world.put(&pattern, address, &page)?, Arrival::All)?;
    let differed = world.iommu.check(smmu, PowerHint::None)?;
    let both = SmmuRegisters::CR0 | SmmuRegisters::GBPA;
    ensure!(differed == both, "{differed:?} differed");
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, address, &page)?, Arrival::Nothing)?;
    ensure!(GBPA.read()? == gate, "GBPA was {gate:#x}, and is {:#x}", GBPA.read()?);
    world.drain_faults()?;
    seen!("all bytes arrived while it was open; {differed:?} were noticed; then none")
}
