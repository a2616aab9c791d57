// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor hides from its host, because whoever reaches it decides what devices reach: the SMMU's registers, and
//! the tables and queues in the pool.
#![expect(unsafe_code, reason = "reads and writes what is hidden")]

use super::guest::Witness;
use crate::{
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    smmu::{CMDQ_CONS, CMDQ_PROD, CR0, CR0ACK, GBPA, Register},
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::{DeviceState, Iova};
use nwd::{guarded, ram::Ram, timer};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cores",
        claim: "The host's own cores reach a guest's or the hypervisor's page",
        expected: "read and write both, and memory that was given back",
        audience: Test,
        cores: 1,
        run: cores,
    },
    Scenario {
        name: "smmu-registers",
        claim: "SMMU registers written behind the owner's back",
        expected: "touch each page of the frames; let everything bypass (GBPA), switch the SMMU off (CR0), write by DMA",
        audience: Test,
        cores: 1,
        run: registers,
    },
    Scenario {
        name: "command-queue",
        claim: "Command queue poisoned",
        expected: "move the queue's pointers, so that the SMMU takes what stands in the queue's memory",
        audience: Test,
        cores: 1,
        run: command_queue,
    },
    Scenario {
        name: "tables-in-the-pool",
        claim: "Page tables in the pool rewritten",
        expected: "look through the pool for the descriptor of a page, let it name a guest's page, write by DMA",
        audience: Test,
        cores: 1,
        run: tables,
    },
];

/// Shows that the host's device works, with a page of the host's.
pub(super) fn control(world: &mut World, iova: Iova, page: &Ram) -> Result<Arrival, Failure> {
    let domain = world.attached_domain()?;
    world.map(domain, iova, page, READ_WRITE)?;
    let pattern = world.load()?;
    let arrival = world.put(&pattern, iova, page)?;
    require("the host's own page", arrival, Arrival::All)?;
    Ok(arrival)
}

fn cores(world: &mut World) -> Outcome {
    let page = world.page(2);
    page.write(0, &[0x5a; 8]);
    Witness::hypervisor(world)?.unreachable("the hypervisor's memory")?;
    let guest = Witness::guest(world, &page)?;
    guest.unreachable("the guest's page")?;
    drop(guest);
    ensure!(page.word(0) == 0, "the guest's page was given back with {:#x} in it", page.word(0));
    page.write(0, &[0xa5; 8]);
    ensure!(page.word(0) == 0xa5a5_a5a5_a5a5_a5a5, "the host's page holds {:#x}", page.word(0));
    seen!("the hypervisor's stage 2 aborts both; a page that is given back is empty, and the host's to write")
}

fn registers(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(2), world.iova(0x6_2000));
    let arrival = control(world, iova, &page)?;
    let guest = Witness::guest(world, &world.page(3))?;
    let before = (CR0.try_read(), GBPA.try_read());
    if let (Ok(cr0), Ok(gbpa)) = before {
        GBPA.write(gbpa & !GBPA_ABORT | GBPA_UPDATE)?;
        CR0.write(cr0 & !1)?;
        settle(CR0ACK, cr0 & !1)?;
        world.device.write_ram(untranslated(guest.address()), 0, TRANSFER_COUNT)?;
        GBPA.write(gbpa | GBPA_UPDATE)?;
        CR0.write(cr0)?;
        settle(CR0ACK, cr0)?;
        guest.unharmed("the SMMU was switched off")?;
        return Err(Failure::new(format_args!("the registers can be written")));
    }
    let mut pages = 0;
    for (base, size) in platform::SMMU_FRAMES {
        for at in (*base..base + size).step_by(0x1000) {
            // SAFETY: no register at a page's start is changed by a read.
            let read = unsafe { guarded::read32(at) };
            ensure!(read.is_err_and(|fault| fault.is_external_abort()), "{at:#x} reads {read:x?}");
            // SAFETY: what a write would do is what this attack is about.
            let written = unsafe { guarded::write32(at, 0) };
            ensure!(written.is_err_and(|fault| fault.is_external_abort()), "{at:#x} writes {written:x?}");
            pages += 1;
        }
    }
    world.device.write_ram(untranslated(guest.address()), 0, TRANSFER_COUNT)?;
    guest.unharmed("untranslated")?;
    seen!("the hypervisor's stage 2: each of {pages} pages aborts reads and writes; DMA as mapped: {arrival}")
}

