// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The account of a page, 16 bits, and of a block of 2 MiB, 32 bits. What stands in them is of this service alone.
//!
//! | page | bit 15 | bits 14:7 | bit 6 | bits 5:4 | bits 3:0 |
//! |---|---|---|---|---|---|
//! | of the kernel | 0 | bit 14: moving, 13:0: pins | | | |
//! | of another | 1 | holder | shared with the kernel | the holder's own pins | the kernel's pins; all set: moving |
//!
//! Pages of the kernel are most, and are mapped most often: they have more bits to count with. What the holder itself has
//! mapped for its devices is counted apart: that is no reason for the kernel to keep a page that is shared with it.
//!
//! A block has its pins in bits 15:0, and in bits 31:16 how many of its pages the kernel may not use.

use crate::seeded::{Bug, seeded};
use ffa_abi::PageOwner;

/// Guests that can own pages.
pub const MAX_GUESTS: u16 = 254;

const OTHERS: u16 = 1 << 15;
const HOST_MOVING: u16 = 1 << 14;
const HOST_PINS: u16 = HOST_MOVING - 1;
const HOLDER_SHIFT: u32 = 7;
const SHARED: u16 = 1 << 6;
/// One pin of the holder's own, and all that can be counted.
const OWN_PIN: u16 = 1 << 4;
const OWN_PINS: u16 = 3 * OWN_PIN;
/// The kernel's pins; the largest number stands for a move.
const PINS: u16 = OWN_PIN - 1;
const MOVING: u16 = PINS;

/// Who owns pages that are not the kernel's: the hypervisor, one of its guests, or the pool that they were lent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(u8);

impl Holder {
    /// The hypervisor.
    pub const HYP: Self = Self(0);
    /// The pool. It maps nothing for devices, and is nobody's to speak for.
    pub(super) const POOL: Self = Self(u8::MAX);

    /// Returns a guest, or `None` where so many cannot be told apart.
    #[must_use]
    pub fn guest(number: u16) -> Option<Self> {
        u8::try_from(number.checked_add(1)?).ok().map(Self).filter(|holder| *holder != Self::POOL)
    }

    /// Tells whether this is a guest.
    #[must_use]
    pub fn is_guest(self) -> bool {
        self != Self::HYP && self != Self::POOL
    }

    /// Returns a number that stands for it.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// Returns the one that a number stands for.
    pub(crate) const fn of_number(number: u8) -> Self {
        Self(number)
    }

    fn owner(self) -> PageOwner {
        match self.0.checked_sub(1) {
            None => PageOwner::Hyp,
            Some(_) if self == Self::POOL => PageOwner::Pool,
            Some(number) => PageOwner::Guest(number.into()),
        }
    }
}

/// The account of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account(u16);

impl Account {
    /// Of a page of the kernel's that nothing maps.
    pub(super) const HOST: Self = Self(0);

    /// Of a page of another's that nothing maps.
    pub(super) fn of_other(holder: Holder, shared: bool) -> Self {
        Self(OTHERS | u16::from(holder.0) << HOLDER_SHIFT | if shared { SHARED } else { 0 })
    }

    pub(super) const fn of(word: u16) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u16 {
        self.0
    }

    const fn is_host_s(self) -> bool {
        self.0 & OTHERS == 0
    }

    /// Returns who owns it, where that is not the kernel.
    pub(super) fn holder(self) -> Option<Holder> {
        let [low, _] = (self.0 >> HOLDER_SHIFT).to_le_bytes();
        (!self.is_host_s()).then_some(Holder(low))
    }

    pub(super) fn owner(self) -> PageOwner {
        self.holder().map_or(PageOwner::Host, Holder::owner)
    }

    /// Tells whether the kernel may map it.
    pub(super) const fn host_access(self) -> bool {
        self.is_host_s() || self.0 & SHARED != 0
    }

    /// Returns how many mappings of the kernel's there are.
    pub(super) const fn pins(self) -> u16 {
        match (self.is_host_s(), self.is_moving()) {
            (true, _) => self.0 & HOST_PINS,
            (false, true) => 0,
            (false, false) => self.0 & PINS,
        }
    }

