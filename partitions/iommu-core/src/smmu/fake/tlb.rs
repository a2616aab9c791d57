// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cached translations, and the least that each command removes (4.4).

use super::State;

/// A cached translation, or a cached table descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TlbEntry {
    /// The VMID, or the ASID where there is no stage 2.
    pub(crate) vmid: u16,
    pub(crate) address: u64,
    /// Level of the descriptor, 1 to 3.
    pub(crate) level: u8,
    /// Whether it is a table descriptor.
    pub(crate) table: bool,
}

impl TlbEntry {
    const fn size(self) -> u64 {
        match self.level {
            1 => 1 << 30,
            2 => 1 << 21,
            _ => 1 << 12,
        }
    }
}

impl State {
    pub(super) fn forget_translations(&mut self, low: u64, high: u64) {
        // All that is cached here is of stage 2, where there is one.
        if self.idr[0] & 1 != 0 && matches!(low & 0xff, 0x10..=0x13) {
            return;
        }
        let by_asid = matches!(low & 0xff, 0x11 | 0x12);
        let vmid = u16::try_from(low >> (if by_asid { 48 } else { 32 }) & 0xffff).unwrap();
        let leaf_only = high & 1 == 1;
        let address = high & !0xfff;
        let by_range = high >> 10 & 3 != 0;
        let level = if by_range { u8::try_from(high >> 8 & 3).unwrap() } else { 0 };
        let granules = if by_range { ((low >> 12 & 0x1f) + 1) << (low >> 20 & 0x1f) } else { 1 };
        let end = address.saturating_add(granules << 12);
        self.tlb.retain(|entry| {
            let is_hit = match low & 0xff {
                0x30 => true,
                0x11 | 0x28 => entry.vmid == vmid,
                _ => {
                    let here = entry.address < end && address < entry.address + entry.size();
                    // A level hint names the leaves; tables above them go too unless Leaf is set.
                    let kind = if entry.table {
                        !leaf_only && (level == 0 || entry.level < level)
                    } else {
                        level == 0 || entry.level == level
                    };
                    entry.vmid == vmid && here && kind
                }
            };
            !is_hit
        });
    }
}
