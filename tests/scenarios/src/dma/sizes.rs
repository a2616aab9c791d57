// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Large mappings: blocks, and more pages than one call maps.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER, World, require},
};
use ffa_abi::{Iova, PhysAddr, Request, Status};

const BLOCK_2M: u64 = 2 << 20;
const BLOCK_1G: u64 = 1 << 30;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "block-2m",
        claim: "Two megabytes are mapped in one call, and both ends work",
        expected: "2 MiB in one call; all bytes at both ends; none on either side; unmapped whole or not at all",
        audience: Everyone,
        cores: 1,
        run: block_2m,
    },
    Scenario {
        name: "block-1g",
        claim: "A gigabyte is mapped in one call, and the right bytes move",
        expected: "1 GiB in one call; all bytes; none after unmap",
        audience: Everyone,
        cores: 1,
        run: block_1g,
    },
    Scenario {
        name: "many-pages",
        claim: "Thousands of single pages are mapped and unmapped, each to its own place",
        expected: "4,096 pages, mapped in reverse order of memory, all as asked; none left after unmap",
        audience: Everyone,
        cores: 1,
        run: many_pages,
    },
];

fn block_2m(world: &mut World) -> Outcome {
    // 2 MiB into scratch memory, which is aligned to that.
    let block = world.machine.scratch().part(BLOCK_2M, BLOCK_2M);
    let around = world.machine.scratch().part(BLOCK_2M - PAGE, BLOCK_2M + 2 * PAGE);
    let iova = world.iova(0x4000_0000);
    let domain = world.attached_domain()?;
    let request = Request::Map { domain, iova, pa: block.address(), size: BLOCK_2M, protection: READ_WRITE };
    let [mapped, ..] = world.iommu.request(request)?;
    ensure!(mapped == BLOCK_2M, "one call mapped {mapped:#x} bytes");
    let pattern = world.load()?;
    let last = BLOCK_2M - TRANSFER as u64;
    require("its start", world.put(&pattern, iova, &block)?, Arrival::All)?;
    let end = block.part(last, TRANSFER as u64);
    require("its end", world.put(&pattern, Iova(iova.0 + last), &end)?, Arrival::All)?;
    let behind = around.part(PAGE + BLOCK_2M, PAGE);
    require("behind it", world.put(&pattern, Iova(iova.0 + BLOCK_2M), &behind)?, Arrival::Nothing)?;
    let before = around.part(0, PAGE);
    require("before it", world.put(&pattern, Iova(iova.0 - PAGE), &before)?, Arrival::Nothing)?;
    let part = world.iommu.unmap(domain, Iova(iova.0 + PAGE), PAGE);
    refused("unmapping a page of it", part, Status::WouldSplit)?;
    require("after that", world.put(&pattern, iova, &block)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, BLOCK_2M)?;
    require("after unmap", world.put(&pattern, Iova(iova.0 + last), &end)?, Arrival::Nothing)?;
    seen!("{mapped:#x} bytes in one call; all bytes at both ends, none outside, none after unmap")
}

/// Finds a gigabyte of memory that may be mapped, aligned to its size.
fn gigabyte() -> Option<u64> {
    platform::MANAGED.iter().find_map(|&(base, size)| {
        let start = base.checked_next_multiple_of(BLOCK_1G)?;
        (start.checked_add(BLOCK_1G)? <= base.checked_add(size)?).then_some(start)
    })
}

fn block_1g(world: &mut World) -> Outcome {
    let Some(base) = gigabyte() else {
        return Err(Failure::new(format_args!("this machine has no gigabyte of memory that may be mapped")));
    };
    let page = world.machine.own();
    let offset = page
        .address()
        .0
        .checked_sub(base)
        .filter(|offset| *offset < BLOCK_1G)
        .ok_or_else(|| Failure::new(format_args!("no memory of our own in the gigabyte at {base:#x}")))?;
    let iova = Iova(world.iova(0).0.next_multiple_of(BLOCK_1G) + BLOCK_1G);
    let domain = world.attached_domain()?;
    let request = Request::Map { domain, iova, pa: PhysAddr(base), size: BLOCK_1G, protection: READ_WRITE };
    let [mapped, ..] = world.iommu.request(request)?;
    ensure!(mapped == BLOCK_1G, "one call mapped {mapped:#x} bytes");
    let pattern = world.load()?;
    let target = Iova(iova.0 + offset);
    require("inside", world.put(&pattern, target, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, BLOCK_1G)?;
    require("after unmap", world.put(&pattern, target, &page)?, Arrival::Nothing)?;
    seen!("{mapped:#x} bytes in one call; all bytes arrived, none after unmap")
}

fn many_pages(world: &mut World) -> Outcome {
    const PAGES: u64 = 4096;
    let memory = world.machine.scratch().part(BLOCK_2M, PAGES * PAGE);
    let iova = world.iova(0x8000_0000);
    let domain = world.attached_domain()?;
    // In reverse order no two pages make a block.
    for index in 0..PAGES {
        let page = memory.part((PAGES - 1 - index) * PAGE, PAGE);
        world.map(domain, Iova(iova.0 + index * PAGE), &page, READ_WRITE)?;
    }
    for index in 0..PAGES {
        let (pa, _) = world.iommu.lookup(domain, Iova(iova.0 + index * PAGE + 0x123))?;
        let wanted = memory.address().0 + (PAGES - 1 - index) * PAGE + 0x123;
        ensure!(pa.0 == wanted, "page {index} leads to {:#x}, not {wanted:#x}", pa.0);
    }
    let pattern = world.load()?;
    let mut used = (memory.part(0, PAGE), iova);
    for _ in 0..4 {
        let index = world.random.word() % PAGES;
        used = (memory.part((PAGES - 1 - index) * PAGE, PAGE), Iova(iova.0 + index * PAGE));
        require("one of the pages", world.put(&pattern, used.1, &used.0)?, Arrival::All)?;
    }
    world.iommu.unmap(domain, iova, PAGES * PAGE)?;
    for index in [0, 1, 511, 512, PAGES - 1] {
        let gone = world.iommu.lookup(domain, Iova(iova.0 + index * PAGE));
        refused("a lookup after unmap", gone, Status::NotMapped)?;
    }
    // The page that was used last: the SMMU has its translation at hand.
    require("after unmap", world.put(&pattern, used.1, &used.0)?, Arrival::Nothing)?;
    seen!("{PAGES} pages, each where it should be; all bytes arrived at four of them, none after unmap")
}
