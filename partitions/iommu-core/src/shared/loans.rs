// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that the hypervisor lends for tables (FFA_MEM_LEND), on its way into the pool and out again.
//!
//! It comes by: retrieve, make it the pool's in its accounts, map, zero, open; and goes by the same backwards: close, wait until no
//! table stands there and nobody of ours is on the way to one, zero, unmap, relinquish, make it the hypervisor's. Each message does
//! a part. The accounts are first and last, so that no device can be given the pages while they may be tables.

use super::{LentRange, SharedMemory};
use crate::domain::{Domains, lock};
use crate::ownership::{Change, NoFollowers, Ownership, Refused};
use crate::pool::{LentPages, MAX_CHUNKS, Pool, Word, zero_some};
use crate::seeded::{Bug, seeded};
use crate::sync::{Mutex, Rank};
use ffa_abi::{Pages, PoolHolder, Status};

/// The normal world's endpoint that lends: the hypervisor has the kernel's number.
const SENDER: u16 = 0;

/// Why a request was not done, and a number that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Why.
    pub status: Status,
    /// The first page that is in the way, or how many pages are in use; zero where neither is the reason.
    pub value: u64,
}

impl From<Status> for Unfinished {
    fn from(status: Status) -> Self {
        Self { status, value: 0 }
    }
}

impl From<Refused> for Unfinished {
    fn from(Refused { status, at }: Refused) -> Self {
        Self { status, value: at.0 }
    }
}

/// Memory that is lent.
#[derive(Clone, Copy, Debug)]
struct Loan<'a> {
    /// The manager's handle.
    memory: u64,
    holder: PoolHolder,
    range: LentRange,
    phase: Phase<'a>,
}

