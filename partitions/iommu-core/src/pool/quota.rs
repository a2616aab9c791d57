// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many pages of the pool one client may hold, so that a client's exhaustion harms only itself: its share of the carve-out,
//! and what was lent for it.

use super::{Origin, Owner, Page, Pool};
use crate::seeded::{Bug, seeded};
use crate::sync::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::PoolHolder;

/// A client's share of the pool, in pages.
#[derive(Debug)]
pub struct Quota {
    limit: u32,
    used: AtomicU32,
    /// Whose lent pages are taken when the share is used up.
    holder: Option<PoolHolder>,
    /// How often there was none of them either.
    refused: AtomicU32,
}

/// One page that is charged to a quota; given back when it is dropped, unless [`keep`](Charge::keep) was called.
#[derive(Debug)]
pub struct Charge<'a>(&'a Quota);

impl Quota {
    /// Makes a share of `limit` pages of the carve-out, and of nothing that is lent.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, used: AtomicU32::new(0), holder: None, refused: AtomicU32::new(0) }
    }

    /// Makes a holder's share.
    #[must_use]
    pub const fn of(holder: PoolHolder, limit: u32) -> Self {
        Self { holder: Some(holder), ..Self::new(limit) }
    }

    /// Returns how many pages of the carve-out it is.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Returns how often a page was refused.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused.load(Relaxed)
    }

    /// Hands out a zeroed page to an owner: one of the carve-out while there is some of the share left, then one that was lent.
    pub fn allocate(&self, pool: &Pool<'_>, owner: Owner) -> Option<Page> {
        let page = match self.charge() {
            Some(charge) => pool.allocate(owner).inspect(|_| charge.keep()),
            None => self.holder.and_then(|holder| pool.allocate_lent(owner, holder)),
        };
        if page.is_none() {
            // Counted up to where it would begin anew; two cores that are there at once may both stop.
            let _ = self.refused.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1));
        }
        page
    }

    /// Returns how many pages are in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }

    /// Returns how many pages are left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.limit.saturating_sub(self.used())
    }

    /// Charges one page, or `None` where the share is used up.
    pub fn charge(&self) -> Option<Charge<'_>> {
        // Added first and taken back where that was too much: no retry, and never more than the limit is granted. At the
        // limit a core may be refused the page that another gives back at this moment; it comes again.
        let limit = if seeded(Bug::QuotaOffByOne) { self.limit - 1 } else { self.limit };
        if self.used.fetch_add(1, Relaxed) < limit {
            Some(Charge(self))
        } else {
            self.give_back(Origin::CarveOut);
            None
        }
    }

    /// Takes note that a page came back which [`allocate`](Self::allocate) handed out.
    pub fn give_back(&self, origin: Origin) {
        match origin {
            Origin::CarveOut => {}
            // It counts against no share.
            Origin::Lent => return,
        }
        let before = self.used.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "a page was given back that was never charged");
    }
}

impl Charge<'_> {
    /// Leaves the page charged.
    pub fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.0.give_back(Origin::CarveOut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_ends_at_its_limit_and_comes_back() {
        let quota = Quota::new(2);
        let first = quota.charge().unwrap();
        quota.charge().unwrap().keep();
        assert!(quota.charge().is_none());
        drop(first);
        assert!(quota.charge().is_some());
        assert_eq!(quota.used(), 1);
        quota.give_back(Origin::Lent);
        assert_eq!(quota.used(), 1);
        quota.give_back(Origin::CarveOut);
        assert_eq!(quota.used(), 0);
    }
}
