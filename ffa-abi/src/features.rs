// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `FEATURES` answers: guard level, limits, page sizes.

use bitflags::bitflags;
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Who keeps the normal world away from the SMMU's frames and from the pool.
///
/// A fact of the platform, stated in its policy: tables of non-secure streams stand in non-secure memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum GuardLevel {
    /// Nobody: the service protects against mistakes only.
    Nobody = 0,
    /// The hypervisor's stage 2: holds against the host, hyp is trusted.
    El2 = 1,
    /// A filter on the bus: holds against host and hyp.
    BusFilter = 2,
}

bitflags! {
    /// Optional abilities, bits 63:8 of x4 in the answer to `FEATURES`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(transparent)]
    pub struct Features: u64 {
        /// Every SMMU invalidates address ranges with one command.
        const RANGE_INVALIDATION = 1 << 8;
        /// A hypervisor must take its role before others are served.
        const HYP_REQUIRED = 1 << 9;
        /// The hypervisor's role is taken.
        const HYP_CLAIMED = 1 << 10;
    }
}

/// Bounds within which the service works, x5–x7 of the answer to `FEATURES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Table entries that one `MAP` or `UNMAP` handles; longer ranges need more calls.
    pub entries_per_call: u16,
    /// Domains that exist at one time.
    pub domains: u16,
    /// Fault reports that are kept until they are polled.
    pub faults: u16,
    /// Pages that one `OWN` and its like moves; 0 where there is no hypervisor.
    pub pages_per_move: u16,
    /// Guests that can own pages, numbered from 0; 0 where there can be none.
    pub guests: u16,
    /// Page sizes in bytes, one bit a size (bit 12: 4 KiB).
    pub page_sizes: u64,
    /// Width of an IOVA in bits.
    pub iova_bits: u8,
}

impl Limits {
    /// Packs the limits into x5–x7: the first four counts at bits 15:0, 31:16, 47:32 and 63:48 of x5, sizes in x6, width at
    /// bits 7:0 of x7 and guests at bits 31:16.
    #[must_use]
    pub const fn to_registers(self) -> [u64; 3] {
        [
            self.entries_per_call as u64
                | (self.domains as u64) << 16
                | (self.faults as u64) << 32
                | (self.pages_per_move as u64) << 48,
            self.page_sizes,
            self.iova_bits as u64 | (self.guests as u64) << 16,
        ]
    }

    /// Reads the limits from x5–x7, or `None` where reserved bits are set.
    #[must_use]
    pub fn from_registers([counts, page_sizes, rest]: [u64; 3]) -> Option<Self> {
        let [e0, e1, d0, d1, f0, f1, p0, p1] = counts.to_le_bytes();
        let [iova_bits, 0, g0, g1, 0, 0, 0, 0] = rest.to_le_bytes() else { return None };
        Some(Self {
            entries_per_call: u16::from_le_bytes([e0, e1]),
            domains: u16::from_le_bytes([d0, d1]),
            faults: u16::from_le_bytes([f0, f1]),
            pages_per_move: u16::from_le_bytes([p0, p1]),
            guests: u16::from_le_bytes([g0, g1]),
            page_sizes,
            iova_bits,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn limits_are_read_as_they_were_written(registers: [u64; 3], narrow: bool) {
            let registers = if narrow { [registers[0], registers[1], registers[2] & 0xffff_00ff] } else { registers };
            if let Some(limits) = Limits::from_registers(registers) {
                prop_assert_eq!(limits.to_registers(), registers);
            } else {
                prop_assert!(!narrow);
            }
        }
    }
}
