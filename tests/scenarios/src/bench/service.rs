// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the service does for a message: mappings in registers and in rings, in a domain that a device uses, so that unmapping has
//! something to invalidate; devices and their faults.

use super::{ROUNDS, clock::Clock, message};
use crate::{
    dma::rings::{list, make, map_list},
    ensure, report,
    scenario::Failure,
    world::{PAGE, READ_WRITE, World},
};
use ffa_abi::ring::{Descriptor, ListEntry};
use ffa_abi::{
    DeviceState, DomainHandle, HypRequest, Iova, PROTOCOL_VERSION, PageOwner, Pages, PhysAddr, Registers,
    Request, Response, SmmuIndex, Status, StreamId,
};
use nwd::hyp::Hyp;
use nwd::ring::Ring;

const BLOCK_2M: u64 = 2 << 20;
/// Entries of a list.
const LIST: u16 = 256;
/// Fewer rounds where each is many messages, or takes a device's time.
const SOME_ROUNDS: u64 = 50;

/// Counts everything.
pub(super) fn count(world: &mut World, clock: &Clock) -> Result<(), Failure> {
    let floor = floor(world, clock)?;
    report::bench("empty_message", floor);
    devices(world, clock)?;
    let domain = world.attached_domain()?;
    pages(world, clock, domain, floor)?;
    lists(world, clock, domain, floor)?;
    faults(world, clock)?;
    world.clean()
}

/// Counts the message that asks for least: it is what each of the others pays for its way.
fn floor(world: &World, clock: &Clock) -> Result<u64, Failure> {
    let mut ticks = 0_u64;
    for _ in 0..ROUNDS {
        ticks = ticks.saturating_add(ask(world, clock, Request::Version(PROTOCOL_VERSION))?.0);
    }
    Ok(clock.instructions(ticks, ROUNDS))
}

/// Sends registers; returns ticks and the answer.
fn send(world: &World, clock: &Clock, registers: Registers) -> Result<(u64, Response), Failure> {
    let mut registers = message(world.iommu.partition(), registers);
    let ticks = clock.call(&mut registers);
    let [_, _, _, x3, x4, x5, x6, x7] = registers;
    let response = Response::decode([x3, x4, x5, x6, x7]);
    response
        .map(|response| (ticks, response))
        .ok_or_else(|| Failure::new(format_args!("answer {registers:x?}")))
}

/// Makes a request that has to succeed; returns ticks and what it answers.
fn ask(world: &World, clock: &Clock, request: Request) -> Result<(u64, [u64; 4]), Failure> {
    let (ticks, Response { status, values }) = send(world, clock, request.encode())?;
    ensure!(status == Status::Ok, "{request:x?}: {status:?}, {values:x?}");
    Ok((ticks, values))
}

/// Makes a request whose answer has to be a number of bytes, and returns its ticks.
fn bytes(world: &World, clock: &Clock, request: Request, bytes: u64) -> Result<u64, Failure> {
    let (ticks, [done, ..]) = ask(world, clock, request)?;
    ensure!(done == bytes, "{request:x?}: {done:#x} bytes");
    Ok(ticks)
}

fn devices(world: &mut World, clock: &Clock) -> Result<(), Failure> {
    let domain = world.domain()?;
    let (smmu, sid) = (world.smmu(), world.device.stream());
    let (mut attaching, mut looking) = (0_u64, 0_u64);
    for _ in 0..ROUNDS {
        let attach = Request::DeviceSetState { smmu, sid, state: DeviceState::Paging(domain) };
        attaching = attaching.saturating_add(ask(world, clock, attach)?.0);
        ask(world, clock, Request::DeviceSetState { smmu, sid, state: DeviceState::Blocked })?;
        // A stream that is in no policy takes as long to look for as any.
        let nobody = StreamId(0x00ff_fffe);
        let unknown =
            Request::DeviceSetState { smmu: SmmuIndex(0), sid: nobody, state: DeviceState::Blocked };
        let (ticks, answer) = send(world, clock, unknown.encode())?;
        ensure!(answer.status == Status::Denied, "an unknown stream: {answer:x?}");
        looking = looking.saturating_add(ticks);
    }
    report::bench("attach", clock.instructions(attaching, ROUNDS));
    report::bench("sid_lookup_max", clock.instructions(looking, ROUNDS));
    Ok(())
}

fn pages(world: &World, clock: &Clock, domain: DomainHandle, floor: u64) -> Result<(), Failure> {
    let memory = world.machine.scratch().part(BLOCK_2M, 2 * BLOCK_2M);
    let pa = memory.address();
    let iova = Iova(world.iova(0).0.next_multiple_of(BLOCK_2M));
    // Tables stay when their last page goes, so that the rounds are alike; the first one makes them.
    let _ = map_and_unmap(world, clock, domain, (iova, pa, PAGE))?;
    let (mut mapping, mut unmapping) = (0_u64, 0_u64);
    for _ in 0..ROUNDS {
        let (map, unmap) = map_and_unmap(world, clock, domain, (iova, pa, PAGE))?;
        (mapping, unmapping) = (mapping.saturating_add(map), unmapping.saturating_add(unmap));
    }
    report::bench("map_4k", clock.instructions(mapping, ROUNDS));
    report::bench("unmap_4k_sync", clock.instructions(unmapping, ROUNDS));
    // One page off, so that no block fits.
    let off = PhysAddr(pa.0 + PAGE);
    for (name, iova, pa, leaves) in [
        ("map_2m_block", Iova(iova.0 + BLOCK_2M), pa, 1),
        ("map_512x4k", Iova(iova.0 + 2 * BLOCK_2M), off, BLOCK_2M / PAGE),
    ] {
        let mut ticks = 0_u64;
        for _ in 0..ROUNDS {
            ticks = ticks.saturating_add(map_and_unmap(world, clock, domain, (iova, pa, BLOCK_2M))?.0);
        }
        let each = clock.instructions(ticks, ROUNDS);
        report::bench(name, if leaves == 1 { each } else { each.saturating_sub(floor).div_ceil(leaves) });
    }
    Ok(())
}

