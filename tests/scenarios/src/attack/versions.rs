// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was once right: old versions, old messages.

use super::{guest::Witness, roles::still_the_guests};
use crate::{
    ensure,
    scenario::{Audience::Test, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use ffa_abi::{Request, Status};
use nwd::ffa;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "downgrade",
        claim: "Version downgrade",
        expected: "FF-A 1.0, 1.1 and 2.0; three other versions of the protocol; then a guest's page again",
        audience: Test,
        cores: 1,
        run: downgrade,
    },
    Scenario {
        name: "replay",
        claim: "Replay of a message",
        expected: "the same registers that once mapped a page, after their domain was freed and its place used again",
        audience: Test,
        cores: 1,
        run: replay,
    },
];

fn downgrade(world: &mut World) -> Outcome {
    const NOT_SUPPORTED: u64 = 0xffff_ffff;
    let guest = Witness::guest(world, &world.page(10))?;
    let ours = u64::from(u32::from(ffa::VERSION));
    for wanted in [0x1_0000, 0x1_0001, 0x2_0000] {
        let mut arguments = [0; 18];
        (arguments[0], arguments[1]) = (u64::from(u32::from(arm_ffa::FuncId::Version)), wanted);
        let [answer, ..] = ffa::registers(arguments);
        let answer = answer & 0xffff_ffff;
        ensure!(answer == ours || answer == NOT_SUPPORTED, "FF-A {wanted:#x}: {answer:#x}");
    }
    for major in [1_u16, 2, u16::MAX] {
        let version = ffa_abi::Version { major, minor: 0 };
        let result = world.iommu.request(Request::Version(version));
        refused("another protocol", result, Status::NotSupported)?;
    }
    still_the_guests(world, &guest)?;
    seen!("there is one version of each; who asks for another gets no other rules; shared by the guest: DMA")
}

fn replay(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(11), world.iova(0x7_1000));
    let old = world.domain()?;
    let message =
        Request::Map { domain: old, iova, pa: page.address(), size: PAGE, protection: READ_WRITE }.encode();
    let first = world.iommu.raw(message)?.status;
    ensure!(first == Status::Ok, "the first time: {first:?}");
    world.iommu.free(old)?;
    world.forget(old);
    let new = world.attached_domain()?;
    let pattern = world.load()?;
    let again = world.iommu.raw(message)?.status;
    ensure!(again == Status::InvalidHandle, "replayed: {again:?}");
    require("replayed", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    world.map(new, iova, &page, READ_WRITE)?;
    let control = world.put(&pattern, iova, &page)?;
    require("asked for anew", control, Arrival::All)?;
    seen!("the generation in the handle: the message means nothing any more; asked for anew: {control}")
}
