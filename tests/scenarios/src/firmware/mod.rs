// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What firmware underneath the service promises: FF-A calls, and registers that stay whose they are.

mod aborts;
mod calls;
mod context;
mod discovery;
mod memory;
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
    random::SCENARIOS,
    secrets::SCENARIOS,
    context::SCENARIOS,
];

/// What leaves a partition stopped.
pub(crate) const LAST: &[&[Scenario]] = &[aborts::SCENARIOS];

/// What test-sp does with a message: its protocol's commands, x3 of a request.
mod command {
    pub(super) const ECHO: u64 = 0;
    pub(super) const READ: u64 = 1;
    pub(super) const POISON: u64 = 2;
    pub(super) const CHECK: u64 = 3;
    pub(super) const REPORT: u64 = 4;
    pub(super) const UNDEFINED: u64 = 5;
    pub(super) const CALL: u64 = 7;
    pub(super) const PREPARE_CALL: u64 = 8;
    pub(super) const CALL_RESULTS: u64 = 9;
    pub(super) const HYPERCALL: u64 = 10;
    pub(super) const RETRIEVE: u64 = 11;
    pub(super) const RELINQUISH: u64 = 12;
    pub(super) const SEND: u64 = 13;
    pub(super) const RECLAIM: u64 = 14;
}