/// Maps and unmaps a range, each in one call, and returns the ticks of both.
fn map_and_unmap(
    world: &World,
    clock: &Clock,
    domain: DomainHandle,
    (iova, pa, size): (Iova, PhysAddr, u64),
) -> Result<(u64, u64), Failure> {
    let map = Request::Map { domain, iova, pa, size, protection: READ_WRITE };
    let map = bytes(world, clock, map, size)?;
    let unmap = bytes(world, clock, Request::Unmap { domain, iova, size }, size)?;
    Ok((map, unmap))
}

/// Lists of single pages: their memory and their addresses in no order, so that no two of them are next to each other.
fn lists(world: &World, clock: &Clock, domain: DomainHandle, floor: u64) -> Result<(), Failure> {
    const STEP: u64 = 77;
    let ring = make(world)?;
    let iova = Iova(world.iova(0).0.next_multiple_of(BLOCK_2M) + 4 * BLOCK_2M);
    let first = world.machine.scratch().part(BLOCK_2M, 2 * BLOCK_2M).address().0;
    let shuffled = |index: u64| index * STEP % u64::from(LIST);
    let (mut mapping, mut unmapping) = (Sum::default(), Sum::default());
    for _ in 0..SOME_ROUNDS {
        let memory = (0..u64::from(LIST)).map(|index| ListEntry(first + 2 * PAGE * shuffled(index)));
        let slots = ring.put(0, map_list(domain, iova, LIST), memory);
        mapping.add(world, clock, &ring, slots)?;
        let ranges = (0..u64::from(LIST)).map(|index| ListEntry(iova.0 + PAGE * shuffled(index)));
        let slots = ring.put(0, Descriptor::UnmapList { domain, list: list(LIST) }, ranges);
        unmapping.add(world, clock, &ring, slots)?;
    }
    ring.close()?;
    for (name, sum) in [("map_list_256", mapping), ("unmap_list_256", unmapping)] {
        let all = clock.instructions(sum.ticks, SOME_ROUNDS);
        let floors = floor.saturating_mul(sum.messages) / SOME_ROUNDS;
        nwd::log!("{name}: {all} instructions, {} messages in {SOME_ROUNDS} rounds", sum.messages);
        report::bench(name, all.saturating_sub(floors).div_ceil(LIST.into()));
    }
    Ok(())
}

/// What lists took.
#[derive(Default)]
struct Sum {
    ticks: u64,
    messages: u64,
}

impl Sum {
    /// Has the descriptor at the ring's start handled, which has to succeed.
    fn add(&mut self, world: &World, clock: &Clock, ring: &Ring, slots: u16) -> Result<(), Failure> {
        loop {
            let (ticks, [done, failed, ..]) = ask(world, clock, ring.bell(0, slots))?;
            self.ticks = self.ticks.saturating_add(ticks);
            self.messages += 1;
            let answer = ring.answer(0);
            ensure!(failed == 0, "a list: {answer:?}");
            if done == u64::from(slots) {
                let whole = u64::from(LIST) * PAGE;
                ensure!(answer.is_some_and(|answer| answer.done == whole), "a list: {answer:?}");
                return Ok(());
            }
        }
    }
}

/// A poll that finds one report.
fn faults(world: &World, clock: &Clock) -> Result<(), Failure> {
    world.drain_faults()?;
    let iova = world.iova(0x70_0000);
    let mut ticks = 0_u64;
    for _ in 0..SOME_ROUNDS {
        world.device.write_ram(iova, 0, 8)?;
        let (poll, [who, at, ..]) = ask(world, clock, Request::FaultPoll)?;
        let sid = u64::from(world.device.stream().0);
        ensure!(who & 0xffff_ffff == sid && at == iova.0, "a report: {who:x}, {at:x}");
        ticks = ticks.saturating_add(poll);
        world.drain_faults()?;
    }
    report::bench("fault_delivery", clock.instructions(ticks, SOME_ROUNDS));
    Ok(())
}

/// Counts what a hypervisor asks for: pages that are no whole block, so that each is looked at.
pub(super) fn count_for_hypervisor(world: &World, clock: &Clock) -> Result<(), Failure> {
    const COUNT: u16 = 512;
    let hyp = Hyp::claim(world.iommu)?;
    let pages = Pages { first: PhysAddr(world.machine.scratch().address().0 + PAGE), count: COUNT };
    let mut ticks = 0_u64;
    for _ in 0..ROUNDS {
        let own = HypRequest::Own(pages, PageOwner::Guest(1)).encode(hyp.key());
        let (owning, answer) = send(world, clock, own)?;
        ensure!(answer.status == Status::Ok, "owning: {answer:x?}");
        ticks = ticks.saturating_add(owning);
        hyp.request(HypRequest::Disown(pages, PageOwner::Guest(1)))?;
    }
    report::bench("own_512", clock.instructions(ticks, ROUNDS));
    Ok(())
}
