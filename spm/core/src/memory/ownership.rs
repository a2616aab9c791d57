// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who owns memory: the normal world and partitions by the manifests, and whoever it was donated to since.
//!
//! What an owner has shared or lent stays its own; whether it is, is not known here.

use heapless::Vec;

use crate::mailbox::MailboxOwner;
use crate::manifest::range::PAGE_SIZE;
use crate::manifest::region::Security;
use crate::manifest::{AddressRange, MAX_PARTITIONS};
use crate::normal_memory::NormalMemory;
use crate::partition::Partition;
use crate::stage2::{Grain, Rights};

/// Most ranges whose owner or rights are not those of the manifests because of what the normal world did.
const MAX_BY_NORMAL_WORLD: usize = 512;
/// Most of them because of what a partition did.
const MAX_BY_PARTITION: usize = 64;
/// Most of them: nobody's are in another's way.
const MAX_MOVED: usize = MAX_BY_NORMAL_WORLD + MAX_PARTITIONS * MAX_BY_PARTITION;
/// Largest memory region of a manifest that is mapped by pages, in bytes; larger ones are mapped by blocks, and no part of
/// them can be lent or donated.
const MAX_PAGED: u64 = 8 << 20;

/// Who owns memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The normal world. Which of its endpoints says that it is the owner proves nothing.
    NormalWorld,
    /// The partition at this place of the list.
    Partition(usize),
}

impl From<MailboxOwner> for Owner {
    fn from(owner: MailboxOwner) -> Self {
        match owner {
            MailboxOwner::NormalWorld | MailboxOwner::Vm(_) => Self::NormalWorld,
            MailboxOwner::Partition(place) => Self::Partition(place),
        }
    }
}

/// What an owner has of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) security: Security,
    /// What it may do with it.
    pub(super) rights: Rights,
    /// How it is mapped, for partitions.
    pub(super) grain: Grain,
}

/// Returns by what a memory region of a manifest is mapped.
#[must_use]
pub fn region_grain(range: AddressRange) -> Grain {
    if range.size() <= MAX_PAGED { Grain::Pages } else { Grain::Blocks }
}

/// A range that was donated, or that its owner gave other rights.
#[derive(Clone, Copy, Debug)]
struct Moved {
    start: u64,
    end: u64,
    owner: usize,
    /// Whose share of the entries it takes: whoever gave it away, or cut it off another.
    by: Owner,
    security: Security,
    rights: Rights,
}

impl Moved {
    const fn overlaps(&self, range: AddressRange) -> bool {
        self.start < range.end() && range.start() < self.end
    }

    /// Tells whether both are one range; who made them so does not matter.
    fn continues(&self, before: &Self) -> bool {
        self.start == before.end
            && (self.owner, self.security, self.rights) == (before.owner, before.security, before.rights)
    }
}

/// What was donated since the boot, by address.
pub(super) struct Ownership {
    moved: Vec<Moved, MAX_MOVED>,
}

impl Ownership {
    pub(super) const fn new() -> Self {
        Self { moved: Vec::new() }
    }

    /// Returns what `owner` has of `range`, if all of it is its own, and alike.
    pub(super) fn holding(
        &self,
        owner: Owner,
        range: AddressRange,
        partitions: &[Partition],
        normal: &NormalMemory,
    ) -> Option<Holding> {
        let first = self.moved.partition_point(|moved| moved.end <= range.start());
        if let Some(moved) = self.moved.get(first).filter(|moved| moved.start < range.end()) {
            let all = moved.start <= range.start() && range.end() <= moved.end;
            let holding = Holding { security: moved.security, rights: moved.rights, grain: Grain::Pages };
            return (all && owner == Owner::Partition(moved.owner)).then_some(holding);
        }
        match owner {
            Owner::NormalWorld => {
                let rights = Rights { write: true, execute: false };
                let holding = Holding { security: Security::NonSecure, rights, grain: Grain::Pages };
                normal.owns(range).then_some(holding)
            }
            Owner::Partition(place) => {
                let partition = partitions.get(place)?;
                if partition.memory().contains(range) {
                    let rights = partition.own_rights();
                    return Some(Holding { security: Security::Secure, rights, grain: Grain::Pages });
                }
                let region = partition.memory_regions().iter().find(|region| region.range.contains(range))?;
                let (security, rights) = (region.security, region.access.into());
                Some(Holding { security, rights, grain: region_grain(region.range) })
            }
        }
    }

    /// Tells whether `by` can give `ranges` more ranges away, or other rights.
    pub(super) fn has_room_for(&self, by: Owner, ranges: usize) -> bool {
        let most = match by {
            Owner::NormalWorld => MAX_BY_NORMAL_WORLD,
            Owner::Partition(_) => MAX_BY_PARTITION,
        };
        let own = self.moved.iter().filter(|moved| moved.by == by);
        let taken = own.fold(0_usize, |count, _| count.saturating_add(1));
        // Each is an entry, and may cut another one in two.
        taken.saturating_add(ranges.saturating_mul(2)) <= most
    }

