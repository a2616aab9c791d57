// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor does, who has the key or guesses it: pages go from the kernel to others and back, those that are mapped
//! among them.

use super::{Clients, K4, M2};
use crate::machine::Inner;
use crate::script::{Act, Change, KeyError, Move};
use ffa_abi::{PageOwner, PoolHolder};
use iommu_core::policy::Guard;

/// Owners that there are, mostly.
const OWNERS: [PageOwner; 4] =
    [PageOwner::Hyp, PageOwner::Guest(0), PageOwner::Guest(7), PageOwner::Guest(253)];
/// Owners that pages cannot be given to.
const NOBODY: [PageOwner; 4] =
    [PageOwner::Host, PageOwner::Pool, PageOwner::Guest(254), PageOwner::Guest(u16::MAX)];
/// Mappings of one page, more than can be counted of one that a guest shares.
const MANY: u64 = 34;

impl Clients {
    /// Returns something that the hypervisor sends.
    pub(super) fn hyp(&mut self, inner: &Inner) -> Act {
        let key = self.key();
        if inner.policy.guard != Guard::Nobody && self.random.once_in(3) {
            return self.for_guests(inner, key);
        }
        match self.random.below(60) {
            0 => Act::Claim,
            1 => Act::Statistics { key },
            2 => {
                let registers = self.keyed();
                Act::Keyed { registers }
            }
            3..10 => {
                let memory = self.memory(inner);
                let page = self.random.any(&[self.moved, memory]);
                let address = self.mapped_memory(inner).filter(|_| self.random.once_in(2)).unwrap_or(page);
                Act::State { address: address.wrapping_add(self.random.below(K4)), key }
            }
            10..24 => Act::Move { pages: self.taken(inner), key },
            40..52 => self.lend(inner, key),
            52..57 => self.reclaim(inner, key),
            57..60 => Act::Shares { holder: self.pool_holder(), key },
            24 if self.planned.is_empty() => self.pile_up(inner),
            _ => Act::Move { pages: self.returned(inner), key },
        }
    }

    /// Returns a move of pages near to what is mapped, as another core may make it meanwhile.
    pub(super) fn move_of(&mut self, inner: &Inner, memory: u64, size: u64) -> Act {
        let inside = self.random.below(size.clamp(1, M2)) & !(K4 - 1);
        let first = memory.wrapping_add(self.random.any(&[0, 0, inside]));
        let (change, owner) = match inner.oracle.pages.get(first) {
            None => (Change::Own, self.owner()),
            Some(foreign) if foreign.shared && !self.random.once_in(4) => (Change::Unshare, foreign.owner),
            Some(foreign) => (self.random.any(&[Change::Disown, Change::Share]), foreign.owner),
        };
        let count = self.random.any(&[1, 1, 2, 16]);
        Act::Move { pages: Move { change, first, count, owner }, key: KeyError::default() }
    }

    /// Returns pages for the hypervisor to take.
    fn taken(&mut self, inner: &Inner) -> Move {
        let mapped = self.mapped_memory(inner).filter(|_| self.random.once_in(4));
        let mut first = mapped.unwrap_or_else(|| self.memory(inner));
        let mut count = self.random.any(&[1, 1, 2, 3, 17, 300, 512]);
        match self.random.below(24) {
            0..8 => (first, count) = (first & !(M2 - 1), self.random.any(&[512, 512, 1, 511])),
            // Over the end of a block.
            8..14 => first = (first & !(M2 - 1)).wrapping_add(M2 - self.random.any(&[1, 2, 20]) * K4),
            14 => first |= self.random.any(&[1, 0x800]),
            15 => count = self.random.any(&[0, 513, u16::MAX]),
            16 => first = self.random.any(&[inner.policy.pool.base, 0xe000_0000, 0x5_0000_0000, !(K4 - 1)]),
            _ => {}
        }
        self.moved = first;
        Move { change: Change::Own, first, count, owner: self.owner() }
    }

    /// Returns pages for the hypervisor to give back, or to have shared.
    fn returned(&mut self, inner: &Inner) -> Move {
        let near = self.memory(inner);
        let from = self.random.any(&[0, self.moved, near]);
        let Some((first, foreign)) = inner.oracle.pages.from(from) else { return self.taken(inner) };
        let last = match foreign.shared {
            true => [Change::Unshare, Change::Disown, Change::Share],
            false => [Change::Share, Change::Share, Change::Disown],
        };
        let unusual = self.random.any(&Change::ALL);
        let change = if self.random.once_in(10) { unusual } else { self.random.any(&last) };
        let owner = if self.random.once_in(10) { self.owner() } else { foreign.owner };
        let before = self.random.any(&[0, 0, 0, K4]);
        self.moved = first;
        let count = self.random.any(&[1, 1, 2, 3, 17, 300, 512]);
        Move { change, first: first.wrapping_sub(before), count, owner }
    }

