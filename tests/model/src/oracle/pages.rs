// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose each page of managed memory is, as the hypervisor was told.

use crate::script::{Change, Move};
use ffa_abi::PageOwner;
use std::collections::BTreeMap;

/// log2 of the bytes of a page.
const PAGE_BITS: u32 = 12;

/// A page that is not the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) owner: PageOwner,
    /// Whether the kernel may map it.
    pub(crate) shared: bool,
}

/// All pages that are not the kernel's, by their number.
#[derive(Debug, Default)]
pub(crate) struct Pages(BTreeMap<u64, Foreign>);

impl Pages {
    /// Returns what a page is, or `None` where it is the kernel's.
    pub(crate) fn get(&self, address: u64) -> Option<Foreign> {
        self.0.get(&(address >> PAGE_BITS)).copied()
    }

    /// Returns those of a range that are not the kernel's, with their addresses.
    pub(crate) fn within(&self, base: u64, size: u64) -> impl Iterator<Item = (u64, Foreign)> {
        let end = base.saturating_add(size).div_ceil(1 << PAGE_BITS);
        let first = base >> PAGE_BITS;
        self.0.range(first..end.max(first)).map(|(page, foreign)| (page << PAGE_BITS, *foreign))
    }

    /// Returns the first page of a range that the kernel may not map.
    pub(crate) fn closed(&self, base: u64, size: u64) -> Option<u64> {
        self.within(base, size).find(|(_, foreign)| !foreign.shared).map(|(address, _)| address)
    }

    /// Returns the first that stands at an address or behind it.
    pub(crate) fn from(&self, address: u64) -> Option<(u64, Foreign)> {
        self.within(address, u64::MAX).next()
    }

    /// Returns the first that is the hypervisor's alone, from an address on.
    pub(crate) fn hyp_s(&self, address: u64) -> Option<u64> {
        let hyp_s = Foreign { owner: PageOwner::Hyp, shared: false };
        self.within(address, u64::MAX).find(|(_, foreign)| *foreign == hyp_s).map(|(address, _)| address)
    }

    /// Tells whether a move can be made with a page of managed memory.
    pub(crate) fn allow(&self, Move { change, owner, .. }: Move, address: u64) -> bool {
        match (change, self.get(address)) {
            (Change::Own, foreign) => foreign.is_none(),
            (_, None) => false,
            (Change::Disown, Some(foreign)) => foreign.owner == owner,
            (Change::Share, Some(foreign)) => foreign == Foreign { owner, shared: false },
            (Change::Unshare, Some(foreign)) => foreign == Foreign { owner, shared: true },
        }
    }

    /// Says what pages are from now on.
    pub(crate) fn set(&mut self, (first, count): (u64, u64), foreign: Foreign) {
        let first = first >> PAGE_BITS;
        self.0.extend((first..first + count).map(|page| (page, foreign)));
    }

    /// Makes a move.
    pub(crate) fn apply(&mut self, Move { change, first, count, owner }: Move) {
        for page in (first >> PAGE_BITS)..(first >> PAGE_BITS) + u64::from(count) {
            match change {
                Change::Disown => self.0.remove(&page),
                Change::Own | Change::Unshare => self.0.insert(page, Foreign { owner, shared: false }),
                Change::Share => self.0.insert(page, Foreign { owner, shared: true }),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_from_the_kernel_and_come_back() {
        let mut pages = Pages::default();
        let guest = PageOwner::Guest(3);
        let step = |change, owner| Move { change, first: 0x5000, count: 2, owner };
        assert!(pages.allow(step(Change::Own, guest), 0x5000));
        assert!(!pages.allow(step(Change::Disown, guest), 0x5000));
        pages.apply(step(Change::Own, guest));
        assert_eq!(pages.closed(0, 0x10_0000), Some(0x5000));
        assert_eq!(pages.closed(0x6fff, 1), Some(0x6000));
        assert_eq!(pages.closed(0x7000, 0x1000), None);
        assert!(!pages.allow(step(Change::Share, PageOwner::Hyp), 0x6000));
        pages.apply(step(Change::Share, guest));
        assert_eq!((pages.closed(0, u64::MAX), pages.from(0x6000).unwrap().0), (None, 0x6000));
        assert!(pages.allow(step(Change::Unshare, guest), 0x5fff));
        assert!(!pages.allow(step(Change::Share, guest), 0x5fff));
        pages.apply(step(Change::Disown, guest));
        assert_eq!((pages.get(0x5000), pages.from(0)), (None, None));
    }
}
