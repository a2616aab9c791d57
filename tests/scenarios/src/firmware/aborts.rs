// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that faults is stopped, and nobody else is.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use arm_ffa::FfaError;
use nwd::ffa::{self, CallError};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "partition-fault",
    claim: "A partition that faults is stopped, its callers are told, and the service goes on",
    expected: "answers before; ABORTED for the fault and for every message after; the service's DMA works",
    audience: Test,
    cores: 1,
    run: fault,
}];

fn fault(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let (page, iova) = (world.page(0), world.iova(0x5_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let before = ffa::direct(to, [command::ECHO, 1, 2, 3, 4])?;
    ensure!(before == [command::ECHO, 1, 2, 3, 4], "before: {before:x?}");
    // By an address that is not the partition's, or by an instruction that is none: it can be stopped only once a run.
    let cause = if world.mailbox.cores == 1 {
        [command::READ, 0x7_dead_0000, 0, 0, 0]
    } else {
        [command::UNDEFINED, 0, 0, 0, 0]
    };
    let aborted = Err(CallError::Ffa(FfaError::Aborted));
    let answer = ffa::direct(to, cause);
    ensure!(answer == aborted, "the faulting message: {answer:x?}");
    for _ in 0..3 {
        let answer = ffa::direct(to, [command::ECHO, 1, 2, 3, 4]);
        ensure!(answer == aborted, "a message afterwards: {answer:x?}");
    }
    require("the service, afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, page.size())?;
    require("and after unmap", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    seen!("ABORTED, four times; the service's transfers go on")
}
