// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that does nothing but fault.

use crate::{
    ensure,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, describe, require},
};
use ffa_abi::{FaultKind, Iova};
use nwd::edu;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "fault-flood",
    claim: "Thousands of stopped transfers cost the service nothing but reports, and those are counted",
    expected: "reports and a count of dropped ones; then a transfer works, and a new fault is reported",
    audience: Everyone,
    cores: 1,
    run: flood,
}];

/// Transfers of the device's whole buffer.
const TRANSFERS: u64 = 6;

pub(crate) fn flood(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x3_0000));
    let nowhere = world.iova(0x1000_0000);
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.drain_faults()?;

    world.say(format_args!(
        "   The device is sent to an unmapped address, a page at a time: each 4 bytes are a fault."
    ));
    for index in 0..TRANSFERS {
        world.device.write_ram(Iova(nowhere.0 + index * PAGE), 0, edu::BUFFER_SIZE)?;
    }
    let (mut reports, mut dropped) = (0_u64, 0_u64);
    loop {
        let report = world.iommu.fault()?;
        dropped = dropped.saturating_add(report.dropped);
        let Some(fault) = report.fault else { break };
        reports += 1;
        let inside = fault.iova.0.checked_sub(nowhere.0).is_some_and(|offset| offset < TRANSFERS * PAGE);
        ensure!(
            fault.sid == world.device.stream() && inside && fault.kind == FaultKind::Translation,
            "a report that is not of this flood: {}",
            describe(&fault)
        );
        ensure!(reports <= TRANSFERS * PAGE, "reports do not end");
    }
    ensure!(reports > 0, "no report of {TRANSFERS} stopped transfers");
    ensure!(dropped > 0, "{reports} reports, and nothing counted as dropped");
    require("after", world.put(&pattern, iova, &page)?, Arrival::All)?;
    require("beyond", world.put(&pattern, nowhere, &world.page(1))?, Arrival::Nothing)?;
    let Some(fault) = world.fault_of(world.device.stream())? else {
        return Err(Failure::new(format_args!("a fault after the flood was not reported")));
    };
    ensure!(fault.iova == nowhere && fault.kind == FaultKind::Translation, "{}", describe(&fault));
    seen!(
        "{reports} reports, {dropped} counted as dropped; then all bytes arrived, and a new fault was reported"
    )
}
