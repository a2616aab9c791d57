// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power, time and memory of the whole system: cores that come on, suspend, long work, a pool that is used up.
#![expect(unsafe_code, reason = "a core that was switched on tries what is hidden")]

use super::{guest::Witness, hidden::control};
use crate::{
    dma::memory::forbidden,
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{Iova, PhysAddr, Request, Response, Status};
use nwd::{
    cores, counter, ffa, guarded,
    hypercall::{Call, call},
    iommu::IommuError,
    level,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pool-dma",
        claim: "DMA into the pool",
        expected: "map its start, middle, end and edge; write to where it would be, and to its physical address",
        audience: Test,
        cores: 1,
        run: pool_dma,
    },
    Scenario {
        name: "pool-exhausted",
        claim: "The pool used up",
        expected: "scatter pages over a domain until there is no table left; meanwhile a guest, DMA, and freeing",
        audience: Test,
        cores: 1,
        run: exhausted,
    },
    Scenario {
        name: "long-operations",
        claim: "Operations that hold a core in the secure world",
        expected: "map and unmap 64 MiB page by page, free a domain full of tables: progress of each single call",
        audience: Test,
        cores: 1,
        run: long_operations,
    },
    Scenario {
        name: "switched-on-core",
        claim: "A core that the host switches on comes up above the hypervisor",
        expected: "switch three cores on; look at their exception level, and let them touch the pool and an SMMU",
        audience: Test,
        cores: 4,
        run: switched_on,
    },
    Scenario {
        name: "suspend",
        claim: "Suspend, from which a core comes back where the host says, and an SMMU perhaps empty",
        expected: "ask for suspend of a core and of the system, and for a reset that keeps memory; then DMA",
        audience: Test,
        cores: 1,
        run: suspend,
    },
];

fn pool_dma(world: &mut World) -> Outcome {
    let (base, size) = platform::POOL;
    let last = base + size - PAGE;
    let before = (call(Call::Digest, base, 0)?, call(Call::Digest, last, 0)?);
    let seen = forbidden(
        world,
        &[(base, PAGE), (base + size / 2, PAGE), (last, PAGE), (base - PAGE, 2 * PAGE), (base, size)],
    )?;
    world.load()?;
    for at in [base, last] {
        world.device.write_ram(untranslated(PhysAddr(at)), 0, TRANSFER_COUNT)?;
    }
    let after = (call(Call::Digest, base, 0)?, call(Call::Digest, last, 0)?);
    // The first page is the service's own and may change by its work; the last one is in nobody's use.
    ensure!(after.1 == before.1, "the pool's last page has changed");
    Ok(seen)
}

