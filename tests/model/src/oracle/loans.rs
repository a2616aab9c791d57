// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor has lent for tables: whether an answer about it can be right, and what it changes.

use super::Oracle;
use super::calls::{Asked, Call};
use super::pages::Foreign;
use crate::machine::pages_of;
use ffa_abi::{HypRequest, PageOwner, PoolHolder, PoolReport, PoolRequest, Response, Status};
use std::collections::BTreeMap;

const PAGE: u64 = 4096;
/// What a page is that can be lent, and what it is then.
const HYP_S: Foreign = Foreign { owner: PageOwner::Hyp, shared: false };
const POOL_S: Foreign = Foreign { owner: PageOwner::Pool, shared: false };

/// Memory that is lent.
#[derive(Clone, Copy, Debug)]
struct Loan {
    holder: PoolHolder,
    /// Whether it was asked back: nothing of it is handed out then.
    asked: bool,
}

/// All of it, by the handle.
#[derive(Debug, Default)]
pub(crate) struct Loans(BTreeMap<u64, Loan>);

impl Loans {
    /// Returns the handles.
    pub(crate) fn handles(&self) -> Vec<u64> {
        self.0.keys().copied().collect()
    }
}

fn claim(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Oracle {
    /// Tells whether a call is under way that lends a page of a range, or takes it back.
    pub(super) fn is_being_lent(&self, base: u64, size: u64) -> bool {
        let meets = |(first, bytes): (u64, u64)| {
            first < base.saturating_add(size) && base < first.saturating_add(bytes)
        };
        self.calls.iter().filter_map(Self::lent_by).any(meets)
    }

    fn lent_by(call: &Call) -> Option<(u64, u64)> {
        match call.asked {
            Asked::Hyp(HypRequest::Pool(
                PoolRequest::Lend { memory, .. } | PoolRequest::Reclaim { memory },
            )) => {
                let (first, pages) = pages_of(memory);
                Some((first, pages * PAGE))
            }
            Asked::Hyp(_) | Asked::Kernel(_) => None,
        }
    }

    /// Says what cannot be right about an answer.
    pub(super) fn check_pool(
        &self,
        request: PoolRequest,
        response: &Response,
        alone: bool,
    ) -> Result<(), String> {
        match request {
            PoolRequest::Lend { memory, .. } => self.check_lend(memory, response, alone),
            PoolRequest::Reclaim { memory } => self.check_reclaim(memory, response, alone),
            PoolRequest::Status(holder) => self.check_shares(holder, response, alone),
        }
    }

    fn check_lend(&self, memory: u64, response: &Response, alone: bool) -> Result<(), String> {
        let Response { status, values: [value, ..] } = *response;
        let (first, count) = pages_of(memory);
        let known = self.loans.0.contains_key(&memory);
        let all = || (0..count).map(|page| first + page * PAGE);
        let is_hyp_s = |page: &u64| self.pages.get(*page) == Some(HYP_S);
        match status {
            Status::Ok => {
                claim(!known, || "it is lent already".to_owned())?;
                claim(count > 0, || "there are no pages".to_owned())?;
                let other = all().find(|page| !is_hyp_s(page));
                claim(other.is_none(), || format!("{other:x?} is not the hypervisor's alone"))?;
                let left = self.is_mapped(first, count * PAGE, |_| true);
                claim(!left, || "a mapping is left".to_owned())
            }
            // The manager may have said so.
            Status::Denied if value == 0 => Ok(()),
            Status::Denied => {
                let named = all().any(|page| page == value) && !is_hyp_s(&value);
                claim(named || !alone, || format!("{value:#x} is the hypervisor's"))
            }
            Status::Busy => {
                let mapped = self.mappings(first, count * PAGE).next().is_some();
                claim(mapped || !alone, || "nobody else is there, and nothing is mapped".to_owned())
            }
            Status::NoMemory | Status::OutOfRange => Ok(()),
            _ => Err("it is no answer to this".to_owned()),
        }
    }

    fn check_reclaim(&self, memory: u64, response: &Response, alone: bool) -> Result<(), String> {
        let Response { status, values: [value, ..] } = *response;
        let (_, count) = pages_of(memory);
        let known = self.loans.0.contains_key(&memory);
        match status {
            Status::Ok | Status::Again | Status::Denied => {
                claim(known || !alone, || "it is not lent".to_owned())
            }
            Status::Busy => {
                claim(known && value <= count || !alone, || format!("{value} pages are not lent"))?;
                let tables = !self.domains.is_empty() || !self.freeing.is_empty();
                claim(value > 0 && tables || !alone, || "no table is there".to_owned())
            }
            Status::InvalidHandle => claim(!known || !alone, || "it is lent".to_owned()),
            _ => Err("it is no answer to this".to_owned()),
        }
    }

    fn check_shares(&self, holder: PoolHolder, response: &Response, alone: bool) -> Result<(), String> {
        let report = PoolReport::from_registers(response.values).filter(|_| response.status == Status::Ok);
        let report = report.ok_or("it is no report")?;
        let PoolReport { limit, used, lent, lent_used, .. } = report;
        claim(used <= limit && lent_used <= lent, || format!("{report:?} is more than there is"))?;
        if !alone {
            return Ok(());
        }
        let its = || self.loans.0.iter().filter(|(_, loan)| loan.holder == holder);
        let all: u64 = its().map(|(memory, _)| pages_of(*memory).1).sum();
        let asked = its().any(|(_, loan)| loan.asked);
        let fits = if asked { u64::from(lent) <= all } else { u64::from(lent) == all };
        claim(fits, || format!("{lent} pages are lent in place of {all}"))?;
        let mut domains = self.domains.values().chain(self.freeing.values());
        let none = !domains.any(|domain| (domain.owner == PageOwner::Host) == (holder == PoolHolder::Host));
        let all_back = used == 0 && lent_used == 0;
        claim(!none || all_back || self.tampered || self.is_hurt(), || {
            format!("{report:?}, and nobody has any tables")
        })
    }

    /// Takes note of an answer.
    pub(super) fn apply_pool(&mut self, request: PoolRequest, response: &Response) {
        let done = response.status == Status::Ok;
        match request {
            PoolRequest::Lend { memory, holder } if done => {
                self.loans.0.insert(memory, Loan { holder, asked: false });
                self.pages.set(pages_of(memory), POOL_S);
            }
            PoolRequest::Reclaim { memory } if done => {
                self.loans.0.remove(&memory);
                self.pages.set(pages_of(memory), HYP_S);
            }
            PoolRequest::Reclaim { memory } => {
                if let Some(loan) = self.loans.0.get_mut(&memory) {
                    loan.asked = true;
                }
            }
            PoolRequest::Lend { .. } | PoolRequest::Status(_) => {}
        }
    }
}
