// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that sees all of the host's memory where it is, while pages of it go to a guest.

use super::guest::Witness;
use crate::{
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::DeviceState;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "identity",
    claim: "A guest's page reached by a device set to identity",
    expected: "write to a page by its physical address; give it to a guest, write again, and to the hypervisor's memory",
    audience: Test,
    cores: 1,
    run: identity,
}];

fn identity(world: &mut World) -> Outcome {
    let page = world.page(70);
    let at = untranslated(page.address());
    let pattern = world.load()?;
    world.set(DeviceState::Identity)?;
    require("the host's own page", world.put(&pattern, at, &page)?, Arrival::All)?;
    let target = Witness::hypervisor(world)?;
    world.device.write_ram(untranslated(target.address()), 0, TRANSFER_COUNT)?;
    target.unharmed("the hypervisor's memory")?;
    let guest = Witness::guest(world, &page)?;
    world.device.write_ram(at, 0, TRANSFER_COUNT)?;
    guest.unharmed("through what the device had a moment ago")?;
    drop(guest);
    let after = world.put(&pattern, at, &page)?;
    require("the host's again", after, Arrival::All)?;
    seen!(
        "the service takes the page out before its owner changes; the host's own, before and after: {after}"
    )
}