    /// Returns how many mappings of its holder's there are.
    pub(super) const fn own_pins(self) -> u16 {
        if self.is_host_s() { 0 } else { (self.0 & OWN_PINS) / OWN_PIN }
    }

    pub(super) const fn is_moving(self) -> bool {
        if self.is_host_s() { self.0 & HOST_MOVING != 0 } else { self.0 & PINS == MOVING }
    }

    /// Returns the account with the mark of a move, or `None` where it is pinned or moving. Where the page stays its holder's,
    /// the holder's own mappings are not in the way.
    pub(super) fn moving(self, stays: bool) -> Option<Self> {
        let mark = if self.is_host_s() { HOST_MOVING } else { MOVING };
        let free = self.pins() == 0 && (stays || self.own_pins() == 0 || seeded(Bug::OwnPinsIgnored))
            || seeded(Bug::MovedThoughPinned);
        (free && !self.is_moving()).then_some(Self(self.0 | mark))
    }

    /// Returns the account without the mark of a move.
    pub(super) const fn unmoved(self) -> Self {
        match (self.is_host_s(), self.is_moving()) {
            (true, _) => Self(self.0 & !HOST_MOVING),
            (false, true) => Self(self.0 & !MOVING),
            (false, false) => self,
        }
    }

    /// Returns the account of another's page with the kernel's access to it as it is said; the holder's own pins stay.
    pub(super) const fn shared(self, shared: bool) -> Self {
        if shared { Self(self.0 | SHARED) } else { Self(self.0 & !SHARED) }
    }

    /// Returns the account with one pin more of this holder, or `None` where it is not its page, or there can be none.
    pub(super) fn own_pinned(self, holder: Holder) -> Option<Self> {
        let anybody_s = self.holder().is_some() && seeded(Bug::AnyGuestsPage);
        let its = (self.holder() == Some(holder) || anybody_s) && !self.is_moving();
        (its && self.0 & OWN_PINS != OWN_PINS).then(|| Self(self.0.wrapping_add(OWN_PIN)))
    }

    /// Returns the account with one pin less of its holder's, or `None` where there is none.
    pub(super) const fn own_unpinned(self) -> Option<Self> {
        if self.own_pins() == 0 { None } else { Some(Self(self.0.wrapping_sub(OWN_PIN))) }
    }

    /// Returns the account with one pin more, or `None` where there can be none.
    pub(super) fn pinned(self) -> Option<Self> {
        let most = if self.is_host_s() { HOST_PINS } else { PINS - 1 };
        let open = self.host_access() || seeded(Bug::ForeignMapped);
        let room = self.pins() < most || seeded(Bug::PinsWrap);
        (open && !self.is_moving() && room).then(|| Self(self.0.wrapping_add(1)))
    }

    /// Returns the account with one pin less, or `None` where there is none.
    pub(super) const fn unpinned(self) -> Option<Self> {
        if self.pins() == 0 { None } else { Some(Self(self.0.wrapping_sub(1))) }
    }
}

/// Bits of a block's account above its pins.
const CLOSED_SHIFT: u32 = 16;

/// Returns how often a block is mapped as one.
pub(super) const fn block_pins(word: u32) -> u16 {
    let [b0, b1, ..] = word.to_le_bytes();
    u16::from_le_bytes([b0, b1])
}

/// Returns a block's account with one pin more, or `None` where a page of it is closed, or it cannot be counted.
pub(super) fn block_pinned(word: u32) -> Option<u32> {
    let open = word < u32::from(u16::MAX) || seeded(Bug::ClosedBlockMapped);
    open.then(|| word.wrapping_add(1))
}

/// Returns a block's account with one pin less, or `None` where there is none.
pub(super) const fn block_unpinned(word: u32) -> Option<u32> {
    if block_pins(word) == 0 { None } else { Some(word.wrapping_sub(1)) }
}

/// Returns a block's account with so many pages more closed to the kernel, or `None` where it is pinned.
pub(super) const fn block_closed(word: u32, pages: u16) -> Option<u32> {
    if block_pins(word) == 0 { word.checked_add((pages as u32) << CLOSED_SHIFT) } else { None }
}

