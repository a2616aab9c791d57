// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The guest's device: the host gives one of its own by HVC and gets it back. While the guest has it, its registers are out
//! of the host's reach, its configuration is not the host's to write, and its DMA goes where the guest's domain says.

use crate::{
    guest::{Answer, GUEST},
    pci,
    platform::{self, PAGE},
    stage2,
};
use ffa_abi::{
    DomainHandle, GuestRequest, HypRequest, Iova, PhysAddr, Protection, SmmuIndex, Status, StreamId,
};
use nwd::{
    Region, counter,
    edu::{BUFFER_SIZE, Direction, Edu, REGISTERS_SIZE},
    hyp::Hyp,
    hypercall::{self, GUEST_IOVA, GUEST_TRANSFER},
    iommu::IommuError,
    pci::RequesterId,
};
use spin::mutex::SpinMutex;

/// What the guest may do with its page by its device.
const PROTECTION: Protection = Protection::READ.union(Protection::WRITE);
/// Calls that freeing a domain may take.
const MOST_CALLS: u32 = 100_000;
/// Seconds that a transfer may take; one takes a tenth of a second.
const PATIENCE: u64 = 3;
const REFUSED: [u64; 3] = [hypercall::NOT_THE_DEVICE, 0, 0];

/// A device on its way to the guest, or there.
#[derive(Clone, Copy)]
struct Assigned {
    requester: RequesterId,
    /// Once it has arrived.
    arrived: Option<Arrived>,
}

/// What a device that has arrived is driven by, and what it reaches.
#[derive(Clone, Copy)]
struct Arrived {
    edu: Edu,
    bar: Region,
    domain: DomainHandle,
    /// Address of the page at [`GUEST_IOVA`].
    page: u64,
}

static ASSIGNED: SpinMutex<Option<Assigned>> = SpinMutex::new(None);

/// Tells whether the function with this number in configuration space is a guest's.
pub(crate) fn is_guests(function: u64) -> bool {
    ASSIGNED.lock().is_some_and(|assigned| u64::from(assigned.requester.0) == function)
}

/// The host's device becomes the guest's: the host loses its registers and configuration, it comes to rest, and only then it
/// reaches the guest's page.
pub(crate) fn assign(hyp: &Hyp, stream: u64, page: u64) -> Answer {
    let requester = u16::try_from(stream).map(RequesterId).map_err(|_| REFUSED)?;
    {
        let mut assigned = ASSIGNED.lock();
        if assigned.is_some() {
            return Err(REFUSED);
        }
        // From here on nobody moves its BAR.
        *assigned = Some(Assigned { requester, arrived: None });
    }
    let outcome = take(hyp, requester, page);
    let mut assigned = ASSIGNED.lock();
    match outcome {
        Ok(arrived) => {
            *assigned = Some(Assigned { requester, arrived: Some(arrived) });
            Ok(u64::from(arrived.domain.raw()))
        }
        Err(refusal) => {
            *assigned = None;
            Err(refusal)
        }
    }
}

fn take(hyp: &Hyp, requester: RequesterId, page: u64) -> Result<Arrived, [u64; 3]> {
    let base = pci::first_bar(requester.0).ok_or(REFUSED)?;
    let bar = Region { base, size: REGISTERS_SIZE };
    let registers = platform::device_registers(bar).ok_or(REFUSED)?;
    reach(bar, false)?;
    let taken = Edu::new(requester, registers).map_err(|_| REFUSED).and_then(|edu| {
        // What the host has started still goes where the host's domain said, or nowhere.
        at_rest(&edu)?;
        Ok(Arrived { edu, bar, domain: connect(hyp, requester, page)?, page })
    });
    if taken.is_err() {
        reach(bar, true)?;
    }
    taken
}

/// Makes the guest's domain, maps its page there, and puts the device into it.
fn connect(hyp: &Hyp, requester: RequesterId, page: u64) -> Result<DomainHandle, [u64; 3]> {
    let (smmu, sid) = names(requester)?;
    let [raw, ..] = ask(hyp, GuestRequest::DomainAlloc { smmu, owner: GUEST })?;
    let domain = u32::try_from(raw).ok().and_then(DomainHandle::from_raw).ok_or(REFUSED)?;
    let map = GuestRequest::Map {
        domain,
        iova: Iova(GUEST_IOVA),
        pa: PhysAddr(page),
        pages: 1,
        protection: PROTECTION,
    };
    let connected = ask(hyp, map).and_then(|_| ask(hyp, GuestRequest::DeviceAssign { smmu, sid, domain }));
    if let Err(refusal) = connected {
        // Of a page that was not mapped the service says so; the domain goes in any case.
        let _ = ask(hyp, unmap(domain));
        free(hyp, domain)?;
        return Err(refusal);
    }
    Ok(domain)
}

