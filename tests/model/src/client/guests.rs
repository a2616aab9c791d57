// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor does for its guests and itself: domains for their pages, devices in them.

use super::{Clients, K4, LABELS};
use crate::machine::Inner;
use crate::script::{Act, Guests, KeyError};
use ffa_abi::PageOwner;

/// Names for their domains, behind those of the kernel's.
const GUEST_LABELS: u64 = 6;

impl Clients {
    /// Returns something that the hypervisor sends for guests.
    pub(super) fn for_guests(&mut self, inner: &Inner, key: KeyError) -> Act {
        let label = self.guest_label(inner);
        let what = match self.random.below(100) {
            0..12 => {
                let label = self.any_guest_label();
                Guests::Alloc { label, smmu: self.smmu(inner), owner: self.owner() }
            }
            12..17 => Guests::Free { label },
            17..34 => {
                let (smmu, stream) = self.stream(inner, label);
                if self.random.once_in(2) {
                    // It has to be blocked.
                    self.planned.push_back(Act::Guests { what: Guests::Assign { smmu, stream, label }, key });
                    return Act::Block { smmu, stream };
                }
                Guests::Assign { smmu, stream, label }
            }
            34..42 => {
                let (smmu, stream) = self.stream(inner, label);
                Guests::Return { smmu, stream }
            }
            42..72 => self.guest_map(inner, label, key),
            72..88 => self.guest_unmap(inner, label),
            88..93 => {
                let (iova, size) = self.mapped(inner, label).unwrap_or((self.iova(), K4));
                Guests::Look { label, iova: iova.wrapping_add(self.random.below(size)) }
            }
            93..95 => {
                let (smmu, stream) = self.stream(inner, label);
                Guests::Quarantine { smmu, stream }
            }
            95..97 => {
                let (smmu, stream) = self.stream(inner, label);
                Guests::Release { smmu, stream }
            }
            _ => Guests::Poll,
        };
        Act::Guests { what, key }
    }

    fn any_guest_label(&mut self) -> u8 {
        u8::try_from(LABELS + self.random.below(GUEST_LABELS)).unwrap_or(0)
    }

    /// Returns a domain of theirs, mostly one that exists; seldom one of the kernel's.
    fn guest_label(&mut self, inner: &Inner) -> u8 {
        if self.random.once_in(24) {
            return self.label(inner);
        }
        for _ in 0..6 {
            let label = self.any_guest_label();
            if inner.domain_of(label).is_some() {
                return label;
            }
        }
        self.any_guest_label()
    }

    /// Maps pages, mostly such that are the domain's owner's.
    fn guest_map(&mut self, inner: &Inner, label: u8, key: KeyError) -> Guests {
        let owner = inner.domain_of(label).map_or(PageOwner::Hyp, |domain| domain.owner);
        let from = self.memory(inner);
        let own =
            |from| inner.oracle.pages.within(from, u64::MAX).find(|(_, foreign)| foreign.owner == owner);
        let own = own(from).or_else(|| own(0)).map(|(page, _)| page);
        let another_s = inner.oracle.pages.from(from).map_or(from, |(page, _)| page);
        let pa = match own {
            Some(page) if !self.random.once_in(6) => page,
            _ => self.random.any(&[another_s, another_s, from]),
        };
        let mut iova = self.iova();
        if let Some((first, length)) = self.mapped(inner, label)
            && self.random.once_in(2)
        {
            iova = self.random.any(&[first + length, first]);
        }
        let pages = self.random.any(&[1, 1, 2, 3, 17, 200]);
        if pages <= 3 && self.random.once_in(3) {
            let what = Guests::Unmap { label, iova, pages };
            self.planned.push_back(Act::Guests { what, key });
        }
        Guests::Map { label, iova, pa, pages, access: self.random.below(3) + 1 }
    }

    fn guest_unmap(&mut self, inner: &Inner, label: u8) -> Guests {
        let (iova, size) = self.mapped(inner, label).unwrap_or((self.iova(), K4));
        let inside = self.random.any(&[0, 0, K4, size / 2]) & !(K4 - 1);
        let whole = u16::try_from(size / K4).unwrap_or(512);
        let pages = self.random.any(&[whole, whole, 1, 512]);
        Guests::Unmap { label, iova: iova.wrapping_add(inside), pages }
    }
}
