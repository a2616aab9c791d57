// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that sees the kernel's memory where it is.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, World, describe, require, untranslated},
};
use ffa_abi::{DeviceState, FaultKind, PhysAddr, Status};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "identity",
        claim: "A device set to identity sees the kernel's memory at its own addresses, and nothing else",
        expected: "all bytes without any mapping; none when blocked; faults for the pool, SMMU frame, holes",
        audience: Everyone,
        cores: 1,
        run: identity,
    },
    Scenario {
        name: "identity-denied",
        claim: "Identity is for devices of which the policy says so",
        expected: "denied for one that may only be given domains, for nobody's and for an unknown one",
        audience: Everyone,
        cores: 1,
        run: denied,
    },
];

fn identity(world: &mut World) -> Outcome {
    let page = world.page(3);
    let at = untranslated(page.address());
    let pattern = world.load()?;
    world.say(format_args!("   Nothing is mapped. The device uses the page's own address."));
    require("blocked", world.put(&pattern, at, &page)?, Arrival::Nothing)?;
    world.set(DeviceState::Identity)?;
    let seen = world.put(&pattern, at, &page)?;
    require("identity", seen, Arrival::All)?;
    require("reading", world.get(at, &page)?, Arrival::All)?;
    let edges = platform::MANAGED.iter().flat_map(|(base, size)| [base - PAGE, base + size]);
    let outside = [platform::POOL.0, platform::SMMU_FRAME.0, platform::HOLE.0].into_iter().chain(edges);
    let mut places = 0;
    for place in outside.map(|place| untranslated(PhysAddr(place))) {
        places += 1;
        // A transfer may be reported more than once.
        world.drain_faults()?;
        world.device.write_ram(place, 0, 8)?;
        let fault = world.fault_of(world.device.stream())?;
        let Some(fault) = fault else {
            return Err(Failure::new(format_args!("{:#x}: nothing was reported", place.0)));
        };
        let stopped = matches!(fault.kind, FaultKind::Translation | FaultKind::AddressSize);
        ensure!(stopped && fault.iova == place, "{:#x}: {}", place.0, describe(&fault));
    }
    let pattern = world.load()?;
    world.set(DeviceState::Blocked)?;
    let after = world.put(&pattern, at, &page)?;
    require("blocked again", after, Arrival::Nothing)?;
    seen!("{seen}; blocked: {after}; {places} places outside are stopped")
}

fn denied(world: &mut World) -> Outcome {
    let (iommu, smmu) = (world.iommu, world.smmu());
    let others = platform::DEVICES.iter().skip(1).map(|device| device.first_stream_id);
    let mut count = 0;
    for sid in others.chain([platform::OUTSIDE_STREAM_ID]) {
        let outcome = iommu.set_state(smmu, ffa_abi::StreamId(sid), DeviceState::Identity);
        refused("identity", outcome, Status::Denied)?;
        count += 1;
    }
    let page = world.page(3);
    let at = untranslated(page.address());
    let nobodys = world.nobodys;
    let moved = world.put_by(&nobodys, at, &page)?;
    require("nobody's device", moved, Arrival::Nothing)?;
    seen!("{count} devices denied; nobody's: {moved}")
}