/// Returns how the service calls a device: requester IDs are stream IDs here.
fn names(requester: RequesterId) -> Result<(SmmuIndex, StreamId), [u64; 3]> {
    let stream = u32::from(requester.0);
    let device = platform::DEVICES.iter().find(|device| device.first_stream_id == stream).ok_or(REFUSED)?;
    Ok((SmmuIndex(device.smmu), StreamId(stream)))
}

const fn unmap(domain: DomainHandle) -> GuestRequest {
    GuestRequest::Unmap { domain, iova: Iova(GUEST_IOVA), pages: 1 }
}

fn free(hyp: &Hyp, domain: DomainHandle) -> Result<(), [u64; 3]> {
    for _ in 0..MOST_CALLS {
        match hyp.request(HypRequest::Guest(GuestRequest::DomainFree(domain))) {
            Ok(_) => return Ok(()),
            Err(IommuError::Status(Status::Again)) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Err(REFUSED)
}

/// The guest is done with its device: what it holds is overwritten by zeros, then it is the host's again.
pub(crate) fn give_back(hyp: &Hyp, stream: u64) -> Answer {
    let (requester, Arrived { edu, bar, domain, page }) = arrived(stream)?;
    let memory = platform::memory(Region { base: page, size: PAGE }).ok_or(REFUSED)?;
    for offset in (0..PAGE).step_by(8) {
        memory.write(offset, &[0; 8]);
    }
    move_bytes(&edu, Direction::FromRam, GUEST_IOVA, BUFFER_SIZE)?;
    let (smmu, sid) = names(requester)?;
    ask(hyp, GuestRequest::DeviceReturn { smmu, sid })?;
    ask(hyp, unmap(domain))?;
    free(hyp, domain)?;
    reach(bar, true)?;
    *ASSIGNED.lock() = None;
    Ok(0)
}

/// The guest uses its device.
pub(crate) fn transfer(at: u64, to_ram: bool) -> Answer {
    let assigned = ASSIGNED.lock().and_then(|assigned| assigned.arrived);
    let Arrived { edu, .. } = assigned.ok_or(REFUSED)?;
    let direction = if to_ram { Direction::ToRam } else { Direction::FromRam };
    move_bytes(&edu, direction, at, GUEST_TRANSFER).map(|()| 0)
}

/// Moves bytes between the start of the device's buffer and an address.
fn move_bytes(edu: &Edu, direction: Direction, at: u64, count: u16) -> Result<(), [u64; 3]> {
    at_rest(edu)?;
    edu.start(direction, Iova(at), 0, count).map_err(|_| REFUSED)?;
    at_rest(edu)
}

/// Waits for what a device was told to do. The timer that could be slept by is the host's.
fn at_rest(edu: &Edu) -> Result<(), [u64; 3]> {
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while edu.is_busy() {
        if counter::now() > limit {
            return Err(REFUSED);
        }
        core::hint::spin_loop();
    }
    Ok(())
}

/// Counts reports of a stream among all that there are for the hypervisor.
pub(crate) fn reports(hyp: &Hyp, stream: u64) -> Answer {
    let mut count = 0;
    for _ in 0..MOST_CALLS {
        match hyp.fault() {
            Ok(Some(fault)) => count += u64::from(u64::from(fault.sid.0) == stream),
            Ok(None) => return Ok(count),
            Err(error) => return Err(refused(error)),
        }
    }
    Err(REFUSED)
}

fn arrived(stream: u64) -> Result<(RequesterId, Arrived), [u64; 3]> {
    let assigned = *ASSIGNED.lock();
    let assigned = assigned.filter(|assigned| u64::from(assigned.requester.0) == stream).ok_or(REFUSED)?;
    Ok((assigned.requester, assigned.arrived.ok_or(REFUSED)?))
}

fn ask(hyp: &Hyp, request: GuestRequest) -> Result<[u64; 4], [u64; 3]> {
    hyp.request(HypRequest::Guest(request)).map_err(refused)
}

fn refused(error: IommuError) -> [u64; 3] {
    match error {
        IommuError::Status(status) => [hypercall::SERVICE, u64::from(u32::from(status)), 0],
        _ => REFUSED,
    }
}

/// Takes a device's registers from the host, or gives them.
fn reach(bar: Region, reachable: bool) -> Result<(), [u64; 3]> {
    (0..bar.size / PAGE)
        .try_for_each(|page| stage2::set(bar.base + page * PAGE, reachable))
        .map_err(|_| REFUSED)
}