    /// Returns the first of many steps after which a page is mapped as often as can be counted, and once more.
    fn pile_up(&mut self, inner: &Inner) -> Act {
        let first = self.memory(inner) & !(K4 - 1);
        let (label, iova) = (self.label(inner), self.iova());
        let owner = self.owner();
        let step =
            |change| Act::Move { pages: Move { change, first, count: 1, owner }, key: KeyError::default() };
        self.planned.push_back(step(Change::Share));
        for place in 0..MANY {
            let iova = iova.wrapping_add(place * 3 * K4);
            self.planned.push_back(Act::Map { label, iova, pa: first, size: K4, access: 3 });
        }
        step(Change::Own)
    }

    fn pool_holder(&mut self) -> PoolHolder {
        self.random.pick(&PoolHolder::ALL).copied().unwrap_or(PoolHolder::Host)
    }

    /// Returns pages of the hypervisor's that it lends, mostly for the kernel's tables: the kernel has some.
    fn lend(&mut self, inner: &Inner, key: KeyError) -> Act {
        let holder = if self.random.once_in(2) { PoolHolder::Host } else { self.pool_holder() };
        let from = self.random.any(&[0, self.moved]);
        let mut first = inner.oracle.pages.hyp_s(from).unwrap_or_else(|| self.memory(inner)) & !(K4 - 1);
        first = first.wrapping_add(self.random.any(&[0, 0, K4, 8 * K4]));
        if self.random.once_in(10) {
            first =
                self.random.any(&[inner.policy.pool.base, self.moved & !(K4 - 1), 0xe000_0000, !(K4 - 1)]);
        }
        let count = if self.random.once_in(12) { self.random.any(&[0, 7]) } else { 1 + self.random.below(6) };
        self.planned.extend(self.random.once_in(8).then_some(Act::Reclaim { memory: first | count, key }));
        if holder != PoolHolder::Host && self.random.once_in(2) {
            // The kernel asks for more tables than it may have, where it has few left: those are none of its.
            for _ in 0..6 {
                let (label, iova, pa) = (self.label(inner), self.iova(), self.memory(inner));
                self.planned.push_back(Act::Map { label, iova, pa, size: K4, access: 3 });
            }
        }
        Act::Lend { memory: first | count, holder, key }
    }

    /// Returns that something is taken back: more than once, until it is.
    fn reclaim(&mut self, inner: &Inner, key: KeyError) -> Act {
        let loans = inner.oracle.loans.handles();
        let odd = self.memory(inner) & !(K4 - 1) | 1;
        let memory = self.random.pick(&loans).copied().filter(|_| !self.random.once_in(20)).unwrap_or(odd);
        let again = Act::Reclaim { memory, key };
        if self.random.once_in(2) {
            self.planned.extend([again.clone(), again.clone()]);
        }
        again
    }

    pub(super) fn owner(&mut self) -> PageOwner {
        let owners = if self.random.once_in(24) { &NOBODY } else { &OWNERS };
        self.random.pick(owners).copied().unwrap_or(PageOwner::Hyp)
    }

    /// Returns the right key, mostly.
    fn key(&mut self) -> KeyError {
        let bit = 1 << self.random.below(64);
        let noise = self.random.word();
        KeyError(match self.random.below(36) {
            0 => [bit, 0],
            1 => [0, bit],
            2 => [noise, noise],
            _ => [0, 0],
        })
    }

    /// Returns registers of the hypervisor's that mean something, or nearly.
    fn keyed(&mut self) -> [u64; 5] {
        let operation = self.random.any(&[
            0x8005, 0x8010, 0x8011, 0x8012, 0x8013, 0x8014, 0x8020, 0x8022, 0x8025, 0x8026, 0x8031, 0x8060,
            0x8061, 0x8062, 0x8000, 0xffff,
        ]);
        let count = self.random.any(&[0, 1, 2, 512, 0xffff]);
        let memory = self.random.any(&self.memory);
        let owner = self.random.any(&[0, 1, 2, 3, 0x7_0002]);
        self.noisy([operation | count << 16, 0, 0, memory, owner])
    }
}
