// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device on its way to a guest and back: what the host has left in it, and what it does meanwhile to get at it.
#![expect(unsafe_code, reason = "reads and writes registers that are a guest's")]

use super::guest::Witness;
use crate::{
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require},
};
use ffa_abi::{DeviceState, DomainHandle, Iova, Request, Status};
use nwd::{
    edu::Direction,
    guarded,
    hypercall::{self, Call, GUEST_IOVA, GUEST_TRANSFER, Refusal, call},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "assigned-in-use",
        claim: "A device becomes a guest's while a domain of the host still has it",
        expected: "attach it, with the guest's address mapped to a page of the host's; give the device away",
        audience: Test,
        cores: 1,
        run: in_use,
    },
    Scenario {
        name: "assigned-under-way",
        claim: "A device becomes a guest's with the host's transfer under way",
        expected: "start a write to where the guest's page will be; block the device and give it away at once",
        audience: Test,
        cores: 1,
        run: under_way,
    },
    Scenario {
        name: "device-of-a-guest",
        claim: "A guest's device taken back by the host, or its domain changed",
        expected: "set the device to each state; map, unmap, look up and free by the handle of the guest's domain",
        audience: Test,
        cores: 1,
        run: of_a_guest,
    },
    Scenario {
        name: "device-registers",
        claim: "A guest's device driven by the host",
        expected: "read and write its registers; move its BAR",
        audience: Test,
        cores: 1,
        run: registers,
    },
    Scenario {
        name: "faults-of-others",
        claim: "Fault reports of another holder's device",
        expected: "let the guest's device fault; ask for all reports, while the guest has it and afterwards",
        audience: Test,
        cores: 1,
        run: faults,
    },
    Scenario {
        name: "device-returned",
        claim: "What a guest's device holds and reaches when it is the host's again",
        expected: "let it read the guest's page; look into it when it is back; write by the guest's address",
        audience: Test,
        cores: 1,
        run: returned,
    },
];

/// The page that the guest's device reaches.
const PAGE_NUMBER: u64 = 26;
/// An address that nothing is mapped at, in the guest's domain as in the host's.
const NOWHERE: u64 = GUEST_IOVA + 0x10_0000;

/// The host's device while it is the guest's.
struct Assigned {
    stream: u64,
    domain: u64,
}

impl Assigned {
    fn new(world: &World, guest: &Witness) -> Result<Self, Refusal> {
        let stream = u64::from(world.device.stream().0);
        Ok(Self { stream, domain: call(Call::Assign, stream, guest.address().0)? })
    }

    /// Lets the guest write what its device holds; that arrives, if the guest's domain is as it was.
    fn works(&self, world: &mut World, guest: &mut Witness) -> Result<u64, Failure> {
        guest.refill(world)?;
        call(Call::Transfer, GUEST_IOVA, 1)?;
        let differing = guest.differing()?;
        ensure!(
            differing > u64::from(GUEST_TRANSFER) / 2,
            "the guest's own transfer: {differing} bytes differ"
        );
        guest.refill(world)?;
        Ok(differing)
    }

    /// Gives it back; so does dropping it, where an attack ends early.
    fn end(self) -> Result<(), Failure> {
        call(Call::Return, self.stream, 0)?;
        core::mem::forget(self);
        Ok(())
    }
}

impl Drop for Assigned {
    fn drop(&mut self) {
        // Where it cannot, the attack that uses the device next says so.
        let _ = call(Call::Return, self.stream, 0);
    }
}

