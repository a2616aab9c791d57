// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is mapped and unmapped, and what other cores do to the same range meanwhile.

use super::{Clients, G1, K4, M2};
use crate::machine::Inner;
use crate::script::{Act, Guests};

impl Clients {
    /// Returns what another core may do to the same range meanwhile.
    pub(super) fn related(&mut self, inner: &Inner, act: &Act) -> Option<Act> {
        let (label, first, length) = match *act {
            Act::Map { label, iova, size, .. } | Act::Unmap { label, iova, size } => (label, iova, size),
            // What is being mapped for a guest, or unmapped, goes back to the kernel.
            Act::Guests { what: Guests::Map { pa, pages, .. }, .. } if self.random.once_in(2) => {
                return Some(self.move_of(inner, pa, u64::from(pages) * K4));
            }
            Act::Guests { what: Guests::Unmap { label, iova, pages }, .. } if self.random.once_in(2) => {
                let mut there = inner.domain_of(label)?.space.overlapping(iova, u64::from(pages) * K4);
                let (_, extent) = there.next()?;
                return Some(self.move_of(inner, extent.pa, extent.size));
            }
            _ => return None,
        };
        let often = if matches!(act, Act::Unmap { .. }) { 2 } else { 3 };
        if inner.oracle.key().is_some() && self.random.once_in(often) {
            // The hypervisor takes what is being mapped or unmapped.
            return match *act {
                Act::Map { pa, .. } => Some(self.move_of(inner, pa, length)),
                _ => {
                    let mut there = inner.domain_of(label)?.space.overlapping(first, length);
                    let (iova, extent) = there.next()?;
                    let skipped = first.saturating_sub(iova);
                    Some(self.move_of(inner, extent.pa + skipped, length.min(extent.size - skipped)))
                }
            };
        }
        let inside = self.random.below(length.clamp(1, M2)) & !(K4 - 1);
        let (iova, size) = self.random.any(&[
            (first, length),
            (first, K4),
            (first.wrapping_add(inside), K4),
            (first & !(M2 - 1), M2),
            (first.wrapping_add(inside), length),
        ]);
        match self.random.below(6) {
            0 => Some(Act::Unmap { label, iova, size }),
            // Beside it, so that a table is needed and filled.
            5 => {
                let beside = (first & !(M2 - 1)).wrapping_add(M2 * (1 + self.random.below(4)));
                let other = self.label(inner);
                let (label, pa) = (self.random.any(&[label, other]), self.memory(inner) | K4);
                Some(Act::Map { label, iova: beside, pa, size: M2 - K4, access: 3 })
            }
            1 => {
                Some(Act::Map { label, iova, pa: self.memory(inner), size, access: self.random.below(3) + 1 })
            }
            // Elsewhere, so that it needs tables.
            2 => Some(Act::Map { label, iova: self.iova(), pa: self.memory(inner), size: K4, access: 3 }),
            3 => {
                let label = self.label(inner);
                Some(Act::Map { label, iova: self.iova(), pa: self.memory(inner), size: M2 - K4, access: 3 })
            }
            _ => None,
        }
    }

    pub(super) fn map(&mut self, inner: &Inner, label: u8) -> Act {
        let (mut iova, mut size) = (self.iova(), self.size());
        // Next to what is there, or on it.
        if let Some((first, length)) = self.mapped(inner, label)
            && self.random.once_in(2)
        {
            iova = self.random.any(&[first + length, first, first.wrapping_sub(size)]);
        }
        let mut pa = self.memory(inner);
        if self.random.once_in(2) {
            // So that blocks are possible.
            let unit = self.random.any(&[M2, G1]);
            (iova, pa) = (iova & !(unit - 1), pa & !(unit - 1));
            size = self.random.any(&[unit, 2 * unit, unit + K4, M2]);
            if self.random.once_in(5) {
                // A page in front of the block: what is unmapped as one is of two kinds, the smaller one first.
                (iova, pa, size) = (iova.wrapping_sub(K4), pa.wrapping_sub(K4), size.wrapping_add(K4));
            }
        }
        if self.random.once_in(40) {
            let foreign =
                [inner.policy.pool.base, 0xe000_0000, 0x5_0000_0000, 0, inner.policy.pool.base - K4];
            pa = self.random.any(&foreign);
        }
        if self.random.once_in(40) {
            let odd = self.random.any(&[1, 8, 0x800]);
            (iova, pa, size) = (iova | odd, pa, size.wrapping_sub(odd));
        }
        if size <= 4 * K4 && self.random.once_in(3) {
            // As for a transfer: mapped, used and unmapped.
            self.planned.push_back(Act::Unmap { label, iova, size });
        }
        Act::Map { label, iova, pa, size, access: self.random.below(3) + 1 }
    }

    pub(super) fn unmap(&mut self, inner: &Inner, label: u8) -> Act {
        let (iova, size) = match self.mapped(inner, label) {
            Some((iova, size)) if !self.random.once_in(8) => {
                let skip = self.random.any(&[0, 0, K4, size / 2]) & !(K4 - 1);
                match self.random.below(6) {
                    0 => (iova + skip, size.saturating_sub(skip).max(K4)),
                    1 => (iova + skip, K4),
                    2 => (iova & !(M2 - 1), M2),
                    3 => (iova & !(M2 - 1), size.next_multiple_of(M2) + self.random.any(&[0, M2, G1])),
                    _ => (iova, size),
                }
            }
            _ => (self.iova(), self.size()),
        };
        Act::Unmap { label, iova, size }
    }
}
