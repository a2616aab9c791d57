// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device that the hypervisor gives to a guest: what it reaches, and what the kernel can do about it.

use super::pages::in_the_way;
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require, untranslated},
};
use ffa_abi::{
    DeviceState, DomainHandle, GuestRequest, HypRequest, Iova, PageOwner, Pages, PhysAddr, Status,
};
use nwd::{hyp::Hyp, iommu::IommuError, timer};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "guest-device",
        claim: "A device that is a guest's reaches what its guest has mapped, and the kernel can do nothing with it",
        expected: "all bytes in the guest's page, none in others'; denied to the kernel until it is returned",
        audience: Test,
        cores: 1,
        run: device,
    },
    Scenario {
        name: "guest-pages",
        claim: "A domain of a guest takes pages of that guest only, and holds them while they are mapped",
        expected: "denied for others' pages; busy while mapped, shared or not; given back when unmapped",
        audience: Test,
        cores: 1,
        run: pages,
    },
    Scenario {
        name: "guest-from-blocked",
        claim: "A device becomes a guest's from blocked only, and comes back blocked",
        expected: "busy while it is in a domain or in identity; returned: no byte arrives",
        audience: Test,
        cores: 1,
        run: from_blocked,
    },
];

const GUEST: PageOwner = PageOwner::Guest(9);
/// Until faults count anew, in microseconds.
const SECOND_US: u64 = 1_100_000;

pub(super) fn alloc(world: &World, hyp: &Hyp, owner: PageOwner) -> Result<DomainHandle, Failure> {
    let request = GuestRequest::DomainAlloc { smmu: world.smmu(), owner };
    let [raw, ..] = hyp.request(HypRequest::Guest(request))?;
    let handle = u32::try_from(raw).ok().and_then(DomainHandle::from_raw);
    handle.ok_or_else(|| Failure::new(format_args!("{raw:#x} is no handle")))
}

fn ask(hyp: &Hyp, request: GuestRequest) -> Result<(), IommuError> {
    hyp.request(HypRequest::Guest(request)).map(|_| ())
}

pub(super) fn map(hyp: &Hyp, domain: DomainHandle, iova: Iova, pa: PhysAddr) -> Result<(), IommuError> {
    ask(hyp, GuestRequest::Map { domain, iova, pa, pages: 1, protection: READ_WRITE })
}

fn unmap(hyp: &Hyp, domain: DomainHandle, iova: Iova) -> Result<(), IommuError> {
    ask(hyp, GuestRequest::Unmap { domain, iova, pages: 1 })
}

pub(super) fn assign(world: &World, hyp: &Hyp, domain: DomainHandle) -> Result<(), IommuError> {
    ask(hyp, GuestRequest::DeviceAssign { smmu: world.smmu(), sid: world.device.stream(), domain })
}

pub(super) fn take_back(world: &World, hyp: &Hyp) -> Result<(), IommuError> {
    ask(hyp, GuestRequest::DeviceReturn { smmu: world.smmu(), sid: world.device.stream() })
}

