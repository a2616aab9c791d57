// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a device's DMA reaches: the service's promise, seen in bytes.

mod bounds;
mod call_pages;
mod cores;
pub(crate) mod devices;
pub(crate) mod dispute;
pub(crate) mod domains;
pub(crate) mod flood;
mod identity;
mod interrupts;
mod interrupts_elsewhere;
mod interrupts_shut;
pub(crate) mod memory;
pub(crate) mod messages;
mod nested;
pub(crate) mod others;
pub(crate) mod parallel;
pub(crate) mod rings;
mod sizes;
mod tampering;
pub(crate) mod transfers;
pub(crate) mod unasked;

use crate::scenario::Scenario;

/// In the order in which they are told; the first one needs a service that was asked nothing yet.
pub(crate) const SCENARIOS: &[&[Scenario]] = &[
    unasked::SCENARIOS,
    transfers::SCENARIOS,
    bounds::SCENARIOS,
    devices::SCENARIOS,
    memory::SCENARIOS,
    domains::SCENARIOS,
    identity::SCENARIOS,
    nested::SCENARIOS,
    messages::SCENARIOS,
    sizes::SCENARIOS,
    rings::SCENARIOS,
    call_pages::SCENARIOS,
    flood::SCENARIOS,
    interrupts::SCENARIOS,
    interrupts_elsewhere::SCENARIOS,
    interrupts_shut::SCENARIOS,
    cores::SCENARIOS,
    parallel::SCENARIOS,
    dispute::SCENARIOS,
    tampering::SCENARIOS,
];
