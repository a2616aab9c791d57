// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hostile host tries: this program runs at EL1, above the hypervisor of `tests/hypervisor`.
//!
//! A scenario is one attack here: its claim says which, `expected` what is tried, and what was seen is what stopped it.
//! Each has its control: the same, allowed, works. Whether an attack came through, the guest tells, whose pages the host
//! cannot look into.

mod again;
mod bus;
mod descriptors;
mod guest;
mod guest_device;
mod hidden;
mod identity;
mod masters;
mod moves;
mod pages;
mod race;
mod rings;
mod roles;
mod sharing;
mod system;
mod untried;
mod versions;

use crate::{
    report,
    scenario::{Scenario, run_all},
    world::World,
};

const ALL: &[&[Scenario]] = &[
    again::FIRST,
    pages::SCENARIOS,
    moves::SCENARIOS,
    identity::SCENARIOS,
    guest_device::SCENARIOS,
    race::SCENARIOS,
    roles::SCENARIOS,
    versions::SCENARIOS,
    hidden::SCENARIOS,
    masters::SCENARIOS,
    bus::SCENARIOS,
    sharing::SCENARIOS,
    descriptors::SCENARIOS,
    rings::SCENARIOS,
    system::SCENARIOS,
    again::SCENARIOS,
];

/// Tries everything that this machine has enough cores for.
pub(crate) fn run(world: &mut World) {
    let cores = world.mailbox.cores;
    let all = || ALL.iter().flat_map(|some| some.iter()).filter(|scenario| scenario.cores <= cores);
    report::plan(all().count());
    run_all(world, all());
    for [name, attack, reason] in untried::ALL {
        report::untried(name, attack, reason);
    }
}