/// How far it is. All of it is the pool's in its accounts.
#[derive(Clone, Copy, Debug)]
enum Phase<'a> {
    /// Mapped; so many words are zeroed.
    Coming(&'a [Word], usize),
    /// A part of the pool; nothing of it is handed out any more where it was asked back.
    Open(&'a [Word]),
    /// Mapped, and not the pool's to hand out any more; so many words are zeroed.
    Going(&'a [Word], usize),
    /// Not mapped; the manager did not take it back yet.
    Unmapped,
    /// The manager's again.
    Returned,
}

/// All memory that is lent.
#[derive(Debug)]
pub struct Loans<'a> {
    pool: &'a Pool<'a>,
    memory: &'a dyn SharedMemory,
    /// By the place of its chunk. One request at a time.
    loans: Mutex<[Option<Loan<'a>>; MAX_CHUNKS]>,
}

impl<'a> Loans<'a> {
    /// Makes the table; nothing is lent.
    #[must_use]
    pub const fn new(pool: &'a Pool<'a>, memory: &'a dyn SharedMemory) -> Self {
        Self { pool, memory, loans: Mutex::new(Rank::Loan, [None; MAX_CHUNKS]) }
    }

    /// Takes the next step of making memory a part of the pool.
    ///
    /// # Errors
    /// [`Status::Again`] while steps remain; those of [`SharedMemory::retrieve_lent`]; [`Status::Denied`] with the first page that is not
    /// the hypervisor's alone, [`Status::Busy`] with the first that is mapped; [`Status::Denied`] for memory that is lent already;
    /// [`Status::NoMemory`] where all places are taken.
    pub fn lend(&self, memory: u64, holder: PoolHolder, ownership: &Ownership<'_>) -> Result<(), Unfinished> {
        let mut loans = lock::lock(&self.loans)?;
        let known = loans.iter().position(|loan| loan.is_some_and(|loan| loan.memory == memory));
        let place = match known {
            Some(place) => place,
            None => {
                let place =
                    self.pool.chunk_places().find(|place| loans.get(*place).is_some_and(Option::is_none));
                let place = place.ok_or(Status::NoMemory)?;
                let loan = self.take(place, memory, holder, ownership)?;
                if let Some(slot) = loans.get_mut(place) {
                    *slot = Some(loan);
                }
                place
            }
        };
        let loan = loans.get_mut(place).and_then(Option::as_mut).ok_or(Status::Denied)?;
        match &mut loan.phase {
            Phase::Coming(words, zeroed) if loan.holder == holder => {
                *zeroed = zero_some(words, *zeroed);
                if *zeroed < words.len() {
                    return Err(Status::Again.into());
                }
                self.pool.open(place, holder, loan.range.base, words);
                loan.phase = Phase::Open(words);
                Ok(())
            }
            Phase::Coming(..) | Phase::Open(_) | Phase::Going(..) | Phase::Unmapped | Phase::Returned => {
                Err(Status::Denied.into())
            }
        }
    }

    /// Gets memory, makes it the pool's, and maps it at a place.
    fn take(
        &self,
        place: usize,
        memory: u64,
        holder: PoolHolder,
        ownership: &Ownership<'_>,
    ) -> Result<Loan<'a>, Unfinished> {
        let range = self.memory.retrieve_lent(SENDER, memory)?;
        let taken = ownership.change(pages(range), Change::Lend, &NoFollowers).map_err(Unfinished::from);
        let mapped = taken.and_then(|()| {
            self.memory.map_lent(place, range).map_err(|status| {
                // Nobody has moved it since.
                let _: Result<_, Refused> = ownership.change(pages(range), Change::Reclaim, &NoFollowers);
                status.into()
            })
        });
        match mapped {
            Ok(words) => Ok(Loan { memory, holder, range, phase: Phase::Coming(words, 0) }),
            Err(unfinished) => {
                // Where it is not taken back either, nobody here uses it; the hypervisor cannot reclaim it.
                let _: Result<(), Status> = self.memory.relinquish(memory);
                Err(unfinished)
            }
        }
    }

    /// Counts what was lent for a holder.
    pub fn lent(&self, holder: PoolHolder) -> LentPages {
        self.pool.lent(holder)
    }

    /// Takes the next step of giving memory back: when this succeeds, it is zeroed, the hypervisor's, and can be reclaimed.
    ///
    /// # Errors
    /// [`Status::Again`] while steps remain; [`Status::Busy`] while tables stand there, with the number of their pages;
    /// [`Status::InvalidHandle`] for what is not lent; [`Status::Denied`] and [`Status::Busy`] where the manager does not take it back.
    pub fn reclaim(
        &self,
        memory: u64,
        domains: &Domains<'_>,
        ownership: &Ownership<'_>,
    ) -> Result<(), Unfinished> {
        let mut loans = lock::lock(&self.loans)?;
        let known = loans.iter().position(|loan| loan.is_some_and(|loan| loan.memory == memory));
        let place = known.ok_or(Status::InvalidHandle)?;
        let slot = loans.get_mut(place).ok_or(Status::InvalidHandle)?;
        let loan = slot.as_mut().ok_or(Status::InvalidHandle)?;
        if let Phase::Open(words) = loan.phase {
            let in_use = self.pool.close(place);
            if in_use != 0 && !seeded(Bug::ReclaimedInUse) {
                return Err(Unfinished { status: Status::Busy, value: in_use.into() });
            }
            // SMMUs have forgotten what came back: no page is free before. But who of ours has followed what somebody else wrote in
            // a table may have words of it still.
            domains.wait_until_all_were_left().map_err(|_| Status::Again)?;
            self.pool.remove(place);
            loan.phase = Phase::Going(words, 0);
            return Err(Status::Again.into());
        }
        if let Phase::Coming(words, _) = loan.phase {
            loan.phase = Phase::Going(words, 0);
        }
        if let Phase::Going(words, zeroed) = &mut loan.phase {
            *zeroed = zero_some(words, *zeroed);
            if *zeroed < words.len() {
                return Err(Status::Again.into());
            }
            self.memory.unmap_lent(place);
            loan.phase = Phase::Unmapped;
        }
        if matches!(loan.phase, Phase::Unmapped) {
            self.memory.relinquish(memory)?;
            loan.phase = Phase::Returned;
        }
        // Only another move can be in the way.
        ownership.change(pages(loan.range), Change::Reclaim, &NoFollowers).map_err(|_| Status::Again)?;
        *slot = None;
        Ok(())
    }
}

const fn pages(LentRange { base, pages }: LentRange) -> Pages {
    Pages { first: base, count: pages }
}
