// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Moving pages between owners: all that a call names, or none.
//!
//! A move of several pages: for each block, in the order of addresses, close it for as many pages as move; mark each page as
//! moving. Where something is in the way, all is opened again as it was. When everything is marked, each page is given what it
//! becomes, and blocks are opened for pages that the kernel may use afterwards. Followers are told between the two of pages that the
//! kernel loses, and at the end of those that it gains.

use super::account::{self, Account, Holder};
use super::{BLOCK_BITS, Followers, Ownership};
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicU16, AtomicU32};
use crate::table::{PAGE_BITS, PAGE_SIZE};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ffa_abi::{Pages, PhysAddr, Status};
use heapless::Vec;

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
    /// The hypervisor's pages, which nobody shares, become the pool's.
    Lend,
    /// They become the hypervisor's again.
    Reclaim,
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
        let held_by = |holder| {
            before.holder() == Some(holder) || (seeded(Bug::AnyOwnerGives) && before.holder().is_some())
        };
        match self {
            Self::Own(holder) => (before.holder().is_none()).then(|| Account::of_other(holder, false)),
            Self::Disown(holder) => held_by(holder).then_some(Account::HOST),
            Self::Share(holder) => (held_by(holder) && !before.host_access()).then(|| before.shared(true)),
            Self::Unshare(holder) => (held_by(holder) && before.host_access())
                .then(|| before.shared(seeded(Bug::UnshareKeepsAccess))),
            Self::Lend => (before.holder() == Some(Holder::HYP) && !before.host_access()).then(|| {
                let lent = if seeded(Bug::LentStaysHyp) { Holder::HYP } else { Holder::POOL };
                Account::of_other(lent, false)
            }),
            Self::Reclaim => held_by(if seeded(Bug::LentStaysHyp) { Holder::HYP } else { Holder::POOL })
                .then(|| Account::of_other(Holder::HYP, false)),
        }
    }

    /// Tells whether the kernel loses what it may use, and whether it gains some.
    const fn for_the_kernel(self) -> (bool, bool) {
        match self {
            Self::Own(_) | Self::Unshare(_) => (true, false),
            Self::Disown(_) | Self::Share(_) => (false, true),
            Self::Lend | Self::Reclaim => (false, false),
        }
    }

    /// Tells whether the owner stays.
    const fn stays(self) -> bool {
        match self {
            Self::Own(_) | Self::Disown(_) | Self::Lend | Self::Reclaim => false,
            Self::Share(_) | Self::Unshare(_) => true,
        }
    }
}

/// Accounts of pages that follow each other in one block, and that of the block.
struct Part<'a> {
    pages: &'a [AtomicU16],
    block: &'a AtomicU32,
}

impl Ownership<'_> {
    /// Makes a change of up to [`PAGES_PER_MOVE`] pages, or none of it. No page of it is pinned or can be while the change is
    /// made, so when it returns no device of the owner before can reach the pages.
    ///
    /// # Errors
    /// [`Status::Misaligned`], [`Status::OutOfRange`] for no page or too many; [`Status::Denied`] where a page is not managed, or is
    /// not what the change begins with; [`Status::Busy`] where it is pinned, or another move is under way; and what
    /// `followers` refuse.
    pub fn change(&self, pages: Pages, change: Change, followers: &impl Followers) -> Result<(), Refused> {
        let refuse = |status, behind: usize| {
            let at = pages.first.0.saturating_add((behind as u64) << PAGE_BITS);
            Refused { status, at: PhysAddr(at) }
        };
        if pages.first.0 & (PAGE_SIZE - 1) != 0 {
            return Err(refuse(Status::Misaligned, 0));
        }
        if pages.count == 0 || pages.count > PAGES_PER_MOVE {
            return Err(refuse(Status::OutOfRange, 0));
        }
        let parts = self.parts(pages).ok_or(refuse(Status::Denied, 0))?;
        let _one_at_a_time = self.while_nothing_moves().map_err(|status| refuse(status, 0))?;
        let mut before = 0_usize;
        for (place, part) in parts.iter().enumerate() {
            if let Err((status, marked)) = part.mark(change) {
                parts.iter().take(place).for_each(|part| part.finish(part.pages, None));
                return Err(refuse(status, before.saturating_add(marked)));
            }
            before = before.saturating_add(part.pages.len());
        }
        let (loses, gains) = change.for_the_kernel();
        if loses && let Err(status) = followers.lose(pages) {
            parts.iter().for_each(|part| part.finish(part.pages, None));
            return Err(refuse(status, 0));
        }
        parts.iter().for_each(|part| part.finish(part.pages, Some(change)));
        if gains {
            followers.gain(pages);
        }
        Ok(())
    }

    /// Cuts pages where blocks end: into two parts at most. `None` where one of them is not managed.
    fn parts(&self, Pages { first, count }: Pages) -> Option<Vec<Part<'_>, 2>> {
        let mut rest = self.pages(first.0, count.into())?;
        let mut parts = Vec::new();
        let mut at = first.0;
        while !rest.is_empty() {
            let end = (at | ((1 << BLOCK_BITS) - 1)).saturating_add(1);
            let here = usize::try_from(end.saturating_sub(at) >> PAGE_BITS).ok()?.min(rest.len());
            let (pages, behind) = rest.split_at_checked(here)?;
            parts.push(Part { pages, block: self.block(at)? }).ok()?;
            (rest, at) = (behind, end);
        }
        Some(parts)
    }
}

