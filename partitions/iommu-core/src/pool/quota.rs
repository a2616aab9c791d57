// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many pages of the pool one client may hold, so that a client's exhaustion harms only itself.

use crate::seeded::{Bug, seeded};
use crate::sync::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

/// A client's share of the pool, in pages.
#[derive(Debug)]
pub struct Quota {
    limit: u32,
    used: AtomicU32,
}

/// One page that is charged to a quota; given back when it is dropped, unless [`keep`](Charge::keep) was called.
#[derive(Debug)]
pub struct Charge<'a>(&'a Quota);

impl Quota {
    /// Makes a share of `limit` pages.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { limit, used: AtomicU32::new(0) }
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
            self.give_back();
            None
        }
    }

    /// Gives one page back that [`Charge::keep`] kept.
    pub fn give_back(&self) {
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
        self.0.give_back();
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
        quota.give_back();
        assert_eq!(quota.used(), 0);
    }
}
