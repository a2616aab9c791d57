// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory for tables: who may take how much, and what the hypervisor lends.

use super::Service;
use crate::client::Client;
use crate::policy::Policy;
use crate::pool::Quota;
use crate::role::Hyp;
use crate::shared::Unfinished;
use crate::smmu::Smmu;
use ffa_abi::{PoolHolder, PoolReport, PoolRequest, Response, Status};

/// Each holder's share of the carve-out. Together they are no more than there is, so that none can use up another's.
#[derive(Debug)]
pub(super) struct Quotas {
    pub(super) host: Quota,
    hyp: Quota,
    guests: Quota,
}

impl Quotas {
    /// Shares pages out: all of them are the kernel's, or half of them, where somebody else may have devices, too. The other half
    /// is shared by the hypervisor and its guests alike.
    pub(super) fn of_policy(policy: &Policy, pages: u32) -> Self {
        let hyp = policy.devices.iter().any(|device| device.holders.hyp);
        let guests = policy.devices.iter().any(|device| device.holders.guests);
        let others = if hyp || guests { pages / 2 } else { 0 };
        let (hyp, guests) = match (hyp, guests) {
            (true, true) => (others / 2, others.saturating_sub(others / 2)),
            (true, false) => (others, 0),
            (false, _) => (0, others),
        };
        Self {
            host: Quota::of(PoolHolder::Host, pages.saturating_sub(others)),
            hyp: Quota::of(PoolHolder::Hyp, hyp),
            guests: Quota::of(PoolHolder::Guests, guests),
        }
    }

    /// Returns a client's share.
    pub(super) fn of(&self, client: Client) -> &Quota {
        self.get(match client {
            Client::Host => PoolHolder::Host,
            Client::Held(holder) if holder.is_guest() => PoolHolder::Guests,
            Client::Held(_) => PoolHolder::Hyp,
        })
    }

    const fn get(&self, holder: PoolHolder) -> &Quota {
        match holder {
            PoolHolder::Host => &self.host,
            PoolHolder::Hyp => &self.hyp,
            PoolHolder::Guests => &self.guests,
        }
    }
}

impl<S: Smmu> Service<'_, S> {
    pub(super) fn serve_pool(&self, Hyp { .. }: Hyp, request: PoolRequest) -> Result<Response, Status> {
        let outcome = match request {
            PoolRequest::Lend { memory, holder } => self.loans.lend(memory, holder, &self.ownership),
            PoolRequest::Reclaim { memory } => self.loans.reclaim(memory, &self.domains, &self.ownership),
            PoolRequest::Status(holder) => return Ok(self.pool_status(holder)),
        };
        Ok(match outcome {
            Ok(()) => Response::status(Status::Ok),
            Err(Unfinished { status, value }) => Response { status, ..Response::value(value) },
        })
    }

    fn pool_status(&self, holder: PoolHolder) -> Response {
        let quota = self.quotas.get(holder);
        let lent = self.loans.lent(holder);
        let report = PoolReport {
            limit: quota.limit(),
            used: quota.used(),
            lent: lent.there,
            lent_used: lent.used,
            refused: quota.refused(),
        };
        Response { status: Status::Ok, values: report.to_registers() }
    }
}