fn in_use(world: &mut World) -> Outcome {
    let (own, page) = (world.page(PAGE_NUMBER + 1), world.page(PAGE_NUMBER));
    let domain = world.attached_domain()?;
    world.map(domain, Iova(GUEST_IOVA), &own, READ_WRITE)?;
    let mut guest = Witness::guest(world, &page)?;
    let busy = Refusal { reason: hypercall::SERVICE, status: u64::from(u32::from(Status::Busy)), address: 0 };
    for state in [DeviceState::Paging(domain), DeviceState::Identity] {
        world.set(state)?;
        match Assigned::new(world, &guest) {
            Err(refusal) if refusal == busy => {}
            Err(refusal) => return Err(Failure::new(format_args!("in {state:?}: {refusal}"))),
            Ok(_) => return Err(Failure::new(format_args!("in {state:?}: it is given away"))),
        }
    }
    world.set(DeviceState::Paging(domain))?;
    let pattern = world.load()?;
    require("still the host's", world.put(&pattern, Iova(GUEST_IOVA), &own)?, Arrival::All)?;
    world.set(DeviceState::Blocked)?;
    let before = own.word(0);
    let device = Assigned::new(world, &guest)?;
    let differing = device.works(world, &mut guest)?;
    ensure!(own.word(0) == before, "the guest's transfer went to the host's page");
    device.end()?;
    seen!("the service is busy until the device is blocked; then {differing} bytes of the guest's arrive")
}

fn under_way(world: &mut World) -> Outcome {
    const TRIES: u32 = 10;
    let (own, page) = (world.page(PAGE_NUMBER + 1), world.page(PAGE_NUMBER));
    let domain = world.attached_domain()?;
    world.map(domain, Iova(GUEST_IOVA), &own, READ_WRITE)?;
    for _ in 0..TRIES {
        let mut guest = Witness::guest(world, &page)?;
        world.set(DeviceState::Paging(domain))?;
        let pattern = world.load()?;
        require("before", world.put(&pattern, Iova(GUEST_IOVA), &own)?, Arrival::All)?;
        world.device.start(Direction::ToRam, Iova(GUEST_IOVA), 0, TRANSFER_COUNT)?;
        world.set(DeviceState::Blocked)?;
        let in_time = world.device.is_busy();
        let device = Assigned::new(world, &guest)?;
        guest.unharmed("by a transfer from before")?;
        let differing = device.works(world, &mut guest)?;
        device.end()?;
        if in_time {
            return seen!(
                "the hypervisor waits until the device rests; then {differing} bytes of the guest's arrive"
            );
        }
    }
    Err(Failure::new(format_args!("{TRIES} transfers were over before the device was given")))
}

fn of_a_guest(world: &mut World) -> Outcome {
    let (own, page) = (world.page(PAGE_NUMBER + 1), world.page(PAGE_NUMBER));
    let own_domain = world.domain()?;
    world.map(own_domain, Iova(GUEST_IOVA), &own, READ_WRITE)?;
    let mut guest = Witness::guest(world, &page)?;
    let device = Assigned::new(world, &guest)?;
    device.works(world, &mut guest)?;
    let (smmu, sid, iommu) = (world.smmu(), world.device.stream(), world.iommu);
    for state in [DeviceState::Blocked, DeviceState::Paging(own_domain), DeviceState::Identity] {
        refused("a state", iommu.set_state(smmu, sid, state), Status::Denied)?;
    }
    let theirs = u32::try_from(device.domain).ok().and_then(DomainHandle::from_raw);
    let Some(theirs) = theirs else { return Err(Failure::new(format_args!("{:#x}", device.domain))) };
    let (iova, size) = (Iova(GUEST_IOVA), PAGE);
    let beside = Iova(GUEST_IOVA + PAGE);
    let pa = own.address();
    for request in [
        Request::Map { domain: theirs, iova: beside, pa, size, protection: READ_WRITE },
        Request::Unmap { domain: theirs, iova, size },
        Request::IovaToPa { domain: theirs, iova },
        Request::DomainFree(theirs),
    ] {
        refused("by the guest's handle", iommu.request(request), Status::InvalidHandle)?;
    }
    guest.unharmed("by what was refused")?;
    let differing = device.works(world, &mut guest)?;
    device.end()?;
    seen!(
        "the service denies three states, and four uses of a handle; {differing} bytes of the guest's arrive after"
    )
}

