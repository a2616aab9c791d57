// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether an answer can be right, from the protocol's description (docs/protocol.md): a status is justified by what is
//! known, and success by the absence of every reason against it.

use super::calls::{Asked, Call};
use super::{Beside, Domain, Oracle};
use ffa_abi::{
    DeviceState, DomainHandle, Fault, GuestRequest, Header, HypOperation, HypRequest, Key, Operation,
    PageOwner, Protection, Registers, Request, Response, SmmuIndex, Status, StreamId,
};
use iommu_core::policy::Range;

/// Domains that exist at a time (FEATURES).
const MOST_DOMAINS: usize = 128;
/// Mappings of a page of the kernel's, and of one that another shares.
const MOST_PINS: u32 = 16_383;
const MOST_FOREIGN_PINS: u32 = 14;
/// Those of its owner's, of one that is not the kernel's.
const MOST_OWN_PINS: u32 = 3;
/// The smallest page.
const PAGE: u64 = 4096;

fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Tells whether a request may be answered so by anybody.
fn is_known(call: &Call, status: Status) -> bool {
    let number = |[x3, ..]: Registers| Header::from_register(x3).operation;
    let asked = match call.guests {
        Some(request) => Asked::Hyp(HypRequest::Guest(request)),
        None => call.asked,
    };
    match asked {
        Asked::Kernel(request) => {
            Operation::try_from(number(request.encode())).is_ok_and(|operation| operation.may_answer(status))
        }
        Asked::Hyp(request) => HypOperation::try_from(number(request.encode(Key::from_registers([0; 2]))))
            .is_ok_and(|operation| operation.may_answer(status)),
    }
}

impl Oracle {
    /// Says what cannot be right about an answer.
    pub(super) fn check(&self, call: &Call, response: &Response, beside: &Beside) -> Result<(), String> {
        let Response { status, values } = *response;
        let (alone, available) = (!call.met, beside.available);
        let wrong = |why: &str| Err(format!("{:x?} was answered {status:?} {values:x?}: {why}", call.asked));
        if !is_known(call, status) {
            return wrong("the protocol has no such answer to it");
        }
        let request = match call.asked {
            Asked::Kernel(request) => request,
            Asked::Hyp(request) => return self.check_hyp(request, response, call).or_else(|why| wrong(&why)),
        };
        if let Some(guests) = call.guests
            && self.check_guest(guests, call, status).or_else(|why| wrong(&why).map(|()| true))?
        {
            return Ok(());
        }
        match (request, status) {
            // Nobody was there to be busy with, unless a failed SMMU left something behind for ever.
            (Request::Map { .. } | Request::Unmap { .. } | Request::DeviceSetState { .. }, Status::Busy)
                if alone && self.hurt.is_empty() && !self.tampered =>
            {
                wrong("nobody else is there")
            }
            (_, Status::Tampered) if !self.tampered => wrong("nobody tampered"),
            (_, Status::Hardware) if self.hurt.is_empty() => wrong("all SMMUs work"),
            (Request::FaultPoll, status) => self.check_report(status, values).or_else(|why| wrong(&why)),
            (Request::Map { domain, iova, pa, size, protection }, status) => self
                .check_map((domain, protection), (iova.0, pa.0, size), status, values, call, available)
                .or_else(|why| wrong(&why)),
            (Request::Unmap { domain, iova, size }, status) => {
                self.check_unmap(domain, (iova.0, size), status, values, call).or_else(|why| wrong(&why))
            }
            (Request::IovaToPa { domain, iova }, status) => {
                self.check_lookup((domain, call), iova.0, status, values).or_else(|why| wrong(&why))
            }
            (Request::DomainAlloc { smmu, .. }, status) => {
                self.check_alloc(smmu, status, values, (call, available)).or_else(|why| wrong(&why))
            }
            (Request::DomainFree(handle), status) => {
                self.check_free(handle, status, call).or_else(|why| wrong(&why))
            }
            (Request::DeviceSetState { smmu, sid, state }, status) => {
                self.check_set((smmu, sid), state, status, call).or_else(|why| wrong(&why))
            }
            (Request::NestedSet { smmu, sid, domain, context }, status) => {
                self.check_nest((smmu, sid), domain, context.0, (status, call)).or_else(|why| wrong(&why))
            }
            (Request::NestedInvalidate { smmu, sid, command: [first, _] }, Status::Ok) => claim(
                self.may_be_nested(smmu.0, sid.0) && matches!(first & 0xff, 0x05 | 0x06 | 0x10..=0x13),
                || "it is no command of a client's".to_owned(),
            )
            .or_else(|why| wrong(&why)),
            (Request::Claim, _) => {
                self.role.check_claim(response, &beside.granted).or_else(|why| wrong(&why))
            }
            _ => Ok(()),
        }
    }

