// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moving pages between owners: all that a call names, or none.
//!
//! A move of several pages: for each block, in the order of addresses, close it for as many pages as move; mark each page as
//! moving. Where something is in the way, all is opened again as it was. When everything is marked, each page is given what it
//! becomes, and blocks are opened for pages that the kernel may use afterwards.

use super::account::{self, Account, Holder};
use super::{BLOCK_BITS, Managed, Ownership};
use crate::domain::lock;
use crate::table::{PAGE_BITS, PAGE_SIZE};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ffa_abi::{Pages, PhysAddr, Status};

/// Pages that one call moves: as many as a block has.
pub const PAGES_PER_MOVE: u16 = 1 << (BLOCK_BITS - PAGE_BITS);

/// What becomes of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The kernel's pages become another's.
    Own(Holder),
    /// Another's pages become the kernel's, whether shared before or not.
    Disown(Holder),
    /// The kernel may map pages of another's.
    Share(Holder),
    /// The kernel may not map them any more.
    Unshare(Holder),
}

/// A move that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub status: Status,
    /// The first page that is in the way.
    pub at: PhysAddr,
}

impl Change {
    /// Returns what a page becomes, or `None` where this cannot be done with it.
    fn of(self, before: Account) -> Option<Account> {
        let held_by = |holder| before.holder() == Some(holder);
        match self {
            Self::Own(holder) => (before.holder().is_none()).then(|| Account::of_other(holder, false)),
            Self::Disown(holder) => held_by(holder).then_some(Account::HOST),
            Self::Share(holder) => {
                (held_by(holder) && !before.host_access()).then(|| Account::of_other(holder, true))
            }
            Self::Unshare(holder) => {
                (held_by(holder) && before.host_access()).then(|| Account::of_other(holder, false))
            }
        }
    }
}

/// Pages that follow each other in one block.
#[derive(Clone, Copy)]
struct Part {
    first: u64,
    pages: u16,
}

impl Part {
    fn addresses(self) -> impl Iterator<Item = u64> {
        (0..u64::from(self.pages)).map(move |page| self.first.saturating_add(page << PAGE_BITS))
    }
}

impl Ownership<'_> {
    /// Makes a change of up to [`PAGES_PER_MOVE`] pages, or none of it. No page of it is pinned or can be while the change is
    /// made, so when it returns no device of the owner before can reach the pages.
    ///
    /// # Errors
    /// [`Status::Misaligned`], [`Status::OutOfRange`] for no page or too many; [`Status::Denied`] where a page is not managed, or is
    /// not what the change begins with; [`Status::Busy`] where it is pinned, or another move is under way.
    pub fn change(&self, pages: Pages, change: Change) -> Result<(), Refused> {
        let refuse = |status| Refused { status, at: pages.first };
        if pages.first.0 & (PAGE_SIZE - 1) != 0 {
            return Err(refuse(Status::Misaligned));
        }
        if pages.count == 0 || pages.count > PAGES_PER_MOVE {
            return Err(refuse(Status::OutOfRange));
        }
        let size = u64::from(pages.count) * PAGE_SIZE;
        let range = self.find(pages.first.0, size).ok_or(refuse(Status::Denied))?;
        let parts = parts(pages);
        let _one_at_a_time = lock::lock(&self.moves).map_err(refuse)?;
        for (place, part) in parts.iter().enumerate() {
            if let Err(refused) = range.mark(*part, change) {
                parts.iter().take(place).for_each(|part| range.unmark(*part, part.pages));
                return Err(refused);
            }
        }
        parts.iter().for_each(|part| range.commit(*part, change));
        Ok(())
    }
}

/// Cuts pages where blocks end: into two parts at most, of which the second may be empty.
fn parts(pages: Pages) -> [Part; 2] {
    let first = pages.first.0;
    let to_end = ((1 << BLOCK_BITS) - (first & ((1 << BLOCK_BITS) - 1))) / PAGE_SIZE;
    let here = u16::try_from(to_end).map_or(pages.count, |to_end| pages.count.min(to_end));
    let behind = first.saturating_add(u64::from(here) * PAGE_SIZE);
    [Part { first, pages: here }, Part { first: behind, pages: pages.count.saturating_sub(here) }]
}

/// The steps of a move. Nobody else changes owners meanwhile: the caller has the lock.
impl Managed<'_> {
    /// Closes a block for the pages of a part, and marks them as moving.
    fn mark(&self, part: Part, change: Change) -> Result<(), Refused> {
        let refuse = |status, at| Refused { status, at: PhysAddr(at) };
        if part.pages == 0 {
            return Ok(());
        }
        let (page, block) = self.accounts(part.first).ok_or(refuse(Status::Denied, part.first))?;
        let close = |word| account::block_closed(word, part.pages);
        if block.fetch_update(AcqRel, Acquire, close).is_err() {
            // All of the block is mapped as one, this page too.
            let fits = change.of(Account::of(page.load(Acquire))).is_some();
            return Err(refuse(if fits { Status::Busy } else { Status::Denied }, part.first));
        }
        for (done, address) in (0..part.pages).zip(part.addresses()) {
            if let Err(status) = self.mark_page(address, change) {
                self.unmark(part, done);
                return Err(refuse(status, address));
            }
        }
        Ok(())
    }

    fn mark_page(&self, address: u64, change: Change) -> Result<(), Status> {
        let (page, _) = self.accounts(address).ok_or(Status::Denied)?;
        let mark = |word| Account::of(word).moving().map(Account::word);
        if change.of(Account::of(page.load(Acquire))).is_none() {
            return Err(Status::Denied);
        }
        // Acquire: what SMMUs did by a mapping is over when its pin is gone.
        page.fetch_update(AcqRel, Acquire, mark).map(|_| ()).map_err(|_| Status::Busy)
    }

    /// Takes back what `mark` did with the first pages of a part, and opens the block.
    fn unmark(&self, part: Part, marked: u16) {
        if part.pages == 0 {
            return;
        }
        for address in part.addresses().take(marked.into()) {
            if let Some((page, _)) = self.accounts(address) {
                page.store(Account::of(page.load(Relaxed)).unmoved().word(), Release);
            }
        }
        self.open(part, part.pages);
    }

    /// Gives each page of a part what it becomes.
    fn commit(&self, part: Part, change: Change) {
        // `mark` closed the block for each page once more, whatever it was before.
        let mut opened = 0_u16;
        for address in part.addresses() {
            let Some((page, _)) = self.accounts(address) else { continue };
            let before = Account::of(page.load(Relaxed)).unmoved();
            let Some(after) = change.of(before) else { continue };
            page.store(after.word(), Release);
            // At most two for each of 512 pages.
            let twice = u16::from(!before.host_access()).wrapping_add(after.host_access().into());
            opened = opened.wrapping_add(twice);
        }
        self.open(part, opened);
    }

    fn open(&self, part: Part, pages: u16) {
        if let Some((_, block)) = self.accounts(part.first).filter(|_| pages > 0) {
            let _ = block.fetch_update(AcqRel, Acquire, |word| Some(account::block_opened(word, pages)));
        }
    }
}
