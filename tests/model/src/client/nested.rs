// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A kernel with a stage 1 of its own. Where its context descriptors and tables stand is all that it chooses here: what is in them is
//! whatever its memory happens to hold.

use super::{Clients, K4};
use crate::machine::Inner;
use crate::script::Act;

impl Clients {
    /// Returns something that a kernel asks for in the matter.
    pub(super) fn nested(&mut self, inner: &Inner, label: u8) -> Act {
        let (smmu, stream) = self.stream(inner, label);
        if self.random.once_in(3) {
            return self.forget(inner, (smmu, stream), label);
        }
        if self.random.once_in(2)
            && let Some(place) = self.nestable(inner, label)
        {
            return self.nested_transfer(inner, place, label);
        }
        let label = (!self.random.once_in(4)).then_some(label);
        let mapped = label.and_then(|label| self.mapped(inner, label));
        let at = match mapped {
            Some((iova, size)) => iova.wrapping_add(self.random.below(size)),
            None => self.memory(inner).wrapping_add(self.random.below(0x1000)),
        };
        let context = if self.random.once_in(16) { at } else { at & !63 };
        Act::Nest { smmu, stream, label, context }
    }

    /// Returns the first step of a transfer by way of both stages: memory is mapped where the kernel's context and tables are, too, is
    /// used, and is unmapped while SMMUs know what both stages came to.
    fn nested_transfer(&mut self, inner: &Inner, (smmu, stream, base): (u16, u32, u64), label: u8) -> Act {
        let iova = base.wrapping_add(self.random.below(0x400) * K4);
        let pa = self.memory(inner) & !(K4 - 1);
        let pages = self.random.any(&[8, 16, 40]);
        let context = iova.wrapping_add(self.random.below(pages * K4)) & !63;
        let (skipped, gone) = self.random.any(&[(0, pages), (0, pages / 2), (pages / 2, pages / 2)]);
        self.planned.extend([
            Act::Nest { smmu, stream, label: Some(label), context },
            Act::Burst { count: 4 + self.random.below(12) },
            Act::Unmap { label, iova: iova.wrapping_add(skipped * K4), size: gone * K4 },
        ]);
        Act::Map { label, iova, pa, size: pages * K4, access: self.random.any(&[3, 3, 1]) }
    }

    /// Returns a stream behind a domain's SMMU that the kernel may have a stage 1 for, and the first IOVA of its device.
    fn nestable(&mut self, inner: &Inner, label: u8) -> Option<(u16, u32, u64)> {
        let smmu = inner
            .domain_of(label)
            .map(|domain| domain.smmu)
            .filter(|smmu| inner.oracle.has_both_stages(*smmu))?;
        let all = inner.policy.devices.iter();
        let may: Vec<_> = all.filter(|device| device.nested && u16::from(device.smmu) == smmu).collect();
        self.random.pick(&may).map(|device| (smmu, device.first_sid, device.iova.base))
    }

    /// Returns a command for an SMMU: mostly one of those that are the kernel's, with anybody's VMID and stream.
    fn forget(&mut self, inner: &Inner, (smmu, stream): (u16, u32), label: u8) -> Act {
        let opcode = self
            .random
            .any(&[0x05, 0x06, 0x10, 0x11, 0x12, 0x12, 0x13, 0x13, 0x01, 0x03, 0x28, 0x2a, 0x46, 0x44]);
        let (asid, vmid) = (self.random.below(4), self.random.below(0x90));
        let page = self.mapped(inner, label).map_or(0, |(iova, _)| iova & !0xfff);
        let (low, high) = match opcode {
            0x05 | 0x06 => (vmid << 32, 0),
            0x11 => (asid << 48 | vmid << 32, 0),
            0x12 => (asid << 48 | vmid << 32, page | self.random.below(2)),
            0x13 => (vmid << 32 | 3 << 12, page | 0x700),
            _ => (vmid << 32, 0),
        };
        let odd = if self.random.once_in(8) { self.random.word() & self.random.word() } else { 0 };
        Act::Forget { smmu, stream, first: opcode | (low ^ odd), second: high }
    }
}