    /// Finds a report of a device that is somebody else's. Whatever stands in the pool, nobody else's stream is told.
    fn check_report(&self, status: Status, [who, place, access, _]: [u64; 4]) -> Result<(), String> {
        if status != Status::Ok || who == 0 {
            return Ok(());
        }
        let fault = Fault::from_registers([who, place, access]).ok_or("it is no report")?;
        let device = self.policy.device(fault.smmu.0, fault.sid.0).map(|(_, device)| device);
        let holders = device.map(|device| device.holders).unwrap_or_default();
        claim(holders.host || !holders.hyp && !holders.guests, || "it is somebody else's".to_owned())
    }

    /// Returns a domain of the kernel's, or of others where they ask.
    fn live(&self, handle: DomainHandle, call: &Call) -> Result<&Domain, String> {
        let domain = self.domains.get(&handle.raw());
        let whose = |domain: &&Domain| (domain.owner != PageOwner::Host) == call.guests.is_some();
        domain.filter(whose).ok_or_else(|| "the handle names nothing of the caller's".to_owned())
    }

    fn is_managed(&self, pa: u64, size: u64) -> bool {
        self.policy.managed.iter().any(|range| range.contains(&Range { base: pa, size }))
    }

    /// Tells whether an SMMU cannot allow this without allowing more: where stage 1 is all that there is, who writes may read.
    fn is_more_than_can_be(&self, domain: &Domain, protection: Protection) -> bool {
        self.stage1_alone.contains(&domain.smmu) && !protection.contains(Protection::READ)
    }

    fn check_map(
        &self,
        (handle, protection): (DomainHandle, Protection),
        (iova, pa, size): (u64, u64, u64),
        status: Status,
        [bytes, ..]: [u64; 4],
        call: &Call,
        available: usize,
    ) -> Result<(), String> {
        let alone = !call.met;
        let changes = matches!(status, Status::Ok | Status::AlreadyMapped | Status::NoMemory);
        if changes {
            let domain = self.live(handle, call)?;
            let window = self.window_of(domain.owner, domain.smmu).unwrap_or(Range { base: 0, size: 0 });
            claim(!self.is_more_than_can_be(domain, protection), || {
                "reading would be allowed, too".to_owned()
            })?;
            claim((iova | pa | size) % PAGE == 0, || "it is misaligned".to_owned())?;
            claim(self.is_managed(pa, size), || "the memory is not the host's".to_owned())?;
            let closed = self
                .unusable(domain.owner, pa, bytes)
                .filter(|page| !call.moved.iter().any(|(base, size)| (*base..base + size).contains(page)))
                .filter(|page| !self.is_moving(*page, PAGE));
            claim(closed.is_none(), || format!("{closed:x?} is another's"))?;
            claim(window.contains(&Range { base: iova, size }), || "it is not in the window".to_owned())?;
            claim(bytes <= size && bytes % PAGE == 0, || "it says more than was asked for".to_owned())?;
            let mut space = std::borrow::Cow::Borrowed(&domain.space);
            // Others may have unmapped what was there, and not know yet that they are done.
            for (_, first, size) in call.unmapped.iter().filter(|(other, ..)| *other == handle) {
                space.to_mut().remove(*first, *size);
            }
            let replaced = space.certain_bytes(iova, bytes);
            claim(replaced == 0 || self.tampered, || format!("{replaced:#x} bytes were mapped before"))?;
        }
        match status {
            Status::Ok => claim(bytes > 0, || "it did nothing".to_owned()),
            Status::NotSupported => {
                claim(self.is_more_than_can_be(self.live(handle, call)?, protection), || {
                    "the SMMU can do that".to_owned()
                })
            }
            Status::AlreadyMapped => {
                let there = self.live(handle, call)?.space.overlapping(iova + bytes, PAGE).next().is_some();
                claim(there || !alone || self.tampered, || "nothing is mapped there".to_owned())
            }
            Status::NoMemory => claim(available == 0 || !alone || call.guests.is_some(), || {
                format!("{available} pages are left")
            }),
            Status::Denied => {
                let owner = self.domains.get(&handle.raw()).map_or(PageOwner::Host, |domain| domain.owner);
                let another_s = self.unusable(owner, pa, 1).is_some() || !alone;
                claim(another_s || !self.is_managed(pa, size), || "the memory is the host's".to_owned())
            }
            Status::Saturated => {
                let foreign = self.pages.get(pa).is_some();
                let most = match (foreign, call.guests) {
                    (_, Some(_)) => MOST_OWN_PINS,
                    (true, None) => MOST_FOREIGN_PINS,
                    (false, None) => MOST_PINS,
                };
                claim(*self.pins(pa & !(PAGE - 1)).end() >= most || !alone, || {
                    "it is not mapped that often".to_owned()
                })
            }
            Status::InvalidHandle => {
                claim(self.live(handle, call).is_err(), || "the handle is good".to_owned())
            }
            Status::Misaligned => claim((iova | pa | size) % PAGE != 0, || "it is aligned".to_owned()),
            _ => Ok(()),
        }
    }

