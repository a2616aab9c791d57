// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Allowed transfers, and how they end: by unmapping and by blocking.

use crate::{
    ensure,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, describe, require},
};
use ffa_abi::{DeviceState, DomainHandle, FaultKind, Iova, Protection};
use nwd::{edu, ram::Ram};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "both-ways",
        claim: "A device reads and writes exactly the pages that were mapped for it",
        expected: "a page of random bytes goes into the device and comes out in another page, unchanged",
        audience: Everyone,
        cores: 1,
        run: both_ways,
    },
    Scenario {
        name: "read-only",
        claim: "A page that is mapped read-only can be read, and not written",
        expected: "writable: all bytes; read-only: read all, write none, reported as a permission fault",
        audience: Everyone,
        cores: 1,
        run: read_only,
    },
    Scenario {
        name: "unmapped",
        claim: "When unmap returns, the device reaches the page no more, not even with a transfer under way",
        expected: "all bytes before; none after; none of a transfer that was started before",
        audience: Everyone,
        cores: 1,
        run: unmapped,
    },
    Scenario {
        name: "blocked",
        claim: "When a device is set to blocked, it is stopped at once, with its mappings still in place",
        expected: "all bytes before; none after, also of a transfer under way; all again when it is unblocked",
        audience: Everyone,
        cores: 1,
        run: blocked,
    },
];

fn both_ways(world: &mut World) -> Outcome {
    let (from, to) = (world.page(0), world.page(5));
    let (readable, writable) = (world.iova(0x20_0000), world.iova(0x7fff_f000));
    world.say(format_args!(
        "   Two pages of RAM are mapped at addresses of our choice; the device copies one to the other through itself."
    ));
    let domain = world.attached_domain()?;
    world.map(domain, readable, &from, Protection::READ)?;
    world.map_to_write(domain, writable, &to)?;
    let pattern: [u8; edu::BUFFER_SIZE as usize] = world.random.bytes();
    let canary: [u8; edu::BUFFER_SIZE as usize] = world.random.bytes();
    from.write(0, &pattern);
    to.write(0, &canary);
    world.device.read_ram(readable, 0, edu::BUFFER_SIZE)?;
    world.device.write_ram(writable, 0, edu::BUFFER_SIZE)?;
    let mut bytes = [0; edu::BUFFER_SIZE as usize];
    to.read(0, &mut bytes);
    let same = bytes.iter().zip(&pattern).filter(|(a, b)| a == b).count();
    ensure!(bytes == pattern, "{same} of {} bytes arrived", pattern.len());
    let found = world.iommu.lookup(domain, readable)?;
    ensure!(found == (from.address(), Protection::READ), "looked up {found:x?}");
    seen!("{same} of {} bytes came out as they went in", pattern.len())
}

fn read_only(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x3000));
    let domain = world.attached_domain()?;
    let pattern = world.load()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    world.say(format_args!("   First the page is mapped for reading and writing: the device writes it."));
    require("a writable page", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    world.map(domain, iova, &page, Protection::READ)?;
    world.say(format_args!("   Now it is mapped for reading only, and the same write is tried."));
    world.drain_faults()?;
    require("a write", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    let fault = world.fault_of(world.device.stream())?;
    require("a read", world.get(iova, &page)?, Arrival::All)?;
    let Some(fault) = fault else {
        return Err(Failure::new(format_args!("the write was stopped, and not reported")));
    };
    ensure!(
        fault.kind == FaultKind::Permission && fault.write && fault.iova == iova,
        "reported as {}",
        describe(&fault)
    );
    seen!("written when writable; read-only: read, not written; {}", describe(&fault))
}

/// A domain with one page, to which the device just wrote: the SMMU's caches know the way.
fn warm(world: &mut World, page: &Ram, iova: Iova) -> Result<(DomainHandle, [u8; 256]), Failure> {
    let domain = world.attached_domain()?;
    world.map(domain, iova, page, READ_WRITE)?;
    let pattern = world.load()?;
    require("the transfer, while allowed", world.put(&pattern, iova, page)?, Arrival::All)?;
    Ok((domain, pattern))
}

/// Starts a transfer that is allowed and stops it while it is under way. Says what arrived.
fn stopped_under_way(
    world: &mut World,
    (page, iova): (&Ram, Iova),
    allow: impl Fn(&mut World) -> Result<(), Failure>,
    stop: impl Fn(&mut World) -> Result<(), Failure>,
) -> Result<Arrival, Failure> {
    const TRIES: u32 = 10;
    for _ in 0..TRIES {
        allow(world)?;
        let pattern = world.load()?;
        require("the transfer, allowed again", world.put(&pattern, iova, page)?, Arrival::All)?;
        if let Some(arrival) = world.put_during(&pattern, iova, page, &stop)? {
            return Ok(arrival);
        }
    }
    Err(Failure::new(format_args!("{TRIES} transfers were over before they could be stopped")))
}

pub(crate) fn unmapped(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x5000));
    let (domain, pattern) = warm(world, &page, iova)?;
    world.say(format_args!(
        "   The device just wrote this page. It is unmapped, and the device writes again."
    ));
    world.iommu.unmap(domain, iova, PAGE)?;
    require("after unmap", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    require("a read after unmap", world.get(iova, &page)?, Arrival::Nothing)?;

    world.say(format_args!("   Once more, but now it is unmapped while the device is at work."));
    let late = stopped_under_way(
        world,
        (&page, iova),
        |world| Ok(world.map(domain, iova, &page, READ_WRITE)?),
        |world| Ok(world.iommu.unmap(domain, iova, PAGE)?),
    )?;
    require("a transfer under way", late, Arrival::Nothing)?;
    seen!("mapped: all bytes arrived; unmapped: {late}, nor of a transfer under way")
}

fn blocked(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x6000));
    let (domain, pattern) = warm(world, &page, iova)?;
    world.say(format_args!(
        "   The device just wrote this page. Now it is set to blocked; the mapping stays."
    ));
    world.set(DeviceState::Blocked)?;
    require("after blocking", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    let late = stopped_under_way(
        world,
        (&page, iova),
        |world| world.set(DeviceState::Paging(domain)),
        |world| world.set(DeviceState::Blocked),
    )?;
    require("a transfer under way", late, Arrival::Nothing)?;
    world.set(DeviceState::Paging(domain))?;
    let pattern = world.load()?;
    require("unblocked again", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("blocked: {late}, nor of a transfer under way; unblocked: all bytes arrived")
}
