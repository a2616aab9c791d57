// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores that map a page while it goes to a guest.

use super::guest::Witness;
use crate::{
    dma::others::{Step, memory, repeat, with_others},
    ensure, platform,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{DomainHandle, Iova, PhysAddr, Status};
use nwd::{counter, hypercall::SERVICE, iommu::IommuError, timer};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "cores-race-for-a-page",
    claim: "Cores map a page while it is given to a guest",
    expected: "three cores map and unmap it for the device; it is given away and taken back, DMA each time",
    audience: Test,
    cores: 4,
    run: raced,
}];

/// The domain that cores fight over.
static DOMAIN: AtomicU64 = AtomicU64::new(0);
/// How often a page could be mapped by another core.
static MAPPED: AtomicU64 = AtomicU64::new(0);
/// Where the page is mapped.
const RACED: Iova = Iova(platform::DEVICE.iova_base + 0x8_8000);

fn raced(world: &mut World) -> Outcome {
    const MOVES: u32 = 10;
    /// Seconds.
    const PATIENCE: u64 = 10;
    let page = world.page(26);
    let domain = world.attached_domain()?;
    world.load()?;
    DOMAIN.store(u64::from(domain.raw()), Ordering::SeqCst);
    MAPPED.store(0, Ordering::SeqCst);
    let mut busy = 0_u64;
    let rounds = with_others(world, page.address(), race, |world| {
        for _ in 0..MOVES {
            // The page is the host's now: somebody is to have it mapped at least once before it goes again.
            let before = MAPPED.load(Ordering::SeqCst);
            let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
            while MAPPED.load(Ordering::SeqCst) == before {
                ensure!(counter::now() < limit, "no core maps the page");
                timer::sleep_us(100);
            }
            let guest = loop {
                match Witness::try_guest(world, &page) {
                    Ok(guest) => break guest?,
                    Err(refusal) if refusal.reason == SERVICE => busy += 1,
                    Err(refusal) => return Err(refusal.into()),
                }
                ensure!(busy < 10_000_000, "the page could never be given");
            };
            world.device.write_ram(RACED, 0, TRANSFER_COUNT)?;
            guest.unharmed("while cores race for it")?;
        }
        Ok(())
    })?;
    let mapped = MAPPED.load(Ordering::SeqCst);
    world.iommu.unmap(domain, RACED, PAGE)?;
    world.map(domain, RACED, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let after = world.put(&pattern, RACED, &page)?;
    require("afterwards", after, Arrival::All)?;
    seen!("{MOVES} moves, {busy} times busy, mapped {mapped} times between, rounds {rounds:?}; then: {after}")
}

/// On another core: maps and unmaps the page.
fn race(core: usize) {
    let Some(domain) = u32::try_from(DOMAIN.load(Ordering::SeqCst)).ok().and_then(DomainHandle::from_raw)
    else {
        return;
    };
    let page = PhysAddr(memory());
    repeat(core, |iommu, _| {
        match iommu.map(domain, RACED, page, PAGE, READ_WRITE) {
            Ok(()) => {
                MAPPED.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => of_the_race("map", error)?,
        }
        iommu.unmap(domain, RACED, PAGE).or_else(|error| of_the_race("unmap", error))
    });
}

fn of_the_race(what: &'static str, error: IommuError) -> Step<()> {
    match error {
        IommuError::Status(
            Status::AlreadyMapped | Status::NotMapped | Status::Busy | Status::Again | Status::Denied,
        ) => Ok(()),
        error => Err((what, Some(error))),
    }
}
