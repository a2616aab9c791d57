// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs in which the partition for tests was left out by firmware, because its package is wrong on purpose.

use crate::{
    ensure, platform,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use arm_ffa::FfaError;
use nwd::ffa::{self, CallError};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "partition-left-out",
    claim: "A partition that firmware refused is not there, and the service is",
    expected: "not found by its UUID; messages to it are refused; the service's DMA works",
    audience: Test,
    cores: 1,
    run: left_out,
}];

fn left_out(world: &mut World) -> Outcome {
    ensure!(world.test_sp.is_none(), "found as {:x?}", world.test_sp);
    let answer = ffa::direct(platform::TEST_SP_ID, [0; 5]);
    ensure!(answer == Err(CallError::Ffa(FfaError::InvalidParameters)), "a message to it: {answer:x?}");
    let (page, iova) = (world.page(0), world.iova(0x6_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("mapped", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, page.size())?;
    require("unmapped", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    seen!("not found, messages refused; the service: all bytes arrived, none after unmap")
}
