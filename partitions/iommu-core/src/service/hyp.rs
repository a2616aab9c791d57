// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor asks for, once it has shown its key.

use super::{Recipient, Service};
use crate::domain::Follow;
use crate::ownership::{Change, Holder, Refused};
use crate::policy::{Guard, HypRole};
use crate::role::Hyp;
use crate::seeded::{Bug, seeded};
use crate::smmu::Smmu;
use ffa_abi::{HypMessage, HypRequest, PageOwner, Pages, PhysAddr, Response, Status};

impl<S: Smmu> Service<'_, S> {
    /// Serves who has the key. Nothing else of the message is looked at before.
    pub(super) fn serve_hyp(&self, message: &HypMessage) -> Result<Response, Status> {
        let hyp = self.role.check(message.key)?;
        let (pages, owner, change): (_, _, fn(Holder) -> Change) = match message.request()? {
            HypRequest::Own(pages, owner) => (pages, owner, Change::Own),
            HypRequest::Disown(pages, owner) => (pages, owner, Change::Disown),
            HypRequest::Share(pages, owner) => (pages, owner, Change::Share),
            HypRequest::Unshare(pages, owner) => (pages, owner, Change::Unshare),
            HypRequest::PageState(address) => return self.page_state(hyp, address),
            HypRequest::Statistics => return Ok(self.statistics(hyp)),
            HypRequest::Guest(request) => return self.serve_guest(hyp, request),
            HypRequest::FaultPoll => return self.hyp_fault_poll(hyp),
            HypRequest::Quarantine { smmu, sid, on } => return self.hyp_quarantine(hyp, smmu, sid, on),
            HypRequest::SmmuStatus(smmu) => return self.hyp_smmu_status(hyp, smmu),
            HypRequest::SmmuCheck(smmu, hint) => return self.hyp_smmu_check(hyp, smmu, hint),
            HypRequest::Pool(request) => return self.serve_pool(hyp, request),
        };
        self.move_pages(hyp, pages, change(holder(owner)?))
    }

    /// Tells whether pages can be a guest's: not where nobody guards the tables, since such a guest would only seem
    /// protected.
    pub(super) fn guests_may_own(&self) -> bool {
        self.policy.hyp == HypRole::Required && self.policy.guard != Guard::Nobody
    }

    fn move_pages(&self, Hyp { .. }: Hyp, pages: Pages, change: Change) -> Result<Response, Status> {
        if let Change::Own(holder) = change
            && holder.is_guest()
            && !self.guests_may_own()
            && !seeded(Bug::UnguardedGuests)
        {
            return Err(Status::Denied);
        }
        let followers = Follow { identity: self.identity.as_ref(), smmus: self.smmus };
        Ok(match self.ownership.change(pages, change, &followers) {
            Ok(()) => Response::status(Status::Ok),
            Err(Refused { status, at }) => Response { status, ..Response::value(at.0) },
        })
    }

    fn page_state(&self, Hyp { .. }: Hyp, address: PhysAddr) -> Result<Response, Status> {
        let [owner, state] = self.ownership.state(address).ok_or(Status::Denied)?.to_registers();
        Ok(Response { status: Status::Ok, values: [owner, state, 0, 0] })
    }

    fn hyp_fault_poll(&self, Hyp { .. }: Hyp) -> Result<Response, Status> {
        self.polled(Recipient::Hyp)
    }

    fn statistics(&self, Hyp { .. }: Hyp) -> Response {
        Response::value(self.role.wrong_keys())
    }
}

/// Returns whom the hypervisor speaks for: itself and its guests, nobody else.
pub(super) fn holder(owner: PageOwner) -> Result<Holder, Status> {
    match owner {
        PageOwner::Hyp => Ok(Holder::HYP),
        PageOwner::Guest(number) => Holder::guest(number).ok_or(Status::InvalidParameters),
        PageOwner::Host | PageOwner::Pool => Err(Status::InvalidParameters),
    }
}
