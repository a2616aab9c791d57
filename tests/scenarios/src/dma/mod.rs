// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device's DMA reaches: the service's promise, seen in bytes.

mod bounds;
mod devices;
mod dispute;
mod domains;
mod flood;
mod interrupts;
mod interrupts_elsewhere;
mod memory;
mod messages;
mod others;
mod parallel;
pub(crate) mod rings;
mod sizes;
mod transfers;
mod unasked;

use crate::scenario::Scenario;

/// In the order in which they are told; the first one needs a service that was asked nothing yet.
pub(crate) const SCENARIOS: &[&[Scenario]] = &[
    unasked::SCENARIOS,
    transfers::SCENARIOS,
    bounds::SCENARIOS,
    devices::SCENARIOS,
    memory::SCENARIOS,
    domains::SCENARIOS,
    messages::SCENARIOS,
    sizes::SCENARIOS,
    rings::SCENARIOS,
    flood::SCENARIOS,
    interrupts::SCENARIOS,
    interrupts_elsewhere::SCENARIOS,
    parallel::SCENARIOS,
    dispute::SCENARIOS,
];