pub(super) fn free(hyp: &Hyp, domain: DomainHandle) -> Result<(), Failure> {
    // By as many calls as its window has parts of a call's work.
    for _ in 0..100_000 {
        match ask(hyp, GuestRequest::DomainFree(domain)) {
            Err(IommuError::Status(Status::Again)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Err(Failure::new(format_args!("freeing does not end")))
}

/// Lets what the device was stopped for be forgotten: tries of a test come faster than the policy lets a device fault.
fn calm(world: &World, hyp: &Hyp) -> Result<(), Failure> {
    while hyp.fault()?.is_some() {}
    world.drain_faults()?;
    timer::sleep_us(SECOND_US);
    Ok(())
}

fn device(world: &mut World) -> Outcome {
    let (hyp, page, kernel_s) = (world.hyp()?, world.page(4), world.page(5));
    let (at, iova, beside) = (page.address(), world.iova(0x6_0000), world.iova(0x6_1000));
    let own_domain = world.domain()?;
    world.map(own_domain, iova, &kernel_s, READ_WRITE)?;
    let pattern = world.load()?;
    hyp.own(at, 1, GUEST)?;
    let domain = alloc(world, &hyp, GUEST)?;
    map(&hyp, domain, iova, at)?;
    refused("a page of the kernel's", map(&hyp, domain, beside, kernel_s.address()), Status::Denied)?;
    require("blocked", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    calm(world, &hyp)?;
    world.set(DeviceState::Blocked)?;
    assign(world, &hyp, domain)?;
    let (smmu, sid, iommu) = (world.smmu(), world.device.stream(), world.iommu);
    for _ in 0..2 {
        require("the guest's", world.put(&pattern, iova, &page)?, Arrival::All)?;
        require("the kernel's", world.put(&pattern, beside, &kernel_s)?, Arrival::Nothing)?;
        let at_its_place = untranslated(kernel_s.address());
        require("the kernel's", world.put(&pattern, at_its_place, &kernel_s)?, Arrival::Nothing)?;
        for state in [DeviceState::Blocked, DeviceState::Paging(own_domain), DeviceState::Identity] {
            refused("what the kernel asks for", iommu.set_state(smmu, sid, state), Status::Denied)?;
        }
        calm(world, &hyp)?;
    }
    refused("its domain, by the kernel", iommu.unmap(domain, iova, PAGE), Status::InvalidHandle)?;
    refused("freeing it", ask(&hyp, GuestRequest::DomainFree(domain)), Status::Busy)?;
    take_back(world, &hyp)?;
    require("returned", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    calm(world, &hyp)?;
    world.set(DeviceState::Paging(own_domain))?;
    let last = world.put(&pattern, iova, &kernel_s)?;
    require("the kernel's again", last, Arrival::All)?;
    unmap(&hyp, domain, iova)?;
    hyp.disown(at, 1, GUEST)?;
    free(&hyp, domain)?;
    seen!(
        "all bytes in the guest's page, none in the kernel's, six tries denied; returned: {last} for the kernel"
    )
}

fn pages(world: &mut World) -> Outcome {
    let (hyp, page, other) = (world.hyp()?, world.page(6), world.page(7));
    let (at, iova) = (page.address(), world.iova(0x7_0000));
    let one = Pages { first: at, count: 1 };
    let domain = alloc(world, &hyp, GUEST)?;
    refused("before it is taken", map(&hyp, domain, iova, at), Status::Denied)?;
    hyp.own(at, 1, GUEST)?;
    hyp.own(other.address(), 1, PageOwner::Guest(10))?;
    refused("another guest's", map(&hyp, domain, iova, other.address()), Status::Denied)?;
    refused("the pool", map(&hyp, domain, iova, PhysAddr(crate::platform::POOL.0)), Status::Denied)?;
    map(&hyp, domain, iova, at)?;
    in_the_way("given back while mapped", hyp.disown(at, 1, GUEST), Status::Busy, at)?;
    hyp.change(HypRequest::Share(one, GUEST))?;
    in_the_way("the same, shared", hyp.disown(at, 1, GUEST), Status::Busy, at)?;
    ensure!(hyp.page(at)?.pins == 1, "{:?}", hyp.page(at)?);
    hyp.change(HypRequest::Unshare(one, GUEST))?;
    unmap(&hyp, domain, iova)?;
    hyp.disown(at, 1, GUEST)?;
    hyp.disown(other.address(), 1, PageOwner::Guest(10))?;
    free(&hyp, domain)?;
    seen!("three foreign pages denied; busy twice while mapped, unshared meanwhile; then given back")
}

fn from_blocked(world: &mut World) -> Outcome {
    let (hyp, page) = (world.hyp()?, world.page(4));
    let (at, iova) = (page.address(), world.iova(0x6_0000));
    let pattern = world.load()?;
    hyp.own(at, 1, GUEST)?;
    let (domain, kernel_s) = (alloc(world, &hyp, GUEST)?, world.domain()?);
    map(&hyp, domain, iova, at)?;
    for state in [DeviceState::Paging(kernel_s), DeviceState::Identity] {
        world.set(state)?;
        refused("a device in use", assign(world, &hyp, domain), Status::Busy)?;
        refused("returning it", take_back(world, &hyp), Status::Denied)?;
        world.set(DeviceState::Blocked)?;
        assign(world, &hyp, domain)?;
        require("the guest's", world.put(&pattern, iova, &page)?, Arrival::All)?;
        take_back(world, &hyp)?;
        require("returned", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
        calm(world, &hyp)?;
    }
    unmap(&hyp, domain, iova)?;
    hyp.disown(at, 1, GUEST)?;
    free(&hyp, domain)?;
    seen!("busy from a domain and from identity; from blocked twice, and back")
}
