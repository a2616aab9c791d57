// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The role of the hypervisor: what there is before the claim, the claim, and what a key is worth.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use ffa_abi::{DeviceState, DomainHandle, Features, GuardLevel, Iova, Key, PhysAddr, Request, Status};
use nwd::hyp::Hyp;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "before-the-claim",
        claim: "Until the hypervisor has claimed its role nobody is served",
        expected: "not ready for each operation and for any key; version, features and devices are told",
        audience: Test,
        cores: 1,
        run: before,
    },
    Scenario {
        name: "claim",
        claim: "The hypervisor claims its role once, and nobody does after it",
        expected: "a key; then every claim denied, and the kernel served",
        audience: Test,
        cores: 1,
        run: claim,
    },
    Scenario {
        name: "wrong-key",
        claim: "A wrong key opens nothing, is counted, and locks nobody out",
        expected: "wrong key for each of 200 tries; the right one works after each; DMA goes on",
        audience: Test,
        cores: 1,
        run: wrong_key,
    },
];

fn before(world: &mut World) -> Outcome {
    let (iommu, sid) = (world.iommu, world.device.stream());
    iommu.version()?;
    let (guard, features, _) = iommu.features()?;
    ensure!(guard == GuardLevel::El2, "guard level {guard:?}");
    ensure!(features.contains(Features::HYP_REQUIRED), "no hypervisor is required: {features:?}");
    ensure!(!features.contains(Features::HYP_CLAIMED), "the role is taken already");
    let device = iommu.device(0)?;
    ensure!(device.is_some_and(|device| device.first == sid), "the first device is {device:x?}");
    refused("a domain", iommu.alloc(world.smmu()), Status::NotReady)?;
    refused("a device", iommu.set_state(world.smmu(), sid, DeviceState::Blocked), Status::NotReady)?;
    refused("faults", iommu.fault(), Status::NotReady)?;
    refused("the digest", iommu.policy_digest(), Status::NotReady)?;
    let handle =
        DomainHandle::new(0, 1).ok_or_else(|| Failure::new(format_args!("no handle can be made")))?;
    let map = Request::Map {
        domain: handle,
        iova: world.iova(0),
        pa: PhysAddr(world.page(0).address().0),
        size: 4096,
        protection: READ_WRITE,
    };
    for request in [map, Request::IovaToPa { domain: handle, iova: Iova(0) }, Request::DomainFree(handle)] {
        refused("a domain that might be", iommu.request(request), Status::NotReady)?;
    }
    for words in [[0, 0], [!0, !0], [world.random.word(), world.random.word()]] {
        let guess = Hyp::with_key(iommu, Key::from_registers(words));
        refused("a key before there is one", guess.wrong_keys(), Status::NotReady)?;
    }
    seen!("not ready for each operation and three keys; version, features and devices told")
}

fn claim(world: &mut World) -> Outcome {
    let hyp = Hyp::claim(world.iommu)?;
    world.hyp = Some(hyp);
    let words = hyp.key().to_registers();
    ensure!(words != [0, 0] && words != [!0, !0], "a key that is easy to guess");
    for _ in 0..3 {
        refused("a second claim", Hyp::claim(world.iommu), Status::Denied)?;
    }
    let (_, features, _) = world.iommu.features()?;
    ensure!(features.contains(Features::HYP_CLAIMED), "features say that nobody has claimed");
    ensure!(hyp.wrong_keys()? == 0, "wrong keys were counted before one was sent");
    works(world)?;
    seen!("a key; three more claims denied; the kernel's DMA arrives")
}

fn wrong_key(world: &mut World) -> Outcome {
    let hyp = world.hyp()?;
    let [low, high] = hyp.key().to_registers();
    let before = hyp.wrong_keys()?;
    for bit in 0..128_u32 {
        let words = (u128::from(low) | u128::from(high) << 64) ^ 1 << bit;
        wrong(world, hyp, words)?;
    }
    for _ in 0..72 {
        let words = u128::from(world.random.word()) << 64 | u128::from(world.random.word());
        wrong(world, hyp, words)?;
    }
    let counted = hyp.wrong_keys()?.saturating_sub(before);
    ensure!(counted == 200, "{counted} of 200 wrong keys were counted");
    works(world)?;
    seen!("200 tries refused and counted; the right key works after each; DMA arrives")
}

fn wrong(world: &World, hyp: Hyp, words: u128) -> Result<(), Failure> {
    let half = |shift: u32| u64::try_from(words >> shift & u128::from(u64::MAX)).unwrap_or(0);
    let guess = Hyp::with_key(world.iommu, Key::from_registers([half(0), half(64)]));
    refused("a wrong key", guess.wrong_keys(), Status::WrongKey)?;
    hyp.wrong_keys()?;
    Ok(())
}

/// Shows that the kernel's DMA arrives where it is mapped, and not where it is not.
fn works(world: &mut World) -> Result<(), Failure> {
    let (page, iova) = (world.page(0), world.iova(0x6_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("mapped", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, page.size())?;
    require("unmapped", world.put(&pattern, iova, &page)?, Arrival::Nothing)
}
