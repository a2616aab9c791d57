// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains and their handles.

use crate::{
    ensure,
    scenario::{Audience::Everyone, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use ffa_abi::{DeviceState, DomainHandle, SmmuIndex, Status};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stale-handle",
        claim: "The handle of a domain that was freed names nothing, also after its place was used again",
        expected: "invalid handle for every operation; the new domain and its mappings are untouched",
        audience: Everyone,
        cores: 1,
        run: stale_handle,
    },
    Scenario {
        name: "busy-domain",
        claim: "A domain cannot be freed while a device uses it",
        expected: "busy, and the device works on; freed once it is blocked, and the device reaches nothing",
        audience: Everyone,
        cores: 1,
        run: busy_domain,
    },
    Scenario {
        name: "own-domains",
        claim: "What is mapped in one domain is not mapped in another",
        expected: "all bytes in the domain with the page; none in the other; all again",
        audience: Everyone,
        cores: 1,
        run: own_domains,
    },
    Scenario {
        name: "domain-limit",
        claim: "Taking all domains that there are is refused at the end, and harms nobody",
        expected: "no memory, at or below the limit that the service states; after freeing, domains again",
        audience: Everyone,
        cores: 1,
        run: limit,
    },
];

pub(crate) fn stale_handle(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x1_8000));
    let old = world.domain()?;
    world.map(old, iova, &page, READ_WRITE)?;
    world.iommu.free(old)?;
    world.forget(old);
    let new = world.attached_domain()?;
    world.map(new, iova, &page, READ_WRITE)?;
    let (smmu, sid) = (world.smmu(), world.device.stream());
    let other_generation = DomainHandle::new(new.slot(), new.generation() + 1);
    let nowhere = DomainHandle::new(DomainHandle::MAX_SLOTS - 1, 1);
    for stale in [Some(old), other_generation, nowhere].into_iter().flatten() {
        let status = Status::InvalidHandle;
        refused("map", world.map(stale, world.iova(0), &page, READ_WRITE), status)?;
        refused("unmap", world.iommu.unmap(stale, iova, PAGE), status)?;
        refused("look up", world.iommu.lookup(stale, iova), status)?;
        refused("attach", world.iommu.set_state(smmu, sid, DeviceState::Paging(stale)), status)?;
        refused("free", world.iommu.free(stale), status)?;
    }
    let pattern = world.load()?;
    require("the new domain", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let again = if old.slot() == new.slot() { "same place, new generation" } else { "another place" };
    seen!("invalid handle each time; the new domain ({again}): all bytes arrived")
}

fn busy_domain(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x1_a000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    refused("free", world.iommu.free(domain), Status::Busy)?;
    require("after the refusal", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.set(DeviceState::Blocked)?;
    world.iommu.free(domain)?;
    world.forget(domain);
    require("after the free", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    seen!("busy while in use; freed when blocked, then no byte arrived")
}

pub(crate) fn own_domains(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x1_c000));
    let one = world.attached_domain()?;
    let other = world.domain()?;
    world.map(one, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("the domain with the page", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.set(DeviceState::Paging(other))?;
    require("the other domain", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    world.set(DeviceState::Paging(one))?;
    require("back in the first", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("all bytes, none, all bytes")
}

pub(crate) fn limit(world: &mut World) -> Outcome {
    let (_, _, limits) = world.iommu.features()?;
    let mut taken: heapless::Vec<DomainHandle, 512> = heapless::Vec::new();
    let end = loop {
        match world.iommu.alloc(world.smmu()) {
            Ok(domain) => {
                if let Err(domain) = taken.push(domain) {
                    world.iommu.free(domain)?;
                    break Ok(domain);
                }
            }
            Err(error) => break Err(error),
        }
    };
    let count = taken.len();
    for domain in taken {
        world.iommu.free(domain)?;
    }
    refused("one more", end, Status::NoMemory)?;
    ensure!(count > 0 && count <= usize::from(limits.domains), "{count} domains, limit {}", limits.domains);
    let refused_smmu = world.iommu.alloc(SmmuIndex(world.smmu().0 + 1));
    refused("an SMMU that is not there", refused_smmu, Status::InvalidParameters)?;
    let (page, iova) = (world.page(0), world.iova(0x1_e000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("{count} domains, then no memory; freed, and a new one works")
}
