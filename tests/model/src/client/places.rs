// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains, streams, addresses and sizes that are worth a try.

use super::{Clients, G1, K4, LABELS, M2};
use crate::architecture::low;
use crate::machine::Inner;

impl Clients {
    pub(super) fn smmu(&mut self, inner: &Inner) -> u16 {
        let count = u64::try_from(inner.smmus.len()).unwrap_or(0);
        let beyond = u64::from(self.random.once_in(50));
        u16::try_from(self.random.below(count) + beyond).unwrap_or(0)
    }

    pub(super) fn any_label(&mut self) -> u8 {
        u8::try_from(self.random.below(LABELS)).unwrap_or(0)
    }

    /// Returns a domain, mostly one that exists.
    pub(super) fn label(&mut self, inner: &Inner) -> u8 {
        for _ in 0..6 {
            let label = self.any_label();
            if inner.domain_of(label).is_some() {
                return label;
            }
        }
        self.any_label()
    }

    /// Returns a stream, mostly behind the domain's SMMU.
    pub(super) fn stream(&mut self, inner: &Inner, label: u8) -> (u16, u32) {
        let strict = !self.random.once_in(8);
        let wanted = inner.domain_of(label).map(|domain| domain.smmu).filter(|_| strict);
        for _ in 0..6 {
            if let Some(device) = self.random.pick(&inner.policy.devices).cloned()
                && wanted.is_none_or(|smmu| smmu == u16::from(device.smmu))
            {
                let stream = device.first_sid + low(self.random.below(device.sids.into()));
                return (device.smmu.into(), stream);
            }
        }
        (self.smmu(inner), low(self.random.below(0x200)))
    }

    pub(super) fn iova(&mut self) -> u64 {
        let place = self.random.any(&self.places);
        let near = self.random.any(&[0, 0, K4, 3 * K4, M2 - K4, M2, 5 * M2, G1]);
        if self.random.once_in(4) { place.wrapping_sub(near) } else { place.wrapping_add(near) }
    }

    pub(super) fn memory(&mut self, inner: &Inner) -> u64 {
        if inner.oracle.key().is_some() && self.random.once_in(6) {
            let from = self.random.any(&[0, self.moved]);
            if let Some((page, _)) = inner.oracle.pages.from(from) {
                return page;
            }
        }
        let place = self.random.any(&self.memory);
        let near = self.random.any(&[0, 0, K4, 7 * K4, M2]);
        if self.random.once_in(3) { place.wrapping_sub(near) } else { place.wrapping_add(near) }
    }

    pub(super) fn size(&mut self) -> u64 {
        let unit = self.random.any(&[K4, K4, K4, M2]);
        let count = self.random.any(&[1, 1, 2, 3, 9, 40, 600]);
        self.random.any(&[unit * count, unit * count, unit * count, unit + K4, M2 - K4, 0, G1, !(K4 - 1)])
    }

    /// Returns memory that is mapped somewhere.
    pub(super) fn mapped_memory(&mut self, inner: &Inner) -> Option<u64> {
        let label = self.label(inner);
        let (iova, size) = self.mapped(inner, label)?;
        let inside = self.random.below(size) & !(K4 - 1);
        Self::leading_to(inner, label, iova + inside)
    }

    /// Returns the memory that an IOVA leads to.
    pub(super) fn leading_to(inner: &Inner, label: u8, iova: u64) -> Option<u64> {
        let (first, extent) = inner.domain_of(label)?.space.overlapping(iova, 1).next()?;
        Some(extent.pa + (iova - first))
    }

    /// Returns something that is mapped in a domain.
    pub(super) fn mapped(&mut self, inner: &Inner, label: u8) -> Option<(u64, u64)> {
        let space = &inner.domain_of(label)?.space;
        let place = self.random.place(space.all().count());
        space.all().nth(place).map(|(iova, extent)| (iova, extent.size))
    }
}
