// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All cores ask for the same pages of the same domain.

use super::others::{OTHERS, Step, memory, repeat, with_others};
use crate::{
    platform,
    scenario::{Audience::Test, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{DomainHandle, Iova, PhysAddr, Status};
use nwd::{iommu::IommuError, random::Random, timer};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "one-domain",
    claim: "Cores that fight over the same pages of one domain get a status each, and leave it sound",
    expected: "only pages that were asked for, no status but those of the race; then all bytes, then none",
    audience: Test,
    cores: 4,
    run: one_domain,
}];

/// Pages that are fought over.
const DISPUTED: u64 = 8;
/// The domain that they stand in.
static DOMAIN: AtomicU64 = AtomicU64::new(0);
/// Statuses that were answered, one bit each.
static STATUSES: AtomicU64 = AtomicU64::new(0);
/// What a request in a race may be answered with.
const OF_THE_RACE: u64 = 1 << Status::Ok as u64
    | 1 << Status::AlreadyMapped as u64
    | 1 << Status::NotMapped as u64
    | 1 << Status::Busy as u64
    | 1 << Status::Again as u64;

pub(crate) fn one_domain(world: &mut World) -> Outcome {
    const MILLISECONDS: u64 = 1500;
    let domain = world.attached_domain()?;
    let memory = world.machine.scratch().part(0x20_0000, OTHERS as u64 * DISPUTED * PAGE);
    DOMAIN.store(u64::from(domain.raw()), Ordering::SeqCst);
    STATUSES.store(0, Ordering::SeqCst);
    let rounds = with_others(world, memory.address(), fight, |_| {
        timer::sleep_us(MILLISECONDS * 1000);
        Ok(())
    })?;
    let statuses = STATUSES.load(Ordering::SeqCst);
    let base = world.iova(0);
    world.iommu.unmap(domain, base, DISPUTED * PAGE)?;
    for index in 0..DISPUTED {
        let left = world.iommu.lookup(domain, Iova(base.0 + index * PAGE));
        refused("a page after unmap", left, Status::NotMapped)?;
    }
    let page = world.page(0);
    world.map(domain, base, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, base, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, base, PAGE)?;
    require("after unmap", world.put(&pattern, base, &page)?, Arrival::Nothing)?;
    seen!("rounds by core: {rounds:?}, statuses {statuses:#x}; all bytes arrived, then none")
}

/// One core's part of the fight.
fn fight(core: usize) {
    let Some(domain) = u32::try_from(DOMAIN.load(Ordering::SeqCst)).ok().and_then(DomainHandle::from_raw)
    else {
        return;
    };
    let memory = memory();
    let mut random = Random::new(core as u64);
    repeat(core, |iommu, place| {
        let index = random.word() % DISPUTED;
        let count = 1 + random.word() % (DISPUTED - index);
        let iova = Iova(platform::DEVICE.iova_base + index * PAGE);
        let own = memory + (place as u64 * DISPUTED + index) * PAGE;
        match random.word() % 3 {
            0 => race("map", iommu.map(domain, iova, PhysAddr(own), count * PAGE, READ_WRITE)),
            1 => race("unmap", iommu.unmap(domain, iova, count * PAGE)),
            _ => match iommu.lookup(domain, iova) {
                Ok((pa, READ_WRITE)) => {
                    // One of the three cores mapped its own page of this number there.
                    let offset = pa.0.wrapping_sub(memory + index * PAGE);
                    let known =
                        offset.is_multiple_of(DISPUTED * PAGE) && offset / PAGE / DISPUTED < OTHERS as u64;
                    if known { Ok(()) } else { Err(("a page that nobody asked for", None)) }
                }
                Ok(_) => Err(("another protection than was asked for", None)),
                Err(error) => race("look up", Err(error)),
            },
        }
    });
}

/// Notes an answer, if it is one that a race explains.
fn race(what: &'static str, result: Result<(), IommuError>) -> Step<()> {
    let status = match result {
        Ok(()) => Status::Ok,
        Err(IommuError::Status(status)) => status,
        Err(error) => return Err((what, Some(error))),
    };
    let bit = 1 << u32::from(status);
    STATUSES.fetch_or(bit, Ordering::Relaxed);
    if bit & OF_THE_RACE == 0 { Err((what, Some(IommuError::Status(status)))) } else { Ok(()) }
}
