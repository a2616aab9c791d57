// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings: memory that is not the host's in the place of one, and as an entry of one.
#![expect(unsafe_code, reason = "a core writes to the list that another one sends")]

use super::guest::{Witness, refused_by_service};
use crate::{
    dma::{
        others::{memory, repeat, with_others},
        rings::{buffers, make, map_list},
    },
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require},
};
use arm_ffa::FfaError;
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{Iova, Status, ring::ListEntry};
use nwd::{
    Region,
    ffa::CallError,
    hypercall::{Call, NOT_THE_HOSTS, Refusal, call},
    memory as ffa_memory,
    ram::Ram,
    ring,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "shared-ring",
        claim: "A pool, frame or guest page shared as a ring",
        expected: "share each, and a range that ends in it, with the service, and open it; DMA by a ring of the host's own",
        audience: Test,
        cores: 1,
        run: shared,
    },
    Scenario {
        name: "ring-given-away",
        claim: "A ring's page given to a guest while the service reads it",
        expected: "give each page of an open ring away; ring; close it, and give one away",
        audience: Test,
        cores: 1,
        run: given_away,
    },
    Scenario {
        name: "ring-entries",
        claim: "Another's pages as entries of a ring",
        expected: "lists with a page of a guest, the hypervisor, the pool, an SMMU, secure memory; DMA to each place",
        audience: Test,
        cores: 1,
        run: entries,
    },
    Scenario {
        name: "ring-changed",
        claim: "A ring's entry changed while it is read",
        expected: "map by a ring 400 times, while other cores let the entry name a guest's page in turn; DMA",
        audience: Test,
        cores: 4,
        run: changed,
    },
];

