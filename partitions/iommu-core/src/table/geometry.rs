// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The shape of a table: how wide its input is, at which level its walk starts, and what its levels map.

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

/// Input width and start level of a stage-2 table whose root is one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Geometry {
    /// 39 bits, three levels from level 1.
    Bits39,
    /// 48 bits, four levels from level 0.
    Bits48,
}

impl Geometry {
    /// Returns the width of an input address, in bits.
    #[must_use]
    pub const fn input_bits(self) -> u8 {
        match self {
            Self::Bits39 => 39,
            Self::Bits48 => 48,
        }
    }

    /// Returns the level of the root table.
    #[must_use]
    pub const fn start(self) -> Level {
        match self {
            Self::Bits39 => Level::L1,
            Self::Bits48 => Level::L0,
        }
    }

    /// Returns the first address beyond the input.
    #[must_use]
    pub const fn limit(self) -> u64 {
        1 << self.input_bits()
    }
}
