// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The role of the hypervisor: what there is before the claim, the claim, and what a key is worth.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use ffa_abi::{
    DeviceState, DomainHandle, Features, GuardLevel, HypRequest, Iova, Key, PageOwner, Pages, PhysAddr,
    Request, Response, ServiceId, Status, extend,
};
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
    Scenario {
        name: "hyp-service",
        claim: "The hypervisor has a service of its own, by FFA_MSG_SEND_DIRECT_REQ2, which only its key opens",
        expected: "a page taken and given back; wrong key without it, not supported for what has no key",
        audience: Test,
        cores: 1,
        run: service,
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

fn service(world: &mut World) -> Outcome {
    let hyp = world.hyp()?;
    let service = ServiceId::Hyp.to_registers();
    let first = PhysAddr(world.page(0).address().0);
    let pages = Pages { first, count: 1 };
    let before = hyp.wrong_keys()?;
    let send = |request: HypRequest, key: Key| world.iommu.raw_extended(service, extend(request.encode(key)));
    let owner = PageOwner::Hyp;
    let guess = Key::from_registers([world.random.word(), world.random.word()]);
    let wrong = send(HypRequest::Own(pages, owner), guess)?;
    ensure!(wrong == Response::status(Status::WrongKey), "a wrong key: {wrong:x?}");
    let owned = send(HypRequest::Own(pages, owner), hyp.key())?;
    ensure!(owned == Response::status(Status::Ok), "OWN: {owned:x?}");
    // By the short message, which sees the same.
    let state = hyp.page(first)?;
    ensure!(state.owner == owner, "the page's owner is {:?}", state.owner);
    let given = send(HypRequest::Disown(pages, owner), hyp.key())?;
    ensure!(given == Response::status(Status::Ok), "DISOWN: {given:x?}");
    for request in [Request::Features, Request::PolicyDigest, Request::Claim] {
        let answer = world.iommu.raw_extended(service, extend(request.encode()))?;
        ensure!(answer == Response::status(Status::NotSupported), "{request:?}: {answer:x?}");
    }
    let mut more = extend(HypRequest::Statistics.encode(hyp.key()));
    more[13] = 1;
    let refused = world.iommu.raw_extended(service, more)?;
    ensure!(refused == Response::status(Status::InvalidParameters), "x17: {refused:x?}");
    let counted = hyp.wrong_keys()?.saturating_sub(before);
    ensure!(counted == 1, "{counted} wrong keys were counted in place of 1");
    works(world)?;
    seen!("a page taken and given back; a wrong key, three requests without one and x17 refused; DMA arrives")
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