/// Shares memory with the service and opens it; what could be opened is closed again.
fn opened(world: &World, first: u64, pages: u32) -> Result<bool, Failure> {
    let service = world.iommu.partition();
    let shared = match ring::share(service, &[(first, pages)], &buffers(world)) {
        Ok(shared) => shared,
        Err(CallError::Ffa(FfaError::InvalidParameters | FfaError::Denied)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let opened = ring::open(world.iommu, shared);
    if let Ok((area, _)) = opened {
        world.iommu.request(ffa_abi::Request::AreaClose(area))?;
    }
    ffa_memory::reclaim(shared)?;
    match opened {
        Ok(_) => Ok(true),
        result => refused("opening it", result, Status::Denied).map(|()| false),
    }
}

/// Maps a page by a ring of the host's own, and lets the device write to it.
fn control(world: &mut World, page: &Ram, iova: Iova) -> Result<Arrival, Failure> {
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    ring.put(0, map_list(domain, iova, 1), core::iter::once(ListEntry(page.address().0)));
    let rung = ring.ring(0, 2)?;
    ensure!(rung == (2, 0), "{rung:?}, {:?}", ring.answer(0));
    let pattern = world.load()?;
    let arrival = world.put(&pattern, iova, page)?;
    ring.close()?;
    require("mapped by a ring", arrival, Arrival::All)?;
    Ok(arrival)
}

fn shared(world: &mut World) -> Outcome {
    let guest = Witness::guest(world, &world.page(61))?;
    let target = Witness::hypervisor(world)?;
    let mut refusals = 0;
    for page in [guest.address().0, target.address().0, platform::POOL.0, platform::SMMU_FRAME.0] {
        for (first, pages) in [(page, 1), (page - PAGE, 2)] {
            ensure!(!opened(world, first, pages)?, "{first:#x}, {pages} pages: a ring");
            refusals += 1;
        }
    }
    guest.unharmed("as a ring")?;
    target.unharmed("as a ring")?;
    let arrival = control(world, &world.page(62), world.iova(0xa_0000))?;
    seen!(
        "the hypervisor shares none, nor would spm or the service: {refusals} refused; by the host's own ring: {arrival}"
    )
}

fn given_away(world: &mut World) -> Outcome {
    let ring = make(world)?;
    // Where the ring is made, four pages.
    let pages = [104, 105, 106, 107].map(|index| world.page(index));
    for page in &pages {
        match call(Call::Give, page.address().0, 0) {
            Err(Refusal { reason: NOT_THE_HOSTS, .. }) => {}
            // Where the hypervisor does not look at what is shared, the service's pin is in the way.
            given => refused_by_service("a page of an open ring", given, Status::Busy, page)?,
        }
    }
    let (domain, iova, page) = (world.attached_domain()?, world.iova(0xa_1000), world.page(62));
    ring.put(0, map_list(domain, iova, 1), core::iter::once(ListEntry(page.address().0)));
    ensure!(ring.ring(0, 2)? == (2, 0), "the ring after that: {:?}", ring.answer(0));
    let pattern = world.load()?;
    let arrival = world.put(&pattern, iova, &page)?;
    require("mapped by the ring", arrival, Arrival::All)?;
    ring.close()?;
    let [first, ..] = pages;
    Witness::guest(world, &first)?.unharmed("once the ring was closed")?;
    seen!(
        "the hypervisor and the service's pin hold each of 4 pages until the ring is closed; by the ring: {arrival}"
    )
}

fn entries(world: &mut World) -> Outcome {
    let (own, iova) = (world.page(62), world.iova(0xa_2000));
    let arrival = control(world, &own, world.iova(0xa_8000))?;
    let guest = Witness::guest(world, &world.page(61))?;
    let target = Witness::hypervisor(world)?;
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    let others = [
        guest.address().0,
        target.address().0,
        platform::POOL.0,
        platform::SMMU_FRAME.0,
        platform::SECURE_RAM.0,
    ];
    for other in others {
        ring.put(0, map_list(domain, iova, 2), [own.address().0, other].map(ListEntry).into_iter());
        let rung = ring.ring(0, 2)?;
        let answer = ring.answer(0);
        let denied = answer.is_some_and(|answer| (answer.status, answer.done) == (Status::Denied, PAGE));
        ensure!(rung == (2, 1) && denied, "{other:#x}: {rung:?}, {answer:?}");
        let place = Iova(iova.0 + PAGE);
        refused("its place", world.iommu.lookup(domain, place), Status::NotMapped)?;
        world.device.write_ram(place, 0, TRANSFER_COUNT)?;
        guest.unharmed("an entry of a ring")?;
        target.unharmed("an entry of a ring")?;
        world.iommu.unmap(domain, iova, PAGE)?;
    }
    ring.close()?;
    seen!(
        "the service checks each entry like a message: {} denied; the entry before each mapped; alone: {arrival}",
        others.len()
    )
}

/// The word that other cores change, and what it is in turn.
static WORD: AtomicU64 = AtomicU64::new(0);
static GUESTS: AtomicU64 = AtomicU64::new(0);

fn changed(world: &mut World) -> Outcome {
    const TIMES: u32 = 400;
    /// Every so many times the device is told to write.
    const DMA: u32 = 50;
    let (page, iova) = (world.page(62), world.iova(0xa_4000));
    let guest = Witness::guest(world, &world.page(61))?;
    let (domain, ring) = (world.attached_domain()?, make(world)?);
    world.load()?;
    ring.put(0, map_list(domain, iova, 1), core::iter::once(ListEntry(page.address().0)));
    // The entry stands at the start of the second slot, of eight words.
    WORD.store(world.page(104).address().0 + 64, Ordering::SeqCst);
    GUESTS.store(guest.address().0, Ordering::SeqCst);
    let (mut mapped, mut denied) = (0_u32, 0_u32);
    let rounds = with_others(world, page.address(), flip, |world| {
        for time in 0..TIMES {
            ring.restart(0, map_list(domain, iova, 1));
            ring.ring(0, 2)?;
            match ring.answer(0).map(|answer| answer.status) {
                Some(Status::Ok) => {
                    let (found, _) = world.iommu.lookup(domain, iova)?;
                    ensure!(found == page.address(), "{found:x?} was mapped");
                    mapped += 1;
                }
                Some(Status::Denied) => denied += 1,
                answer => return Err(Failure::new(format_args!("answered {answer:?}"))),
            }
            if time % DMA == 0 {
                world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
                guest.unharmed("an entry for a moment")?;
            }
            world.iommu.unmap(domain, iova, PAGE)?;
        }
        Ok(())
    });
    ring.close()?;
    let rounds = rounds?;
    ensure!(mapped > 0 && denied > 0, "{mapped} mapped, {denied} denied: the change was never in time");
    guest.unharmed("an entry for a moment")?;
    world.map(domain, iova, &page, READ_WRITE)?;
    seen!(
        "the service reads an entry once: {mapped} times the host's page, {denied} denied; changes {rounds:?}"
    )
}

/// On another core: lets the entry name a guest's page, and the host's again.
fn flip(core: usize) {
    let region = Region { base: WORD.load(Ordering::SeqCst), size: 8 };
    let (own, guests) = (memory(), GUESTS.load(Ordering::SeqCst));
    // SAFETY: the word stands in a page of scratch memory, which holds nothing that the compiler knows of.
    let word = unsafe { Ram::new(region) };
    repeat(core, |_, _| {
        word.write(0, &guests.to_le_bytes());
        word.write(0, &own.to_le_bytes());
        Ok(())
    });
}
