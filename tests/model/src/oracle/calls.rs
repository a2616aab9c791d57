// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages that are under way, and what their answers change.
//!
//! Calls of several cores may meet. What one maps while another unmaps the same range is there afterwards or not: the
//! protocol does not say, and neither does the oracle.

use super::{Domain, Extent, Oracle, Space};
use ffa_abi::{DeviceState, DomainHandle, Protection, Request, Response, Status};

/// A message without its answer.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) core: usize,
    pub(super) request: Request,
    /// Ranges that others unmapped, or may have, since it began.
    pub(super) unmapped: Vec<(DomainHandle, u64, u64)>,
    /// Ranges that others mapped since it began.
    mapped: Vec<(DomainHandle, u64, u64)>,
    /// Whether other calls were under way at any time of this one's.
    pub(super) met: bool,
    /// What the device was set to before.
    before: Vec<Option<DomainHandle>>,
}

impl Call {
    /// Returns what the call may have mapped in a domain by now.
    pub(super) fn maps(&self, handle: DomainHandle) -> Option<(u64, Extent)> {
        match self.request {
            Request::Map { domain, iova, pa, size, protection } if domain == handle => {
                Some((iova.0, extent(pa.0, size, protection)))
            }
            _ => None,
        }
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
    pub(crate) fn begin(&mut self, core: usize, request: Request) {
        let met = !self.calls.is_empty();
        for other in &mut self.calls {
            other.met = true;
        }
        let (unmapped, mapped, before) = (Vec::new(), Vec::new(), Vec::new());
        let mut call = Call { core, request, unmapped, mapped, met, before };
        // What others are unmapping counts too.
        for other in &self.calls {
            if let Request::Unmap { domain, iova, size } = other.request {
                call.unmapped.push((domain, iova.0, size));
            }
        }
        match request {
            Request::Unmap { domain, iova, size } => {
                for other in &mut self.calls {
                    other.unmapped.push((domain, iova.0, size));
                }
            }
            Request::DeviceSetState { smmu, sid, state } => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    call.before.clone_from(settings);
                    settings.push(target(state));
                }
            }
            _ => {}
        }
        self.calls.push(call);
    }

    /// Takes note of the answer. Returns the request's finding, if the answer cannot be right.
    pub(crate) fn end(&mut self, core: usize, response: &Response, available: usize) -> Result<(), String> {
        let Some(place) = self.calls.iter().rposition(|call| call.core == core) else { return Ok(()) };
        let call = self.calls.remove(place);
        let judged = self.check(&call, response, available);
        self.apply(&call, response);
        judged
    }

    fn apply(&mut self, call: &Call, response: &Response) {
        let Response { status, values: [bytes, ..] } = *response;
        match call.request {
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
                    self.domains.insert(handle.raw(), Domain { smmu: smmu.0, space: Space::default() });
                }
            }
            Request::DomainFree(handle) => match status {
                Status::Ok => {
                    self.domains.remove(&handle.raw());
                    self.freeing.remove(&handle.raw());
                }
                Status::Again | Status::Hardware if self.domains.remove(&handle.raw()).is_some() => {
                    self.freeing.insert(handle.raw());
                }
                _ => {}
            },
            Request::DeviceSetState { smmu, sid, state } => {
                if let Some((index, _)) = self.policy.device(smmu.0, sid.0)
                    && let Some(settings) = self.settings.get_mut(index)
                {
                    match status {
                        Status::Ok => *settings = vec![target(state)],
                        // On the way: either, for ever. A device that was lost before is not set to anything any more.
                        Status::Hardware if call.before.len() == 1 => {}
                        _ => settings.clone_from(&call.before),
                    }
                }
            }
            _ => {}
        }
    }
}

const fn target(state: DeviceState) -> Option<DomainHandle> {
    match state {
        DeviceState::Blocked => None,
        DeviceState::Paging(handle) => Some(handle),
    }
}