/// The steps of a move. Nobody else changes owners meanwhile: the caller has the lock.
impl Part<'_> {
    /// Closes the block for all the pages, and marks them as moving; or says why not, and behind how many pages.
    fn mark(&self, change: Change) -> Result<(), (Status, usize)> {
        let close = |word| account::block_closed(word, self.count());
        let closed = self.block.fetch_update(AcqRel, Acquire, close).is_ok() || seeded(Bug::BlockPinIgnored);
        // What the page before was, and how it was marked: most pages of a move are alike.
        let mut usual = None;
        for (done, page) in self.pages.iter().enumerate() {
            if let Some((before, marked)) = usual
                && page.compare_exchange(before, marked, AcqRel, Relaxed).is_ok()
            {
                continue;
            }
            let mark = |word| Account::of(word).moving(change.stays()).map(Account::word);
            let refused = if change.of(Account::of(page.load(Acquire))).is_none() {
                Status::Denied
            } else if closed && let Ok(before) = page.fetch_update(AcqRel, Acquire, mark) {
                // Acquire: what SMMUs did by a mapping is over when its pin is gone.
                usual = mark(before).map(|marked| (before, marked));
                continue;
            } else {
                // It is pinned, or all of the block is.
                Status::Busy
            };
            if closed {
                let change = Some(change).filter(|_| seeded(Bug::PartlyMoved));
                let done = if seeded(Bug::StillMarked) { 0 } else { done };
                self.finish(self.pages.get(..done).unwrap_or_default(), change);
            }
            return Err((refused, done));
        }
        Ok(())
    }

    /// Gives each page that was marked what it becomes, or what it was where nothing is changed, and opens the block for those
    /// that the kernel may use.
    fn finish(&self, marked: &[AtomicU16], change: Option<Change>) {
        // `mark` closed the block for each page once more, whatever it was before: all are opened where nothing is changed.
        let mut opened = if change.is_some() { 0 } else { self.count() };
        // What the page before was, what it became, and how often that opens the block: most pages of a move are alike.
        let mut usual = None;
        for page in marked {
            let opens = match usual {
                Some((before, after, opens))
                    if page.compare_exchange(before, after, Release, Relaxed).is_ok() =>
                {
                    opens
                }
                _ => {
                    let (before, after, opens) = Self::finish_one(page, change);
                    usual = Some((before, after, opens));
                    opens
                }
            };
            // At most two for each of 512 pages.
            opened = opened.wrapping_add(opens);
            if seeded(Bug::BlockOpenedEarly) && change.is_some() && opens == 0 {
                opened = opened.max(1);
            }
        }
        let open = |word| Some(account::block_opened(word, opened));
        let _ = self.block.fetch_update(AcqRel, Acquire, open);
    }

    /// Does so with one page. Returns what it was, what it is, and how often that opens its block.
    fn finish_one(page: &AtomicU16, change: Option<Change>) -> (u16, u16, u16) {
        let mut word = page.load(Relaxed);
        loop {
            let before = Account::of(word).unmoved();
            let after = change.and_then(|change| change.of(before)).unwrap_or(before);
            let twice = u16::from(!before.host_access()).wrapping_add(after.host_access().into());
            let opens = if change.is_some() { twice } else { 0 };
            // Its holder may unpin it meanwhile, as often as it has pinned it.
            match page.compare_exchange(word, after.word(), Release, Relaxed) {
                Ok(_) => return (word, after.word(), opens),
                Err(now) => word = now,
            }
        }
    }

    /// Returns how many pages there are, 512 at most.
    fn count(&self) -> u16 {
        u16::try_from(self.pages.len()).unwrap_or(PAGES_PER_MOVE)
    }
}
