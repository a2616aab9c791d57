// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A system with a hypervisor: this program is it, and the kernel above it, which has no key.

mod faults;
mod guests;
mod identity;
mod pages;
mod pools;
mod rings;
mod role;

use crate::scenario::Scenario;

/// In the order in which they are told: until the second one the role is not claimed, and it is claimed once.
pub(crate) const SCENARIOS: &[&[Scenario]] = &[
    role::SCENARIOS,
    pages::SCENARIOS,
    identity::SCENARIOS,
    guests::SCENARIOS,
    pools::SCENARIOS,
    rings::SCENARIOS,
    faults::SCENARIOS,
];