/// Returns a block's account with so many pages less closed to the kernel.
pub(super) const fn block_opened(word: u32, pages: u16) -> u32 {
    word.saturating_sub((pages as u32) << CLOSED_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_say_what_they_were_made_of() {
        assert_eq!((Account::HOST.owner(), Account::HOST.host_access()), (PageOwner::Host, true));
        assert_eq!(Holder::guest(MAX_GUESTS), None);
        assert_eq!(Holder::guest(u16::MAX), None);
        assert_eq!((Holder::POOL.owner(), Holder::POOL.is_guest()), (PageOwner::Pool, false));
        let guests = (0..MAX_GUESTS).map(|number| (Holder::guest(number).unwrap(), PageOwner::Guest(number)));
        for (holder, owner) in guests.chain([(Holder::HYP, PageOwner::Hyp)]) {
            for shared in [false, true] {
                let account = Account::of_other(holder, shared);
                assert_eq!((account.holder(), account.owner()), (Some(holder), owner));
                assert_eq!((account.host_access(), account.pins(), account.is_moving()), (shared, 0, false));
                assert_eq!(holder.is_guest(), owner != PageOwner::Hyp);
            }
        }
    }

    /// Every 16 bits are an account, and no change of pins touches anything else.
    #[test]
    fn pins_change_nothing_but_pins() {
        for word in 0..=u16::MAX {
            let account = Account::of(word);
            let same = |other: Account| {
                (other.owner(), other.host_access(), other.is_moving())
                    == (account.owner(), account.host_access(), account.is_moving())
            };
            if let Some(more) = account.pinned() {
                assert!(
                    same(more) && more.pins() == account.pins() + 1 && more.own_pins() == account.own_pins()
                );
                assert_eq!(more.unpinned(), Some(account));
                assert!(more.moving(true).is_none(), "what is pinned does not move");
            } else {
                let most = if account.owner() == PageOwner::Host { 16383 } else { 14 };
                assert!(account.pins() == most || account.is_moving() || !account.host_access());
            }
            for stays in [false, true] {
                if let Some(moving) = account.moving(stays) {
                    assert!(moving.is_moving() && moving.pinned().is_none() && same(moving.unmoved()));
                    assert_eq!((moving.unmoved(), moving.own_pins()), (account, account.own_pins()));
                }
            }
            assert_eq!(
                account.moving(false).is_some(),
                account.moving(true).is_some() && account.own_pins() == 0
            );
            assert_eq!(account.unpinned().is_none(), account.pins() == 0);
        }
    }

    #[test]
    fn a_holder_s_own_pins_are_its_own() {
        for word in 0..=u16::MAX {
            let account = Account::of(word);
            let holders = (0..MAX_GUESTS).step_by(50).filter_map(Holder::guest).chain([Holder::HYP]);
            for holder in holders.chain(account.holder()) {
                let Some(more) = account.own_pinned(holder) else {
                    let other = account.holder() != Some(holder);
                    assert!(other || account.is_moving() || account.own_pins() == 3);
                    continue;
                };
                assert_eq!((account.holder(), more.holder()), (Some(holder), Some(holder)));
                assert_eq!((more.own_pins(), more.pins()), (account.own_pins() + 1, account.pins()));
                assert_eq!((more.own_unpinned(), more.moving(false)), (Some(account), None));
                assert_eq!(more.shared(true).shared(more.host_access()), more);
            }
            // Also while the page is moving: what is unmapped then is.
            if let Some(less) = account.own_unpinned() {
                assert_eq!(
                    (less.is_moving(), less.own_pins()),
                    (account.is_moving(), account.own_pins() - 1)
                );
            }
        }
    }

    #[test]
    fn a_block_is_pinned_or_closed() {
        let closed = block_closed(0, 512).unwrap();
        assert_eq!((block_pinned(closed), block_opened(closed, 512)), (None, 0));
        let pinned = block_pinned(0).unwrap();
        assert_eq!((block_closed(pinned, 1), block_unpinned(pinned), block_pins(pinned)), (None, Some(0), 1));
        assert_eq!(block_unpinned(0), None);
        assert_eq!((block_pinned(0xffff), block_pinned(0xfffe)), (None, Some(0xffff)));
        assert_eq!(block_unpinned(closed), None);
    }
}
