// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages that are under way, and what their answers change.
//!
//! Calls of several cores may meet. What one maps while another unmaps the same range is there afterwards or not: the
//! protocol does not say, and neither does the oracle.

use super::{Beside, Domain, Extent, IDENTITY, Oracle, Space, guests};
use crate::script::{Change, Move};
use ffa_abi::{
    DeviceState, DomainHandle, GuestRequest, HypRequest, PageOwner, Protection, Request, Response, SmmuIndex,
    Status, StreamId,
};

/// A request, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Kernel(Request),
    Hyp(HypRequest),
}

impl Asked {
    /// Returns the kernel's request where this is one like it for guests.
    pub(crate) const fn plain(self) -> Self {
        match self {
            Self::Hyp(HypRequest::Guest(request)) => Self::Kernel(guests::like(request)),
            other => other,
        }
    }

    /// Returns what is asked for guests, if something is.
    const fn for_guests(self) -> Option<GuestRequest> {
        match self {
            Self::Hyp(HypRequest::Guest(request)) => Some(request),
            _ => None,
        }
    }
}

/// A message without its answer.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) core: usize,
    pub(super) asked: Asked,
    /// What it asks for guests: then `asked` is the like request of the kernel's.
    pub(super) guests: Option<GuestRequest>,
    /// Ranges that others unmapped, or may have, since it began.
    pub(super) unmapped: Vec<(DomainHandle, u64, u64)>,
    /// Ranges that others mapped since it began.
    mapped: Vec<(DomainHandle, u64, u64)>,
    /// Memory that moved since it began.
    pub(super) moved: Vec<(u64, u64)>,
    /// Whether other calls were under way at any time of this one's.
    pub(super) met: bool,
    /// What the device was set to before.
    pub(super) before: Vec<Option<DomainHandle>>,
}

impl Call {
    /// Returns what the call may have mapped in a domain by now.
    pub(super) fn maps(&self, handle: DomainHandle) -> Option<(u64, Extent)> {
        match self.asked {
            Asked::Kernel(Request::Map { domain, iova, pa, size, protection }) if domain == handle => {
                Some((iova.0, extent(pa.0, size, protection)))
            }
            _ => None,
        }
    }

    /// Tells whether the call gives a page to the kernel, which then is in identity.
    pub(super) fn gives(&self, pa: u64) -> bool {
        let Asked::Hyp(request) = self.asked else { return false };
        Move::of(request).is_some_and(|pages| {
            matches!(pages.change, Change::Share | Change::Disown)
                && pa.checked_sub(pages.first).is_some_and(|inside| inside < pages.size())
        })
    }
}

const fn extent(pa: u64, size: u64, protection: Protection) -> Extent {
    let (read, write) = (protection.contains(Protection::READ), protection.contains(Protection::WRITE));
    Extent { size, pa, read, write, certain: true }
}

const fn overlap((one, size): (u64, u64), (other, other_size): (u64, u64)) -> bool {
    one < other.saturating_add(other_size) && other < one.saturating_add(size)
}

