// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains and devices of the hypervisor and its guests: it asks for all of them.
//!
//! A guest is no client of its own. What is checked is that of a domain's pages each is its holder's, and that each device is one
//! that the policy lets the holder have; which device goes to which guest is the hypervisor's word.

use super::hyp::holder;
use super::setup::window;
use super::{Service, aligned, answer, may_hold};
use crate::client::Client;
use crate::domain::{Allocation, Means, Target};
use crate::role::Hyp;
use crate::smmu::Smmu;
use crate::table::PAGE_SIZE;
use ffa_abi::{
    DomainHandle, GuestRequest, Iova, PageOwner, PhysAddr, Protection, Response, SmmuIndex, Status, StreamId,
};

impl<S: Smmu> Service<'_, S> {
    pub(super) fn serve_guest(&self, Hyp { .. }: Hyp, request: GuestRequest) -> Result<Response, Status> {
        if !self.guests_may_own() {
            return Err(Status::Denied);
        }
        match request {
            GuestRequest::DomainAlloc { smmu, owner } => self.guest_alloc(smmu, owner),
            GuestRequest::DomainFree(domain) => {
                let client = self.held_by(domain)?;
                self.domains.free(client, domain, self.held_means(client))?;
                Ok(Response::status(Status::Ok))
            }
            GuestRequest::Map { domain, iova, pa, pages, protection } => {
                self.guest_map(domain, iova, (pa, pages), protection)
            }
            GuestRequest::Unmap { domain, iova, pages } => self.guest_unmap(domain, iova, pages),
            GuestRequest::IovaToPa { domain, iova } => {
                let found = self.domains.lookup(self.held_by(domain)?, domain, iova)?;
                Ok(Response { status: Status::Ok, values: [found.pa.0, found.protection.bits(), 0, 0] })
            }
            GuestRequest::DeviceAssign { smmu, sid, domain } => self.assign(smmu, sid, domain),
            GuestRequest::DeviceReturn { smmu, sid } => self.take_back(smmu, sid),
        }
    }

    fn held_means(&self, client: Client) -> Means<'_, S> {
        Means { smmus: self.smmus, quota: self.quotas.of(client), ownership: &self.ownership }
    }

    /// Finds whose a domain is that is not the kernel's.
    fn held_by(&self, domain: DomainHandle) -> Result<Client, Status> {
        self.domains.holder(domain).map(Client::Held)
    }

    fn guest_alloc(&self, smmu: SmmuIndex, owner: PageOwner) -> Result<Response, Status> {
        let client = Client::Held(holder(owner)?);
        let index = u8::try_from(smmu.0).ok().filter(|index| usize::from(*index) < self.smmus.len());
        let window = window(self.policy, client, index.ok_or(Status::InvalidParameters)?);
        let format = self.format(smmu).ok_or(Status::InvalidParameters)?;
        let wanted = Allocation { client, smmu, window: window.ok_or(Status::Denied)?, format };
        let handle = self.domains.allocate(&wanted, self.quotas.of(client))?;
        Ok(Response::value(handle.raw().into()))
    }

    fn guest_map(
        &self,
        domain: DomainHandle,
        iova: Iova,
        (pa, pages): (PhysAddr, u16),
        protection: Protection,
    ) -> Result<Response, Status> {
        aligned(iova.0 | pa.0)?;
        let size = u64::from(pages).wrapping_mul(PAGE_SIZE);
        if size == 0 || pa.0.checked_add(size).is_none() {
            return Err(Status::OutOfRange);
        }
        let client = self.held_by(domain)?;
        let memory = self.ownership.check(client, pa, size).ok_or(Status::Denied)?;
        self.domains.map(client, domain, (iova, memory, protection), self.held_means(client)).map(answer)
    }

    fn guest_unmap(&self, domain: DomainHandle, iova: Iova, pages: u16) -> Result<Response, Status> {
        aligned(iova.0)?;
        let size = u64::from(pages).wrapping_mul(PAGE_SIZE);
        if size == 0 {
            return Err(Status::OutOfRange);
        }
        let client = self.held_by(domain)?;
        self.domains.unmap(client, domain, (iova, size), self.held_means(client)).map(answer)
    }

    /// The hypervisor's word for it is the message itself: the device was reset, and its registers are out of the kernel's
    /// reach.
    fn assign(&self, smmu: SmmuIndex, sid: StreamId, domain: DomainHandle) -> Result<Response, Status> {
        let holder = self.domains.holder(domain)?;
        let (index, device) = self.policy.device(smmu.0, sid.0).ok_or(Status::Denied)?;
        if !may_hold(Client::Held(holder), device) {
            return Err(Status::Denied);
        }
        let driver = self.smmus.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        let place = self.devices.get(index).ok_or(Status::Denied)?;
        let hand_over = |change: &dyn Fn()| {
            self.faults.hand_over(self.audience(), self.smmus, (index, device), change);
        };
        place.assign(holder, Target { index, device, smmu }, domain, &self.domains, driver, hand_over)?;
        Ok(Response::status(Status::Ok))
    }

    fn take_back(&self, smmu: SmmuIndex, sid: StreamId) -> Result<Response, Status> {
        let (index, device) = self.policy.device(smmu.0, sid.0).ok_or(Status::Denied)?;
        let driver = self.smmus.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        let hand_over = |change: &dyn Fn()| {
            self.faults.hand_over(self.audience(), self.smmus, (index, device), change);
        };
        let place = self.devices.get(index).ok_or(Status::Denied)?;
        place.take_back(device, &self.domains, driver, hand_over)?;
        Ok(Response::status(Status::Ok))
    }
}