fn registers(world: &mut World) -> Outcome {
    /// Offset of the first BAR in configuration space.
    const BAR0: u64 = 0x10;
    let page = world.page(PAGE_NUMBER);
    let mut guest = Witness::guest(world, &page)?;
    let device = Assigned::new(world, &guest)?;
    let at = world.device.registers();
    // SAFETY: the device's first register says which version it is.
    let read = unsafe { guarded::read32(at) };
    if read.is_ok() {
        world.device.write_ram(Iova(GUEST_IOVA), 0, TRANSFER_COUNT)?;
        guest.unharmed("driven by the host")?;
    }
    ensure!(read.is_err_and(|fault| fault.is_external_abort()), "its registers read {read:x?}");
    // SAFETY: the last address of the BAR, which is no register.
    let written = unsafe { guarded::write32(at + nwd::edu::REGISTERS_SIZE - 4, 0) };
    ensure!(written.is_err_and(|fault| fault.is_external_abort()), "its registers are written: {written:x?}");
    let configuration = platform::ECAM + u64::from(world.device.id.0) * PAGE;
    // SAFETY: a BAR that moves takes registers of a device with it, which this attack is about.
    let moved = unsafe { guarded::write32(configuration + BAR0, 0) };
    ensure!(moved.is_err_and(|fault| fault.is_external_abort()), "its BAR is moved: {moved:x?}");
    let differing = device.works(world, &mut guest)?;
    device.end()?;
    // SAFETY: as above.
    let back = unsafe { guarded::read32(at) };
    ensure!(back.is_ok(), "returned: {back:x?}");
    seen!("the hypervisor: registers and configuration abort; {differing} bytes of the guest's arrive")
}

fn faults(world: &mut World) -> Outcome {
    let page = world.page(PAGE_NUMBER);
    world.set(DeviceState::Blocked)?;
    world.drain_faults()?;
    let mut guest = Witness::guest(world, &page)?;
    let device = Assigned::new(world, &guest)?;
    call(Call::Reports, device.stream, 0)?;
    call(Call::Transfer, NOWHERE, 1)?;
    let (told, dropped) = world.drain_faults()?;
    ensure!((told, dropped) == (0, 0), "the host is told of {told}, and that {dropped} were dropped");
    let reports = call(Call::Reports, device.stream, 0)?;
    ensure!(reports > 0, "the hypervisor is told of none");
    call(Call::Transfer, NOWHERE, 1)?;
    let differing = device.works(world, &mut guest)?;
    let stream = device.stream;
    device.end()?;
    let (told, dropped) = world.drain_faults()?;
    let late = call(Call::Reports, stream, 0)?;
    ensure!((told, dropped) == (0, 0), "returned: the host is told of {told}, and of {dropped} dropped");
    ensure!(late > 0, "returned: the hypervisor is told of none");
    seen!(
        "the service tells the hypervisor, {reports} and {late} reports, the host none; {differing} bytes arrive"
    )
}

fn returned(world: &mut World) -> Outcome {
    let (own, page) = (world.page(PAGE_NUMBER + 1), world.page(PAGE_NUMBER));
    let own_domain = world.domain()?;
    world.map(own_domain, Iova(NOWHERE), &own, READ_WRITE)?;
    let mut guest = Witness::guest(world, &page)?;
    let device = Assigned::new(world, &guest)?;
    // The device takes what only the guest knows, and writes it down again: nothing changes.
    call(Call::Transfer, GUEST_IOVA, 0)?;
    call(Call::Transfer, GUEST_IOVA, 1)?;
    guest.unharmed("what the device took from there")?;
    device.end()?;
    // The guest has emptied its page with the device.
    guest.refill(world)?;
    let held = world.peek()?;
    let left = held.iter().filter(|byte| **byte != 0).count();
    ensure!(left == 0, "{left} bytes of the guest's are still in the device");
    for state in [DeviceState::Blocked, DeviceState::Paging(own_domain), DeviceState::Identity] {
        world.set(state)?;
        for at in [Iova(GUEST_IOVA), Iova(guest.address().0)] {
            world.device.write_ram(at, 0, TRANSFER_COUNT)?;
        }
        guest.unharmed("from the host's domain")?;
    }
    world.set(DeviceState::Paging(own_domain))?;
    let pattern = world.load()?;
    let after = world.put(&pattern, Iova(NOWHERE), &own)?;
    require("the host's own", after, Arrival::All)?;
    seen!(
        "it comes back blocked and empty, the SMMU has forgotten the guest's domain; the host's own page: {after}"
    )
}
