// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is nobody's to map: tables of the SMMU, secure RAM, device registers, addresses without memory.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::{FaultKind, PhysAddr, Protection, Status};
use nwd::{ffa, ram::Ram};

/// test-sp's command that accesses an address: x4 address, x5 kind, x6 address space. A write leaves the address there.
const ACCESS: u64 = 1;
const ACCESS_READ: u64 = 0;
const ACCESS_WRITE: u64 = 1;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "map-pool",
        claim: "The memory that holds the SMMU's own tables cannot be mapped for a device",
        expected: "denied at its start, inside, at its end and across its edge; DMA there changes no byte",
        audience: Everyone,
        cores: 1,
        run: pool,
    },
    Scenario {
        name: "map-secure",
        claim: "Secure memory cannot be mapped for a device",
        expected: "denied; DMA there does nothing",
        audience: Everyone,
        cores: 1,
        run: secure,
    },
    Scenario {
        name: "dma-secure",
        claim: "A device that is told to write to secure memory changes nothing there",
        expected: "a partition that looks at its own memory sees what it has put there",
        audience: Everyone,
        cores: 1,
        run: secure_word,
    },
    Scenario {
        name: "map-mmio",
        claim: "Device registers, the SMMU's own above all, cannot be mapped for a device",
        expected: "denied; DMA there does nothing",
        audience: Everyone,
        cores: 1,
        run: mmio,
    },
    Scenario {
        name: "map-hole",
        claim: "Addresses without memory cannot be mapped for a device",
        expected: "denied; DMA there does nothing",
        audience: Everyone,
        cores: 1,
        run: hole,
    },
];

fn pool(world: &mut World) -> Outcome {
    world.say(format_args!(
        "   The SMMU's tables stand in ordinary RAM. A device that could write them could write everything."
    ));
    let (base, size) = platform::POOL;
    // The end of the pool is not in use: what changes there, a device changed.
    let last = platform::pool().part(size - PAGE, PAGE);
    let before = bytes_of(&last);
    let seen = forbidden(
        world,
        &[
            (base, PAGE),
            (base + size / 2, PAGE),
            (base + size - PAGE, PAGE),
            (base - PAGE, 2 * PAGE),
            (base, size),
        ],
    )?;
    let pattern = world.load()?;
    let device = world.device;
    device.write_ram(untranslated(last.address()), 0, TRANSFER_COUNT)?;
    ensure!(bytes_of(&last) == before, "the pool's last page has changed");
    ensure!(pattern != before, "the pattern was there before");
    Ok(seen)
}

fn bytes_of(memory: &Ram) -> [u8; TRANSFER] {
    let mut bytes = [0; TRANSFER];
    memory.read(0, &mut bytes);
    bytes
}

pub(crate) fn secure(world: &mut World) -> Outcome {
    let (base, size) = platform::SECURE_RAM;
    let (service, _) = platform::IOMMU_SP;
    let word = word_of_partition();
    forbidden(
        world,
        &[(base, PAGE), (service, PAGE), (word, PAGE), (base + size - PAGE, PAGE), (base, 0x20_0000)],
    )
}

/// The last page of the partition for tests: it puts a word there and looks at it for us.
const fn word_of_partition() -> u64 {
    let (partition, partition_size) = platform::TEST_SP;
    partition + partition_size - PAGE
}

fn secure_word(world: &mut World) -> Outcome {
    let word = word_of_partition();
    let inside = |world: &World, kind| -> Result<u64, Failure> {
        let Some(to) = world.test_sp else {
            return Err(Failure::new(format_args!("the partition for tests is not there")));
        };
        match ffa::direct(to, [ACCESS, word, kind, 0, 0])? {
            [0, value, ..] => Ok(value),
            answer => Err(Failure::new(format_args!("secure memory cannot be looked at: {answer:x?}"))),
        }
    };
    let before = inside(world, ACCESS_WRITE)?;
    ensure!(inside(world, ACCESS_READ)? == before, "secure memory does not keep its word");
    let (page, iova) = (world.page(0), world.iova(0x2000_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("ordinary memory", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.device.write_ram(untranslated(PhysAddr(word)), 0, TRANSFER_COUNT)?;
    let after = inside(world, ACCESS_READ)?;
    ensure!(after == before, "a word of secure memory was {before:#x} and is {after:#x}");
    seen!("the word is as it was; in ordinary memory all bytes arrived")
}

pub(crate) fn mmio(world: &mut World) -> Outcome {
    let (frame, size) = platform::SMMU_FRAME;
    let uart = platform::CONSOLE;
    forbidden(world, &[(frame, PAGE), (frame, size), (uart, PAGE)])
}

pub(crate) fn hole(world: &mut World) -> Outcome {
    let (base, size) = platform::HOLE;
    forbidden(world, &[(base, PAGE), (base, size), (1 << 47, PAGE), (1 << 51, PAGE)])
}

/// Shows that a page can be mapped at an IOVA and written, and that none of the ranges can be in its place.
pub(crate) fn forbidden(world: &mut World, ranges: &[(u64, u64)]) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x2000_0000));
    let domain = world.attached_domain()?;
    let pattern = world.load()?;
    for &(base, size) in ranges {
        world.map(domain, iova, &page, READ_WRITE)?;
        require("ordinary memory", world.put(&pattern, iova, &page)?, Arrival::All)?;
        world.iommu.unmap(domain, iova, PAGE)?;
        world.drain_faults()?;
        for protection in [Protection::READ, Protection::WRITE, READ_WRITE] {
            let result = world.iommu.map(domain, iova, PhysAddr(base), size, protection);
            // A range that begins with ordinary memory may be mapped up to the edge, not beyond.
            match result {
                Ok(()) => {
                    return Err(Failure::new(format_args!("{base:#x}+{size:#x} could be mapped")));
                }
                result => refused("mapping it", result, Status::Denied)?,
            }
        }
        let edge = ffa_abi::Iova(iova.0 + size - PAGE);
        ensure!(world.iommu.lookup(domain, edge).is_err(), "{base:#x}+{size:#x} was refused, and is mapped");
        let stopped = world.put(&pattern, edge, &page)?;
        require("DMA there", stopped, Arrival::Nothing)?;
        match world.fault_of(world.device.stream())? {
            Some(fault) if fault.kind == FaultKind::Translation && fault.iova == edge => {}
            other => {
                return Err(Failure::new(format_args!(
                    "DMA to {base:#x} was not stopped by the SMMU: {other:x?}"
                )));
            }
        }
        world.iommu.unmap(domain, iova, size.min(PAGE * 2))?;
    }
    seen!(
        "{} ranges denied; DMA there is a translation fault; ordinary memory: all bytes arrived",
        ranges.len()
    )
}
