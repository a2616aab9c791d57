// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains and devices of the hypervisor and its guests. Their operations are like the kernel's of the like name, and go the same way
//! here; what differs stands in this file: whose pages they take, and who has a device.

use super::calls::Call;
use super::{Domain, Oracle};
use ffa_abi::{
    DeviceState, DomainHandle, DomainKind, GuestRequest, HypRequest, PageOwner, Request, Response, SmmuIndex,
    Status, StreamId,
};
use iommu_core::policy::{Device, Guard, Range};

const PAGE: u64 = 4096;
/// Guests that there can be (FEATURES).
const MOST_GUESTS: u16 = 255;

/// Who has a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Has {
    /// The kernel, if the policy lets it.
    #[default]
    Kernel,
    /// The hypervisor or a guest.
    Other,
    /// One of both: an SMMU failed on the way.
    Either,
}

fn claim(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Returns the kernel's request that is like one of the hypervisor's.
pub(super) const fn like(request: GuestRequest) -> Request {
    match request {
        GuestRequest::DomainAlloc { smmu, .. } => Request::DomainAlloc { smmu, kind: DomainKind::Paging },
        GuestRequest::DomainFree(domain) => Request::DomainFree(domain),
        GuestRequest::Map { domain, iova, pa, pages, protection } => {
            Request::Map { domain, iova, pa, size: pages as u64 * PAGE, protection }
        }
        GuestRequest::Unmap { domain, iova, pages } => {
            Request::Unmap { domain, iova, size: pages as u64 * PAGE }
        }
        GuestRequest::IovaToPa { domain, iova } => Request::IovaToPa { domain, iova },
        GuestRequest::DeviceAssign { smmu, sid, domain } => {
            Request::DeviceSetState { smmu, sid, state: DeviceState::Paging(domain) }
        }
        GuestRequest::DeviceReturn { smmu, sid } => {
            Request::DeviceSetState { smmu, sid, state: DeviceState::Blocked }
        }
    }
}

/// Tells whether the policy lets somebody hold a device.
pub(super) const fn may_hold(owner: PageOwner, device: &Device) -> bool {
    match owner {
        PageOwner::Host => device.holders.host,
        PageOwner::Hyp => device.holders.hyp,
        PageOwner::Guest(_) => device.holders.guests,
        PageOwner::Pool => false,
    }
}

impl Oracle {
    /// Returns who has a device, by its place in the policy.
    fn has(&self, index: usize) -> Has {
        self.has.get(index).copied().unwrap_or_default()
    }

    /// Tells whether somebody other than the kernel has a stream's device for sure, or may have.
    pub(super) fn is_another_s(&self, smmu: u16, sid: u32) -> (bool, bool) {
        let has = self.policy.device(smmu, sid).map_or(Has::Kernel, |(index, _)| self.has(index));
        (has == Has::Other, has != Has::Kernel)
    }

    /// Returns the first page of a range that cannot be mapped in somebody's domain.
    pub(super) fn unusable(&self, owner: PageOwner, base: u64, size: u64) -> Option<u64> {
        let first = base & !(PAGE - 1);
        match owner {
            PageOwner::Host => self.pages.closed(base, size),
            _ => (0..size.div_ceil(PAGE))
                .map(|page| first.saturating_add(page * PAGE))
                .find(|page| self.pages.get(*page).is_none_or(|foreign| foreign.owner != owner)),
        }
    }

    /// Returns the window of a domain for an SMMU: what all devices allow that its owner may hold.
    pub(super) fn window_of(&self, owner: PageOwner, smmu: u16) -> Option<Range> {
        let held = |device: &&Device| u16::from(device.smmu) == smmu && may_hold(owner, device);
        self.policy.devices.iter().filter(held).map(|device| device.iova).reduce(|one, other| {
            let base = one.base.max(other.base);
            let end = (one.base + one.size).min(other.base + other.size);
            Range { base, size: end.saturating_sub(base) }
        })
    }

    /// Says what cannot be right about an answer that could be about the like request of the kernel's. `Ok(true)` says that
    /// it is judged.
    pub(super) fn check_guest(
        &self,
        request: GuestRequest,
        call: &Call,
        status: Status,
    ) -> Result<bool, String> {
        if self.policy.guard == Guard::Nobody {
            return claim(status == Status::Denied, "nobody guards the tables").map(|()| true);
        }
        let calm = !call.met && self.hurt.is_empty() && !self.tampered;
        match request {
            GuestRequest::DomainAlloc { smmu, owner } => {
                let known = owner == PageOwner::Hyp
                    || matches!(owner, PageOwner::Guest(number) if number < MOST_GUESTS);
                match status {
                    Status::Ok => claim(known, "the owner is none")?,
                    Status::Denied => claim(self.window_of(owner, smmu.0).is_none(), "a device is there")?,
                    _ => {}
                }
                Ok(false)
            }
            GuestRequest::DeviceAssign { smmu, sid, domain } => {
                self.check_assign((smmu, sid), self.held(domain), call, status, calm).map(|()| true)
            }
            GuestRequest::DeviceReturn { smmu, sid } => {
                let (surely, maybe) = self.is_another_s(smmu.0, sid.0);
                match status {
                    Status::Ok => claim(maybe, "nobody had it"),
                    Status::Denied => claim(!surely, "it was assigned"),
                    Status::Busy => claim(!calm, "nobody else is there"),
                    _ => Ok(()),
                }
                .map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn check_assign(
        &self,
        (smmu, sid): (SmmuIndex, StreamId),
        domain: Option<&Domain>,
        call: &Call,
        status: Status,
        calm: bool,
    ) -> Result<(), String> {
        let device = self.policy.device(smmu.0, sid.0).map(|(_, device)| device);
        let (surely, maybe) = self.is_another_s(smmu.0, sid.0);
        let owner = domain.map(|domain| domain.owner);
        let allowed = owner.zip(device).is_some_and(|(owner, device)| may_hold(owner, device));
        match status {
            Status::Ok => {
                claim(allowed, "the device is not its owner's")?;
                claim(domain.is_some_and(|domain| domain.smmu == smmu.0), "the domain is another SMMU's")?;
                claim(!surely, "somebody has it")?;
                claim(call.before.contains(&None), "it was not blocked")
            }
            Status::Denied => claim(!allowed, "the device is its owner's"),
            Status::InvalidHandle => claim(domain.is_none(), "the handle is good"),
            Status::Busy => {
                let blocked = call.before.as_slice() == [None] && self.quarantined.is_empty();
                claim(!calm || maybe || !blocked, "it was blocked, and nobody's")
            }
            _ => Ok(()),
        }
    }

    /// Returns a domain that is not the kernel's.
    pub(super) fn held(&self, handle: DomainHandle) -> Option<&Domain> {
        self.domains.get(&handle.raw()).filter(|domain| domain.owner != PageOwner::Host)
    }

    /// Takes note of who has a device after an answer.
    pub(super) fn apply_guest(&mut self, request: GuestRequest, status: Status) {
        let (smmu, sid, after) = match (request, status) {
            (GuestRequest::DeviceAssign { smmu, sid, .. }, Status::Ok) => (smmu, sid, Has::Other),
            (GuestRequest::DeviceAssign { smmu, sid, .. }, Status::Hardware) => (smmu, sid, Has::Either),
            (GuestRequest::DeviceReturn { smmu, sid }, Status::Ok) => (smmu, sid, Has::Kernel),
            _ => return,
        };
        if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
            && let Some(has) = self.has.get_mut(index)
        {
            // What was somebody's before stays so.
            if (*has, after) != (Has::Other, Has::Either) {
                *has = after;
            }
        }
    }

    /// Takes note that a device goes into quarantine, or comes out, when that is asked for.
    pub(super) fn begin_quarantine(&mut self, request: HypRequest, call: &mut Call) {
        let HypRequest::Quarantine { smmu, sid, .. } = request else { return };
        if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
            && let Some(settings) = self.settings.get_mut(index)
        {
            call.before.clone_from(settings);
            settings.push(None);
        }
    }

    /// Says what cannot be right about an answer to QUARANTINE.
    pub(super) fn check_quarantine(&self, request: HypRequest, response: &Response) -> Result<(), String> {
        let HypRequest::Quarantine { smmu, sid, .. } = request else { return Ok(()) };
        let Some((_, device)) = self.policy.device(smmu.0, sid.0) else {
            return claim(response.status == Status::Denied, "it is nobody's");
        };
        let (surely, maybe) = self.is_another_s(smmu.0, sid.0);
        let alone = !device.holders.host && (device.holders.hyp || device.holders.guests);
        match response.status {
            Status::Ok => claim(maybe || alone, "its faults are the kernel's to hear"),
            Status::Denied => claim(!surely && !alone, "its faults are the hypervisor's to hear"),
            _ => Ok(()),
        }
    }

    /// Takes note of an answer to QUARANTINE.
    pub(super) fn apply_quarantine(&mut self, request: HypRequest, response: &Response, call: &Call) {
        let HypRequest::Quarantine { smmu, sid, on } = request else { return };
        let Some((index, _)) = self.policy.device(smmu.0, sid.0) else { return };
        let Some(settings) = self.settings.get_mut(index) else { return };
        match (response.status, on, self.quarantined.get(&index)) {
            (Status::Ok, true, None) => {
                // It aborts, and keeps its domain.
                self.quarantined.insert(index, call.before.clone());
                *settings = vec![None];
            }
            (Status::Ok, false, Some(_)) => {
                self.quarantined.remove(&index);
                *settings = vec![None];
            }
            // One of both, until it is set.
            (Status::Hardware, ..) => {}
            _ => settings.clone_from(&call.before),
        }
    }
}
