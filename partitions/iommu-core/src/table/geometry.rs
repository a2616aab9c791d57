// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shape of a table: how wide its input is, at which level its walk starts, and what its levels map.

use super::Format;

/// Bits of an address that one table entry of the last level maps: 4 KiB.
pub const PAGE_BITS: u32 = 12;
/// The smallest mapping, in bytes.
pub const PAGE_SIZE: u64 = 1 << PAGE_BITS;
/// Entries of a table, one page of 8-byte descriptors.
pub const ENTRIES: usize = 512;
/// Bits of an address that choose an entry of a table.
const INDEX_BITS: u32 = 9;

/// What one leaf entry maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeafSize {
    /// 4 KiB, a page of level 3.
    Page4K,
    /// 2 MiB, a block of level 2.
    Block2M,
    /// 1 GiB, a block of level 1.
    Block1G,
}

impl LeafSize {
    /// Returns the size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.level().entry_size()
    }

    /// Returns the level whose entries have this size.
    #[must_use]
    pub const fn level(self) -> Level {
        match self {
            Self::Page4K => Level::L3,
            Self::Block2M => Level::L2,
            Self::Block1G => Level::L1,
        }
    }
}

/// A level of lookup with the 4 KiB granule (DDI 0487, D8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 512 GiB an entry, tables only.
    L0,
    /// 1 GiB an entry.
    L1,
    /// 2 MiB an entry.
    L2,
    /// 4 KiB an entry, pages only.
    L3,
}

impl Level {
    /// Returns the level's number in the architecture.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::L0 => 0,
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
        }
    }

    /// Returns the level that a table descriptor of this one leads to; the last level has none.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::L0 => Some(Self::L1),
            Self::L1 => Some(Self::L2),
            Self::L2 => Some(Self::L3),
            Self::L3 => None,
        }
    }

    /// Returns the lowest address bit that chooses an entry.
    #[must_use]
    pub const fn shift(self) -> u32 {
        PAGE_BITS
            + match self {
                Self::L0 => 3 * INDEX_BITS,
                Self::L1 => 2 * INDEX_BITS,
                Self::L2 => INDEX_BITS,
                Self::L3 => 0,
            }
    }

    /// Returns how many bytes of input one entry covers.
    #[must_use]
    pub const fn entry_size(self) -> u64 {
        1 << self.shift()
    }

    /// Returns the entry that translates an address, always below [`ENTRIES`].
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "nine bits fit everywhere; a const fn cannot try_from"
    )]
    pub const fn index(self, address: u64) -> usize {
        ((address >> self.shift()) & (ENTRIES as u64 - 1)) as usize
    }

    /// Returns the leaf size of this level, if it has leaves.
    #[must_use]
    pub const fn leaf(self) -> Option<LeafSize> {
        match self {
            Self::L0 => None,
            Self::L1 => Some(LeafSize::Block1G),
            Self::L2 => Some(LeafSize::Block2M),
            Self::L3 => Some(LeafSize::Page4K),
        }
    }
}

/// Input width and start level of a table whose root is one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// 39 bits, three levels from level 1.
    Bits39,
    /// So many bits, 40 to 48, and four levels from level 0.
    FromLevel0(u8),
}

/// The narrowest and the widest input of four levels (DDI 0487, D8.2.7: an input of 39 bits needs no level 0).
const LEVEL0_BITS: (u8, u8) = (40, 48);
/// Output addresses that an implementation must have for walks from level 0 (DDI 0487, VTCR_EL2.SL0).
const LEVEL0_OUTPUT_BITS: u8 = 44;

impl Geometry {
    /// Returns the narrowest shape that translates every address below a limit, or `None` where none does.
    #[must_use]
    pub fn below(limit: u64) -> Option<Self> {
        let [bits, ..] = (u64::BITS - limit.saturating_sub(1).leading_zeros()).to_le_bytes();
        let (narrowest, widest) = LEVEL0_BITS;
        match bits {
            bits if bits < narrowest => Some(Self::Bits39),
            bits if bits <= widest => Some(Self::FromLevel0(bits)),
            _ => None,
        }
    }

    /// Tells whether an SMMU that puts out so many address bits can walk this. The input of stage 2 may not be wider than
    /// the output (IHI 0070, 5.2, S2T0SZ); that of stage 1 has up to 48 bits everywhere (3.4.1).
    #[must_use]
    pub const fn fits(self, format: Format, output_bits: u8) -> bool {
        match (format, self) {
            (Format::Stage1, _) => true,
            (Format::Stage2, Self::Bits39) => output_bits >= 39,
            (Format::Stage2, Self::FromLevel0(bits)) => {
                output_bits >= bits && output_bits >= LEVEL0_OUTPUT_BITS
            }
        }
    }

    /// Returns the width of an input address, in bits.
    #[must_use]
    pub const fn input_bits(self) -> u8 {
        match self {
            Self::Bits39 => 39,
            Self::FromLevel0(bits) => bits,
        }
    }

    /// Returns the level of the root table.
    #[must_use]
    pub const fn start(self) -> Level {
        match self {
            Self::Bits39 => Level::L1,
            Self::FromLevel0(_) => Level::L0,
        }
    }

    /// Returns the first address beyond the input.
    #[must_use]
    pub const fn limit(self) -> u64 {
        1_u64.unbounded_shl(self.input_bits() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_as_wide_as_it_must_be() {
        for (limit, geometry) in [
            (1, Geometry::Bits39),
            (1 << 39, Geometry::Bits39),
            ((1 << 39) + 1, Geometry::FromLevel0(40)),
            (0x100_8000_0000, Geometry::FromLevel0(41)),
            (1 << 48, Geometry::FromLevel0(48)),
        ] {
            assert_eq!(Geometry::below(limit), Some(geometry));
            assert!(geometry.limit() >= limit && geometry.start().entry_size() < geometry.limit());
        }
        assert_eq!(Geometry::below((1 << 48) + 1), None);
    }

    #[test]
    fn an_smmu_walks_what_its_output_allows() {
        let fits = |geometry: Geometry, bits| geometry.fits(Format::Stage2, bits);
        assert!(fits(Geometry::Bits39, 39) && !fits(Geometry::Bits39, 36));
        let four = Geometry::FromLevel0(41);
        assert!(fits(four, 44) && fits(four, 48) && !fits(four, 42) && !fits(four, 40));
        assert!(!fits(Geometry::FromLevel0(48), 44));
        assert!(Geometry::FromLevel0(48).fits(Format::Stage1, 32));
    }
}