fn exhausted(world: &mut World) -> Outcome {
    /// What one table of pages maps.
    const AREA: u64 = 2 << 20;
    let (page, iova) = (world.page(40), world.iova(0x9_0000));
    let arrival = control(world, iova, &page)?;
    let greedy = world.domain()?;
    let areas = platform::DEVICE.iova_size / AREA;
    let mut mapped = 0;
    let end = (0..areas).find_map(|area| {
        match world.map(greedy, Iova(platform::DEVICE.iova_base + area * AREA), &page, READ_WRITE) {
            Ok(()) => {
                mapped += 1;
                None
            }
            Err(error) => Some(error),
        }
    });
    ensure!(end == Some(IommuError::Status(Status::NoMemory)), "after {mapped} pages: {end:?}");
    // The others' work goes on: a guest gets a page, DMA goes where it may, and not where it may not.
    let guest = Witness::guest(world, &world.page(41))?;
    world.device.write_ram(Iova(iova.0 + PAGE), 0, TRANSFER_COUNT)?;
    world.device.write_ram(untranslated(guest.address()), 0, TRANSFER_COUNT)?;
    guest.unharmed("with the pool used up")?;
    let mut canary = [0; 8];
    world.random.fill(&mut canary);
    page.write(0, &canary);
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    ensure!(page.word(0) != u64::from_le_bytes(canary), "what was mapped before is not written any more");
    world.iommu.free(greedy)?;
    world.forget(greedy);
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("once it was freed", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("no memory after {mapped} pages; guest's pages and DMA go on; freed, all is as before: {arrival}")
}

fn long_operations(world: &mut World) -> Outcome {
    const SIZE: u64 = 64 << 20;
    let (_, _, limits) = world.iommu.features()?;
    let most = u64::from(limits.entries_per_call) * PAGE;
    let iova = world.iova(0x4000_1000);
    // One page off, so that no block fits.
    let memory = PhysAddr(world.machine.scratch().address().0 + (32 << 20));
    let domain = world.domain()?;
    let (mut calls, mut longest) = (0_u32, 0);
    for unmapping in [false, true] {
        let mut done = 0;
        while done < SIZE {
            let (iova, size) = (Iova(iova.0 + done), SIZE - done);
            let pa = PhysAddr(memory.0 + done);
            let request = if unmapping {
                Request::Unmap { domain, iova, size }
            } else {
                Request::Map { domain, iova, pa, size, protection: READ_WRITE }
            };
            let start = counter::now();
            let [progress, ..] = world.iommu.request(request)?;
            longest = longest.max(counter::now().saturating_sub(start));
            ensure!((1..=most).contains(&progress), "one call did {progress:#x} bytes, more than {most:#x}");
            done += progress;
            calls += 1;
        }
        ensure!(done == SIZE, "{done:#x} bytes of {SIZE:#x}");
    }
    world.iommu.map(domain, iova, memory, SIZE, READ_WRITE)?;
    loop {
        let start = counter::now();
        let Response { status, .. } = world.iommu.raw(Request::DomainFree(domain).encode())?;
        longest = longest.max(counter::now().saturating_sub(start));
        calls += 1;
        match status {
            Status::Ok => break,
            Status::Again => {}
            status => return Err(Failure::new(format_args!("freeing: {status:?}"))),
        }
        ensure!(calls < 100_000, "freeing does not end");
    }
    world.forget(domain);
    let microseconds = longest.saturating_mul(1_000_000) / counter::frequency().max(1);
    seen!(
        "{calls} calls, each at most {} entries, the longest {microseconds} us on this emulator",
        limits.entries_per_call
    )
}

/// What the cores that were switched on found: their exception level, and how much of what is hidden they reached.
static LEVELS: [AtomicU64; platform::MPIDRS.len()] = [const { AtomicU64::new(0) }; platform::MPIDRS.len()];
static REACHED: AtomicU64 = AtomicU64::new(0);

fn switched_on(world: &mut World) -> Outcome {
    const CORES: core::ops::Range<usize> = 1..4;
    const SECONDS: u64 = 20;
    REACHED.store(0, Ordering::SeqCst);
    for core in CORES {
        cores::run(world.machine.cores(), core, look)?;
        cores::wait(world.machine.cores(), core, SECONDS)?;
    }
    for (core, found) in LEVELS.iter().enumerate().take(CORES.end).skip(CORES.start) {
        let found = found.load(Ordering::SeqCst);
        ensure!(found == 1, "core {core} came up at EL{found}");
    }
    let reached = REACHED.load(Ordering::SeqCst);
    ensure!(reached == 0, "{reached} hidden pages were reached");
    seen!("the hypervisor takes CPU_ON: each core comes up at EL1, behind the same stage 2")
}

/// On another core.
fn look(core: usize) {
    if let Some(found) = LEVELS.get(core) {
        found.store(level::current(), Ordering::SeqCst);
    }
    for at in [platform::POOL.0, platform::SMMU_FRAME.0] {
        // SAFETY: reading RAM or these registers changes nothing.
        if unsafe { guarded::read32(at) }.is_ok() {
            REACHED.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn suspend(world: &mut World) -> Outcome {
    /// PSCI 1.3 (DEN 0022): PSCI_FEATURES, and what it is asked for: CPU_SUSPEND, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND,
    /// SYSTEM_RESET2.
    const FEATURES: u64 = 0x8400_000a;
    const FUNCTIONS: [u64; 4] = [0xc400_0001, 0xc400_000c, 0xc400_000e, 0xc400_0012];
    const NOT_SUPPORTED: u32 = u32::MAX;
    let (page, iova) = (world.page(42), world.iova(0x9_2000));
    control(world, iova, &page)?;
    let ask = |function, argument| {
        let mut arguments = [0; 18];
        (arguments[0], arguments[1]) = (function, argument);
        let [answer, ..] = ffa::registers(arguments);
        answer & 0xffff_ffff == u64::from(NOT_SUPPORTED)
    };
    for function in FUNCTIONS {
        // What is offered is not called: this core would not come back here.
        ensure!(ask(FEATURES, function), "{function:#x} is offered");
        ensure!(ask(function, 0), "{function:#x} is there, though it is not offered");
    }
    let domain = world.attached_domain()?;
    refused("an address that is not mapped here", world.iommu.lookup(domain, iova), Status::NotMapped)?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let after = world.put(&pattern, iova, &page)?;
    require("afterwards", after, Arrival::All)?;
    seen!("the hypervisor refuses all {} functions; afterwards: {after}", FUNCTIONS.len())
}