    fn check_unmap(
        &self,
        handle: DomainHandle,
        (iova, size): (u64, u64),
        status: Status,
        [bytes, removed, ..]: [u64; 4],
        call: &Call,
    ) -> Result<(), String> {
        let alone = !call.met;
        match status {
            Status::Ok => {
                let space = &self.live(handle, call)?.space;
                claim(bytes > 0 && bytes <= size, || "it says more than was asked for".to_owned())?;
                let mapped = space.certain_bytes(iova, bytes);
                let exact = alone && !space.is_doubtful(iova, bytes) && !self.tampered;
                claim(!exact || removed == mapped, || format!("{mapped:#x} bytes were mapped"))
            }
            Status::WouldSplit => {
                let there = self.live(handle, call)?.space.overlapping(iova, PAGE).next().is_some();
                claim(there || !alone || self.tampered, || "nothing is mapped there".to_owned())
            }
            Status::InvalidHandle => {
                claim(self.live(handle, call).is_err(), || "the handle is good".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_lookup(
        &self,
        (handle, call): (DomainHandle, &Call),
        iova: u64,
        status: Status,
        [pa, protection, ..]: [u64; 4],
    ) -> Result<(), String> {
        if self.tampered {
            return Ok(());
        }
        let found = |(first, extent): (u64, super::Extent)| {
            let bits = u64::from(extent.read) | u64::from(extent.write) << 1;
            extent.pa + (iova - first) == pa && bits == protection
        };
        match status {
            Status::Ok => {
                let space = &self.live(handle, call)?.space;
                let coming = self.calls.iter().any(|call| call.maps(handle).is_some());
                claim(coming || space.overlapping(iova, 1).any(found), || "it is not mapped so".to_owned())
            }
            Status::NotMapped => {
                let page = iova & !(PAGE - 1);
                let space = &self.live(handle, call)?.space;
                // Another call may be removing it.
                let unmaps = |call: &Call| matches!(call.asked, Asked::Kernel(Request::Unmap { .. }));
                let going = self.calls.iter().any(unmaps);
                claim(going || space.certain_bytes(page, PAGE) == 0, || "it is mapped".to_owned())
            }
            Status::InvalidHandle => {
                claim(self.live(handle, call).is_err(), || "the handle is good".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_alloc(
        &self,
        smmu: SmmuIndex,
        status: Status,
        [raw, ..]: [u64; 4],
        (call, available): (&Call, usize),
    ) -> Result<(), String> {
        let alone = !call.met;
        let owner = match call.guests {
            Some(GuestRequest::DomainAlloc { owner, .. }) => owner,
            _ => PageOwner::Host,
        };
        match status {
            Status::Ok => {
                let there = self.window_of(owner, smmu.0).is_some();
                claim(there, || "no device there is the caller's".to_owned())?;
                let fresh = u32::try_from(raw).is_ok_and(|raw| !self.given.contains(&raw));
                claim(fresh, || "the handle was given out before".to_owned())
            }
            Status::NoMemory if owner == PageOwner::Host => {
                let all = self.domains.values().chain(self.freeing.values());
                let used = all.filter(|domain| domain.owner == PageOwner::Host).count();
                let most = if self.others_may_hold_devices() {
                    MOST_DOMAINS - MOST_DOMAINS / 4
                } else {
                    MOST_DOMAINS
                };
                claim(!alone || available == 0 || used >= most, || format!("{available} pages are left"))
            }
            _ => Ok(()),
        }
    }

    /// Tells whether some of everything is set aside for others than the kernel.
    pub(crate) fn others_may_hold_devices(&self) -> bool {
        self.policy.devices.iter().any(|device| device.holders.hyp || device.holders.guests)
    }

    fn check_free(&self, handle: DomainHandle, status: Status, call: &Call) -> Result<(), String> {
        let alone = !call.met;
        let kept = self.settings.iter().chain(self.quarantined.values());
        let attached = kept.into_iter().any(|settings| settings.contains(&Some(handle)));
        let surely = self.settings.iter().any(|settings| settings.as_slice() == [Some(handle)]);
        let going = self.freeing.get(&handle.raw());
        let whose = |domain: &Domain| (domain.owner != PageOwner::Host) == call.guests.is_some();
        let known = self.live(handle, call).is_ok() || going.is_some_and(whose);
        match status {
            Status::Ok | Status::Again => {
                claim(known, || "the handle names nothing".to_owned())?;
                claim(!surely, || "a device is in it".to_owned())
            }
            Status::Busy => claim(attached || !alone, || "no device is in it".to_owned()),
            Status::InvalidHandle => claim(!known, || "the handle is good".to_owned()),
            _ => Ok(()),
        }
    }

    fn check_nest(
        &self,
        (smmu, sid): (SmmuIndex, StreamId),
        domain: Option<DomainHandle>,
        context: u64,
        (status, call): (Status, &Call),
    ) -> Result<(), String> {
        let (surely, maybe) = self.is_another_s(smmu.0, sid.0);
        let device = self.policy.device(smmu.0, sid.0).map(|(_, device)| device);
        let may = device.is_some_and(|device| device.holders.host && device.nested);
        match status {
            Status::Ok => {
                claim(may && !surely, || "the policy says no, or it is another's".to_owned())?;
                claim(self.has_both_stages(smmu.0), || "a stage is missing".to_owned())?;
                claim(context.is_multiple_of(64), || "it is misaligned".to_owned())?;
                match domain {
                    Some(handle) => {
                        let domain = self.live(handle, call)?;
                        claim(domain.smmu == smmu.0, || "the domain is another SMMU's".to_owned())
                    }
                    None => claim(device.is_some_and(|device| device.identity), || {
                        "the policy says no to identity".to_owned()
                    }),
                }
            }
            Status::NotSupported => {
                claim(!self.has_both_stages(smmu.0), || "both stages are there".to_owned())
            }
            Status::Misaligned => claim(!context.is_multiple_of(64), || "it is aligned".to_owned()),
            Status::Denied => {
                let identity = domain.is_none() && device.is_some_and(|device| !device.identity);
                claim(maybe || !may || identity, || "the policy says yes".to_owned())
            }
            Status::InvalidHandle => {
                let good = domain.is_some_and(|handle| self.live(handle, call).is_ok());
                claim(!good, || "the handle is good".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn check_set(
        &self,
        (smmu, sid): (SmmuIndex, StreamId),
        state: DeviceState,
        status: Status,
        call: &Call,
    ) -> Result<(), String> {
        let (surely, maybe) = self.is_another_s(smmu.0, sid.0);
        let device = self.policy.device(smmu.0, sid.0).map(|(_, device)| device);
        let held = device.is_some_and(|device| device.holders.host);
        match status {
            Status::Ok => {
                claim(held && !surely, || "the device is not the host's".to_owned())?;
                match state {
                    DeviceState::Blocked => Ok(()),
                    DeviceState::Identity => claim(device.is_some_and(|device| device.identity), || {
                        "the policy says no".to_owned()
                    }),
                    DeviceState::Paging(handle) => {
                        let domain = self.live(handle, call)?;
                        claim(domain.smmu == smmu.0, || "the domain is another SMMU's".to_owned())
                    }
                }
            }
            Status::Denied => {
                let never = state == DeviceState::Identity && device.is_some_and(|device| !device.identity);
                claim(!held || never || maybe, || "the device is the host's".to_owned())
            }
            Status::InvalidHandle => {
                let good = matches!(state, DeviceState::Paging(handle) if self.live(handle, call).is_ok());
                claim(!good, || "the handle is good".to_owned())
            }
            _ => Ok(()),
        }
    }
}