impl Oracle {
    /// Takes note that a core sends a request.
    pub(crate) fn begin(&mut self, core: usize, asked: Asked) {
        let guests = asked.for_guests();
        let asked = asked.plain();
        let met = !self.calls.is_empty();
        for other in &mut self.calls {
            other.met = true;
        }
        let (unmapped, mapped, moved, before) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut call = Call { core, asked, guests, unmapped, mapped, moved, met, before };
        // What others are unmapping counts too.
        for other in &self.calls {
            if let Asked::Kernel(Request::Unmap { domain, iova, size }) = other.asked {
                call.unmapped.push((domain, iova.0, size));
            }
        }
        match asked {
            Asked::Kernel(Request::Unmap { domain, iova, size }) => {
                for other in &mut self.calls {
                    other.unmapped.push((domain, iova.0, size));
                }
            }
            Asked::Kernel(Request::DeviceSetState { smmu, sid, state }) => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    call.before.clone_from(settings);
                    settings.push(target(state));
                }
            }
            Asked::Kernel(Request::NestedSet { smmu, sid, domain, .. }) => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    call.before.clone_from(settings);
                    settings.push(Some(domain.unwrap_or(IDENTITY)));
                    self.nested.insert(index);
                }
            }
            Asked::Hyp(request) => self.begin_quarantine(request, &mut call),
            Asked::Kernel(_) => {}
        }
        self.calls.push(call);
    }

    /// Takes note of the answer. Returns the request's finding, if the answer cannot be right.
    pub(crate) fn end(&mut self, core: usize, response: &Response, beside: &Beside) -> Result<(), String> {
        let Some(place) = self.calls.iter().rposition(|call| call.core == core) else { return Ok(()) };
        let call = self.calls.remove(place);
        let judged = self.check(&call, response, beside);
        match call.asked {
            Asked::Kernel(request) => {
                self.apply(&call, request, response);
                if let Some(request) = call.guests {
                    self.apply_guest(request, response.status);
                }
            }
            Asked::Hyp(request) => self.apply_hyp(request, response, &call),
        }
        judged
    }

    fn apply(&mut self, call: &Call, request: Request, response: &Response) {
        let Response { status, values: [bytes, ..] } = *response;
        match request {
            Request::Map { domain, iova, pa, size, protection } => {
                let mapped = matches!(
                    status,
                    Status::Ok | Status::AlreadyMapped | Status::NoMemory | Status::Tampered
                );
                let bytes = if mapped { bytes.min(size) } else { 0 };
                let raced = call.unmapped.iter().any(|(other, first, size)| {
                    *other == domain && overlap((iova.0, bytes), (*first, *size))
                });
                for other in &mut self.calls {
                    other.mapped.push((domain, iova.0, bytes));
                }
                if let Some(found) = self.domains.get_mut(&domain.raw()) {
                    // What others mapped there meanwhile took the place of what this call mapped, or the other way round.
                    for (_, first, size) in call.mapped.iter().filter(|(other, ..)| *other == domain) {
                        let (from, to) = ((*first).max(iova.0), (first + size).min(iova.0 + bytes));
                        found.space.doubt(from, to.saturating_sub(from));
                    }
                    // What was there before is gone: MAP replaces nothing, so somebody who unmaps it has come as far.
                    found.space.remove(iova.0, bytes);
                    let extent = Extent { certain: !raced, ..extent(pa.0, bytes, protection) };
                    found.space.insert(iova.0, extent);
                    // Pages that moved meanwhile moved after they were unmapped, or before they were mapped.
                    for (base, size) in &call.moved {
                        for (iova, extent) in found.space.leading_to(*base, *size).collect::<Vec<_>>() {
                            found.space.doubt(iova, extent.size);
                        }
                        let owner = found.owner;
                        for (page, _) in self.pages.within(*base, *size).filter(|(_, page)| {
                            if owner == PageOwner::Host { !page.shared } else { page.owner != owner }
                        }) {
                            found.space.forget(page, 0x1000);
                        }
                    }
                }
            }
            Request::Unmap { domain, iova, size } => {
                if let Some(domain) = self.domains.get_mut(&domain.raw()) {
                    match status {
                        Status::Ok if call.met => domain.space.remove(iova.0, bytes),
                        Status::Ok => domain.space.clear(iova.0, bytes),
                        Status::Hardware => domain.space.doubt(iova.0, size),
                        _ => {}
                    }
                }
            }
            Request::DomainAlloc { smmu, .. } if status == Status::Ok => {
                if let Some(handle) = u32::try_from(bytes).ok().and_then(DomainHandle::from_raw) {
                    self.given.insert(handle.raw());
                    let owner = match call.guests {
                        Some(GuestRequest::DomainAlloc { owner, .. }) => owner,
                        _ => PageOwner::Host,
                    };
                    self.domains
                        .insert(handle.raw(), Domain { smmu: smmu.0, owner, space: Space::default() });
                }
            }
            Request::DomainFree(handle) => match status {
                Status::Ok => {
                    self.domains.remove(&handle.raw());
                    self.freeing.remove(&handle.raw());
                }
                Status::Again | Status::Hardware => {
                    if let Some(domain) = self.domains.remove(&handle.raw()) {
                        self.freeing.insert(handle.raw(), domain);
                    }
                }
                _ => {}
            },
            Request::DeviceSetState { smmu, sid, state } => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    match status {
                        Status::Ok => {
                            *settings = vec![target(state)];
                            // Another core may be at it.
                            let device = |smmu: SmmuIndex, sid: StreamId| {
                                self.policy.device(smmu.0, sid.0).map(|(index, _)| index)
                            };
                            let nests = |call: &Call| match call.asked {
                                Asked::Kernel(Request::NestedSet { smmu, sid, .. }) => {
                                    device(smmu, sid) == Some(index)
                                }
                                _ => false,
                            };
                            if !self.calls.iter().any(nests) {
                                self.nested.remove(&index);
                            }
                            self.quarantined.remove(&index);
                        }
                        // On the way: either, or what it was before that. It is known again when it is set.
                        Status::Hardware => {}
                        _ => settings.clone_from(&call.before),
                    }
                }
            }
            Request::NestedSet { smmu, sid, domain, .. } => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    match status {
                        Status::Ok => *settings = vec![Some(domain.unwrap_or(IDENTITY))],
                        Status::Hardware => {}
                        _ => settings.clone_from(&call.before),
                    }
                }
            }
            Request::Claim => self.role.claimed(response),
            _ => {}
        }
    }
}

const fn target(state: DeviceState) -> Option<DomainHandle> {
    match state {
        DeviceState::Blocked => None,
        DeviceState::Paging(handle) => Some(handle),
        DeviceState::Identity => Some(IDENTITY),
    }
}
