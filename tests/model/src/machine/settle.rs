// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All devices are blocked and all domains freed: then everything has to be back.

use super::acts::HOST;
use super::{Inner, Machine};
use crate::finding::Invariant;
use ffa_abi::{
    DeviceState, DomainHandle, GuestRequest, HypRequest, Key, PageOwner, PhysAddr, PoolHolder, PoolRequest,
    Request, Response, SmmuIndex, Status, StreamId,
};

/// How often a domain is asked to be freed before that is called endless.
const MOST_FREES: usize = 1024;
/// Pages that are asked about afterwards: none may be pinned any more.
const MOST_PAGES: usize = 48;

impl Machine {
    /// Blocks all devices, frees all domains, and finds out whether everything came back.
    pub(super) fn settle(&self) {
        let (policy, hurt) = {
            let inner = self.inner();
            let smmus = u16::try_from(inner.policy.smmus.len()).unwrap_or(0);
            (inner.policy, (0..smmus).any(|smmu| !inner.oracle.works(smmu)))
        };
        for device in policy.devices.iter().filter(|device| device.holders.host) {
            let (smmu, sid) = (SmmuIndex(device.smmu.into()), StreamId(device.first_sid));
            self.send(HOST, Request::DeviceSetState { smmu, sid, state: DeviceState::Blocked }.encode());
        }
        let key = self.inner().oracle.key().map(Key::from_registers);
        for device in policy.devices.iter().filter(|device| device.holders.hyp || device.holders.guests) {
            let (smmu, sid) = (SmmuIndex(device.smmu.into()), StreamId(device.first_sid));
            if let Some(key) = key {
                self.send(HOST, HypRequest::Guest(GuestRequest::DeviceReturn { smmu, sid }).encode(key));
            }
        }
        let mapped = self.inner().some_mapped();
        let handles = self.inner().oracle.handles();
        for (handle, owner) in handles {
            let Some(handle) = DomainHandle::from_raw(handle) else { continue };
            let registers = match (owner, key) {
                (PageOwner::Host, _) | (_, None) => Request::DomainFree(handle).encode(),
                (_, Some(key)) => HypRequest::Guest(GuestRequest::DomainFree(handle)).encode(key),
            };
            let before = self.before_free(handle);
            let answer = (0..MOST_FREES)
                .map(|_| self.send(HOST, registers))
                .find(|answer| answer.is_none_or(|response| response.status != Status::Again));
            if let (Some(before), Some(Some(Response { status: Status::Ok, .. }))) = (before, answer) {
                self.freed(handle, before);
            }
        }
        let (available, tables) = (self.available(), self.tables.get().copied().unwrap_or(0));
        let mut inner = self.inner();
        let kept = inner.oracle.kept_by_identity();
        let back = (tables.saturating_sub(kept)..=tables).contains(&available);
        if !back && !hurt && !inner.oracle.tampered {
            inner.note(Invariant::Balance, || format!("{available} of {tables} pages came back"));
        }
        drop(inner);
        for page in mapped {
            self.ask_state(page);
        }
        let key = self.inner().oracle.key();
        for holder in PoolHolder::ALL {
            if let Some(key) = key.map(Key::from_registers) {
                self.send(HOST, HypRequest::Pool(PoolRequest::Status(holder)).encode(key));
            }
        }
    }

    /// Asks whose a page is, where somebody can.
    pub(super) fn ask_state(&self, page: u64) {
        let key = self.inner().oracle.key();
        if let Some(key) = key.map(Key::from_registers) {
            self.send(HOST, HypRequest::PageState(PhysAddr(page)).encode(key));
        }
    }
}

impl Inner {
    /// Returns some pages that are mapped now.
    fn some_mapped(&mut self) -> Vec<u64> {
        let mapped: Vec<_> =
            self.oracle.mappings(0, u64::MAX).map(|(.., extent)| (extent.pa, extent.size)).collect();
        let random = &mut self.around.random;
        let page = |_| random.pick(&mapped).copied().map(|(pa, size)| (pa, size, random.below(size)));
        let pages = (0..MOST_PAGES).filter_map(page).map(|(pa, _, inside)| (pa + inside) & !0xfff);
        if self.oracle.key().is_some() { pages.collect() } else { Vec::new() }
    }
}
