// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What firmware underneath the service promises: FF-A calls, and registers that stay whose they are.

mod aborts;
mod calls;
mod context;
mod discovery;
mod interrupts;
pub(crate) mod memory;
mod messages;
mod notifications;
mod random;
mod secrets;

use crate::scenario::Scenario;

/// In the order in which they run; a partition that was stopped stays so, hence `aborts` is last.
pub(crate) const SCENARIOS: &[&[Scenario]] = &[
    calls::SCENARIOS,
    discovery::SCENARIOS,
    messages::SCENARIOS,
    notifications::SCENARIOS,
    memory::SCENARIOS,
    interrupts::SCENARIOS,
    random::SCENARIOS,
    secrets::SCENARIOS,
    context::SCENARIOS,
];

/// What does not depend on who runs the partitions.
pub(crate) const OF_THE_MACHINE: &[Scenario] = secrets::SCENARIOS;

/// What leaves a partition stopped.
pub(crate) const LAST: &[&[Scenario]] = &[aborts::SCENARIOS];

/// What test-sp does with a message: its protocol's commands, x3 of a request.
pub(crate) mod command {
    pub(crate) const ECHO: u64 = 0;
    pub(crate) const READ: u64 = 1;
    pub(crate) const POISON: u64 = 2;
    pub(crate) const CHECK: u64 = 3;
    pub(crate) const REPORT: u64 = 4;
    pub(crate) const UNDEFINED: u64 = 5;
    pub(crate) const CALL: u64 = 7;
    pub(crate) const PREPARE_CALL: u64 = 8;
    pub(crate) const CALL_RESULTS: u64 = 9;
    pub(crate) const HYPERCALL: u64 = 10;
    pub(crate) const RETRIEVE: u64 = 11;
    pub(crate) const RELINQUISH: u64 = 12;
    pub(crate) const SEND: u64 = 13;
    pub(crate) const RECLAIM: u64 = 14;
    pub(crate) const ARM_TIMER: u64 = 15;
    pub(crate) const LATENESS: u64 = 16;
}
