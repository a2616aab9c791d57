// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of VMSAv8-64 tables with the 4 KiB granule and 48-bit output (DDI 0487, D8.3).

use super::{bit, bits};

/// What a descriptor says, whichever stage reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Descriptor {
    /// Nothing: a translation fault.
    Invalid,
    /// The next table.
    Table(u64),
    /// A block or page of 2^`bits` bytes.
    Leaf(Leaf),
}

/// A block or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Output address.
    pub(crate) base: u64,
    /// log2 of the size.
    pub(crate) bits: u32,
    /// AF, bit 10.
    pub(crate) accessed: bool,
    /// Bits 7:6: S2AP at stage 2, AP\[2:1\] at stage 1.
    pub(crate) access: u64,
    /// Bits 5:2: MemAttr at stage 2, AttrIndx and NS at stage 1.
    pub(crate) attributes: u64,
    /// Bits 9:8: shareability.
    pub(crate) shareability: u64,
    /// Not nG, bit 11, at stage 1: for all ASIDs.
    pub(crate) global: bool,
    /// nT, bit 16 of a block: not cached where it could conflict (IHI 0070, 3.21.1.2).
    pub(crate) not_cached: bool,
    /// Whether it is what both stages come to, in the form of stage 2.
    pub(crate) combined: bool,
}

/// Returns log2 of what an entry of a level translates.
pub(crate) const fn entry_bits(level: u32) -> u32 {
    39 - 9 * level
}

impl Descriptor {
    /// Decodes a descriptor of a level.
    pub(crate) const fn decode(word: u64, level: u32) -> Self {
        let address = word & 0x0000_ffff_ffff_f000;
        match (bits(word, 1, 0), level) {
            (0b11, 0..=2) => Self::Table(address),
            (0b11, 3) | (0b01, 1 | 2) => {
                let size = entry_bits(level);
                // The base leaves bit 16 out: a block is at least 2 MiB.
                Self::Leaf(Leaf {
                    base: address & !((1 << size) - 1),
                    bits: size,
                    accessed: bit(word, 10),
                    access: bits(word, 7, 6),
                    attributes: bits(word, 5, 2),
                    shareability: bits(word, 9, 8),
                    global: !bit(word, 11),
                    not_cached: level < 3 && bit(word, 16),
                    combined: false,
                })
            }
            _ => Self::Invalid,
        }
    }
}

impl Leaf {
    /// S2AP (D8.4): bit 0 allows reads, bit 1 writes.
    pub(crate) const fn stage2_allows(&self, write: bool) -> bool {
        bit(self.access, if write { 1 } else { 0 })
    }

    /// Returns a leaf of stage 1 in the form of stage 2: AP\[2:1\] (D8.4) for an access without privilege has a bit that
    /// allows it at all, and one that forbids writes. AttrIndx chooses eight bits of MAIR, of which the upper four are zero for
    /// device memory (MAIR_EL1).
    pub(crate) const fn as_stage2(self, attributes: u64) -> Self {
        let access = match self.access {
            0b01 => 0b11,
            0b11 => 0b01,
            _ => 0b00,
        };
        let chosen = attributes >> (8 * (self.attributes & 7));
        let attributes = if chosen >> 4 & 15 == 0 { 0 } else { 15 };
        Self { access, attributes, ..self }
    }

    /// MemAttr at stage 2: 0b00xx is device memory (D8.6).
    pub(crate) const fn stage2_is_device(&self) -> bool {
        self.attributes >> 2 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_depend_on_the_level() {
        assert_eq!(Descriptor::decode(0x9000_1003, 1), Descriptor::Table(0x9000_1000));
        assert_eq!(Descriptor::decode(0x9000_1001, 0), Descriptor::Invalid);
        assert_eq!(Descriptor::decode(0x9000_1001, 3), Descriptor::Invalid);
        assert_eq!(Descriptor::decode(0x9000_1002, 2), Descriptor::Invalid);
        let Descriptor::Leaf(leaf) = Descriptor::decode(0x0040_0000_8000_177f, 3) else { panic!("a page") };
        assert_eq!((leaf.base, leaf.bits, leaf.accessed), (0x8000_1000, 12, true));
        assert!(leaf.stage2_allows(false) && !leaf.stage2_allows(true) && !leaf.stage2_is_device());
        let Descriptor::Leaf(block) = Descriptor::decode(0x4000_0001, 1) else { panic!("a block") };
        assert_eq!((block.base, block.bits), (0x4000_0000, 30));
    }
}