fn command_queue(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(2), world.iova(0x6_3000));
    let arrival = control(world, iova, &page)?;
    for register in [CMDQ_PROD, CMDQ_CONS] {
        if let Ok(value) = register.try_read() {
            register.write(value)?;
            return Err(Failure::new(format_args!("{register:?} can be written, it reads {value:#x}")));
        }
    }
    let pool = pool_word(0);
    ensure!(pool.is_none(), "the pool can be read, it begins with {pool:x?}");
    seen!("the hypervisor's stage 2: neither the pointers nor the queue's memory; DMA as mapped: {arrival}")
}

fn tables(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(2), world.iova(0x6_4000));
    let arrival = control(world, iova, &page)?;
    let guest = Witness::guest(world, &world.page(3))?;
    // A mapping that no SMMU has seen yet, so that the next access reads its descriptor.
    let (fresh, fresh_iova) = (world.page(4), world.iova(0x6_5000));
    let domain = world.attached_domain()?;
    world.map(domain, fresh_iova, &fresh, READ_WRITE)?;
    if pool_word(0).is_some() {
        let pool = platform::pool();
        let words = (0..pool.size()).step_by(8);
        let names = |at: &u64| {
            let word = pool.word(*at);
            word & ADDRESS == fresh.address().0 && word & 3 == 3
        };
        let found: heapless::Vec<u64, 8> = words.filter(names).collect();
        for at in &found {
            let poisoned = pool.word(*at) & !ADDRESS | guest.address().0;
            pool.write(*at, &poisoned.to_le_bytes());
        }
        world.device.write_ram(fresh_iova, 0, TRANSFER_COUNT)?;
        for at in &found {
            let right = pool.word(*at) & !ADDRESS | fresh.address().0;
            pool.write(*at, &right.to_le_bytes());
        }
        world.set(DeviceState::Blocked)?;
        world.iommu.unmap(domain, fresh_iova, PAGE)?;
        guest.unharmed("a descriptor was rewritten")?;
        return Err(Failure::new(format_args!("the pool can be read, {} descriptors found", found.len())));
    }
    let mut pages = 0;
    for offset in (0..platform::POOL.1).step_by(0x1000) {
        ensure!(pool_word(offset).is_none(), "the pool can be read at {offset:#x}");
        // SAFETY: what a write would do is what this attack is about.
        let written = unsafe { guarded::write32(platform::POOL.0 + offset, 0) };
        ensure!(written.is_err_and(|fault| fault.is_external_abort()), "{offset:#x}: {written:x?}");
        pages += 1;
    }
    let pattern = world.load()?;
    require("as mapped", world.put(&pattern, fresh_iova, &fresh)?, Arrival::All)?;
    guest.unharmed("as mapped")?;
    seen!("the hypervisor's stage 2: each of {pages} pages aborts reads and writes; DMA as mapped: {arrival}")
}

/// GBPA (IHI 0070, 6.3.14): transactions abort while the SMMU is off; take what is written.
const GBPA_ABORT: u32 = 1 << 20;
const GBPA_UPDATE: u32 = 1 << 31;
/// Address in a descriptor.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Reads the pool, if it can be reached.
fn pool_word(offset: u64) -> Option<u32> {
    // SAFETY: reading RAM changes nothing.
    unsafe { guarded::read32(platform::POOL.0 + offset) }.ok()
}

fn settle(register: Register, value: u32) -> Result<(), Failure> {
    const POLLS: u32 = 1000;
    for _ in 0..POLLS {
        if register.read()? == value {
            return Ok(());
        }
        timer::sleep_us(100);
    }
    Err(Failure::new(format_args!("{register:?} does not become {value:#x}")))
}