    /// Makes the partition at `to` the owner of `range`, on behalf of `by`. There is room for it.
    pub(super) fn give(
        &mut self,
        range: AddressRange,
        (by, to): (Owner, usize),
        security: Security,
        rights: Rights,
    ) {
        let first = self.moved.partition_point(|moved| moved.end <= range.start());
        // Only one entry can overlap: givers own what they give by one.
        if let Some(old) = self.moved.get(first).copied().filter(|old| old.start < range.end()) {
            self.remove_at(first);
            self.insert(Moved { end: range.start(), ..old });
            // One entry stays that of whoever made it; the second is there because of this gift.
            let rest = if old.start < range.start() { by } else { old.by };
            self.insert(Moved { start: range.end(), by: rest, ..old });
        }
        self.insert(Moved { start: range.start(), end: range.end(), owner: to, by, security, rights });
    }

    /// Tells whether anybody but the partition at `owner` was given a part of `range`.
    pub(super) fn is_given_away(&self, range: AddressRange, owner: usize) -> bool {
        self.moved.iter().any(|moved| moved.owner != owner && moved.overlaps(range))
    }

    /// Lets all of `range` be whose the manifests say it is. False if there is no room for what is beside it.
    pub(super) fn forget(&mut self, range: AddressRange) -> bool {
        while let Some(at) = self.moved.iter().position(|moved| moved.overlaps(range)) {
            let Some(old) = self.moved.get(at).copied() else { return false };
            if self.moved.len() >= MAX_MOVED {
                return false;
            }
            self.remove_at(at);
            self.insert(Moved { end: range.start(), ..old });
            self.insert(Moved { start: range.end(), ..old });
        }
        true
    }

    /// Inserts an entry, unless it is empty, into the gap where it belongs; joins it to its neighbours if it can. What is joined
    /// takes the share of the one that comes.
    fn insert(&mut self, mut new: Moved) {
        if new.end.saturating_sub(new.start) < PAGE_SIZE {
            return;
        }
        let mut at = self.moved.partition_point(|moved| moved.end <= new.start);
        if let Some(after) = self.moved.get(at).copied().filter(|after| after.continues(&new)) {
            new.end = after.end;
            self.remove_at(at);
        }
        if let Some(before) = at.checked_sub(1)
            && let Some(entry) = self.moved.get(before).copied().filter(|entry| new.continues(entry))
        {
            new.start = entry.start;
            self.remove_at(before);
            at = before;
        }
        // There is room by `has_room_for`.
        if self.moved.push(new).is_ok() {
            (at..self.moved.len().saturating_sub(1)).rev().for_each(|place| self.exchange_with_next(place));
        }
    }

    fn remove_at(&mut self, at: usize) {
        (at..self.moved.len().saturating_sub(1)).for_each(|place| self.exchange_with_next(place));
        _ = self.moved.pop();
    }

    fn exchange_with_next(&mut self, place: usize) {
        if let Some([one, next]) = self.moved.get_mut(place..).and_then(|rest| rest.first_chunk_mut()) {
            core::mem::swap(one, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BY: Owner = Owner::NormalWorld;
    const RIGHTS: Rights = Rights { write: true, execute: false };

    fn range(page: u64, pages: u64) -> AddressRange {
        AddressRange::from_pages(page * PAGE_SIZE, pages).unwrap()
    }

    #[test]
    fn neighbours_of_one_owner_become_one_range() {
        let mut ownership = Ownership::new();
        for page in [1, 3, 2] {
            ownership.give(range(page, 1), (BY, 0), Security::Secure, RIGHTS);
        }
        assert_eq!(ownership.moved.len(), 1);
        ownership.give(range(2, 1), (BY, 1), Security::Secure, RIGHTS);
        assert_eq!(ownership.moved.len(), 3);
        ownership.give(range(2, 1), (BY, 0), Security::Secure, RIGHTS);
        assert_eq!(ownership.moved.len(), 1);
    }

    proptest! {
        #[test]
        fn agrees_with_a_list_of_pages(
            gifts in proptest::collection::vec((0_u64..30, 1_u64..6, 0_usize..3, 0_usize..3), 1..40),
        ) {
            let mut ownership = Ownership::new();
            let mut owners = [None; 40];
            let normal = NormalMemory::default();
            for (page, pages, to, by) in gifts {
                // What is given belongs to one owner.
                let last = page + pages;
                let from = owners[usize::try_from(page).unwrap()];
                let pages = (page..last)
                    .take_while(|&page| owners[usize::try_from(page).unwrap()] == from)
                    .count();
                let shares = |ownership: &Ownership| {
                    [0, 1, 2].map(|by| {
                        let by = Owner::Partition(by);
                        ownership.moved.iter().filter(|moved| moved.by == by).count()
                    })
                };
                let before = shares(&ownership);
                let gift = range(page, pages as u64);
                ownership.give(gift, (Owner::Partition(by), to), Security::Secure, RIGHTS);
                for (other, (before, after)) in before.into_iter().zip(shares(&ownership)).enumerate() {
                    let most = if other == by { 2 } else { 0 };
                    prop_assert!(after <= before + most, "{other} pays for {by}");
                }
                for page in (page..).take(pages) {
                    owners[usize::try_from(page).unwrap()] = Some(to);
                }
                for (page, owner) in owners.iter().enumerate() {
                    for partition in 0..3 {
                        let asked = range(page as u64, 1);
                        let holding = ownership.holding(Owner::Partition(partition), asked, &[], &normal);
                        prop_assert_eq!(holding.is_some(), *owner == Some(partition), "{}", page);
                    }
                }
            }
        }
    }
}
