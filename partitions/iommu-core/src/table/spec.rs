// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of both stages with the 4 KiB granule and 48-bit output: their bits, and nothing about tables as a whole.
//!
//! Bits are those of DDI 0487 (L.a) D8.3, "Translation table descriptor formats"; an SMMU reads the same ones
//! (IHI 0070, 3.4).

use super::{LeafSize, Level};
use crate::seeded::{Bug, seeded};
use ffa_abi::{PhysAddr, Protection};

/// Valid: bit 0 (D8.3.1).
const VALID: u64 = 1 << 0;
/// A table at levels 0–2, a page at level 3; clear in a block: bit 1 (D8.3.1).
const TABLE_OR_PAGE: u64 = 1 << 1;
/// MemAttr, bits 5:2: Normal memory, outer and inner write-back (D8.6, "Stage 2 memory region attributes").
const NORMAL_WRITE_BACK: u64 = 0b1111 << 2;
/// S2AP, bits 7:6: read (D8.4, "Stage 2 data access permissions").
const S2AP_READ: u64 = 1 << 6;
/// S2AP, bits 7:6: write.
const S2AP_WRITE: u64 = 1 << 7;
/// SH, bits 9:8: inner shareable (D8.6.2).
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// AF, bit 10: accessed; without it the first access faults (D8.5).
const ACCESSED: u64 = 1 << 10;
/// nT, bit 16 of a block: an SMMU of block-change level 1 does not cache it in a way that could conflict with what stands
/// there next (IHI 0070, 3.21.1.1 and 3.21.1.2).
const NOT_CACHED: u64 = 1 << 16;
/// XN, bits 54:53: execute at no exception level (D8.4, "Stage 2 instruction execution permissions").
const EXECUTE_NEVER: u64 = 0b10 << 53;
/// AttrIndx, bits 4:2, of stage 1: the attributes of this number in MAIR (D8.6, "Stage 1 memory type and Cacheability
/// attributes"). A context descriptor says what they are.
const ATTRIBUTES_0: u64 = 0b000 << 2;
/// AP\[1\], bit 6, of stage 1: accesses without privilege are allowed (D8.4, "Stage 1 data permissions").
const AP_UNPRIVILEGED: u64 = 1 << 6;
/// AP\[2\], bit 7, of stage 1: only reads are.
const AP_READ_ONLY: u64 = 1 << 7;
/// nG, bit 11, of stage 1: for the table's ASID alone (D8.16).
const NOT_GLOBAL: u64 = 1 << 11;
/// PXN and UXN, bits 53 and 54, of stage 1 (D8.4, "Stage 1 instruction execution using Direct permissions").
const NEVER_AT_ANY_LEVEL: u64 = 0b11 << 53;
/// Next-level table address and output address, bits 47:12; a block's lower bits there are zero (D8.3.1).
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Bits 11:2 and 63:48: where a mark has who made it.
const WHO_LOW: u64 = 0x0000_0000_0000_0ffc;
const WHO_HIGH: u64 = 0xffff_0000_0000_0000;

/// Which stage of translation a table is for: what its leaves look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Stage 1 alone, where an SMMU has nothing else.
    Stage1,
    /// Stage 2.
    Stage2,
}

impl Format {
    /// Tells whether a leaf can allow this and no more. In stage 1 whoever may write may read.
    #[must_use]
    pub const fn can_grant(self, protection: Protection) -> bool {
        match self {
            Self::Stage1 => protection.contains(Protection::READ),
            Self::Stage2 => true,
        }
    }
}

/// The first physical address that a descriptor cannot hold.
pub(crate) const ADDRESS_LIMIT: u64 = 1 << 48;

/// One entry of a table, as it stands in memory: a claim, where others can write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub(super) u64);

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing is mapped.
    Invalid,
    /// A page or block starts at the entry's address.
    Leaf,
    /// The next table stands at the entry's address.
    Table,
    /// Nothing is mapped any more, but an SMMU may still know what was.
    Leaving,
    /// Nothing that this service writes.
    Foreign,
}

impl Entry {
    /// Translates nothing.
    pub(super) const INVALID: Self = Self(0);

    /// Makes the entry of a leaf.
    pub(super) fn leaf(format: Format, size: LeafSize, address: PhysAddr, protection: Protection) -> Self {
        let kind = match size {
            LeafSize::Page4K => TABLE_OR_PAGE,
            LeafSize::Block2M | LeafSize::Block1G => 0,
        };
        let (read, write) = (protection.contains(Protection::READ), protection.contains(Protection::WRITE));
        let write = write || seeded(Bug::WritableAlways);
        let of_the_stage = match format {
            Format::Stage1 => {
                // Who may not read cannot be let write: without the access flag nobody may do anything.
                let read = if read { AP_UNPRIVILEGED | ACCESSED } else { 0 };
                let write = if write { 0 } else { AP_READ_ONLY };
                let global = if seeded(Bug::GlobalLeaves) { 0 } else { NOT_GLOBAL };
                ATTRIBUTES_0 | global | NEVER_AT_ANY_LEVEL | read | write
            }
            Format::Stage2 => {
                let read = if read { S2AP_READ } else { 0 };
                let write = if write { S2AP_WRITE } else { 0 };
                NORMAL_WRITE_BACK | EXECUTE_NEVER | ACCESSED | read | write
            }
        };
        Self((address.0 & ADDRESS) | INNER_SHAREABLE | of_the_stage | kind | VALID)
    }

    /// Returns the entry of a block as one that an SMMU is not to cache.
    pub(super) const fn not_to_be_cached(self) -> Self {
        Self(self.0 | NOT_CACHED)
    }

    /// Makes the entry of a table.
    pub(super) const fn table(address: PhysAddr) -> Self {
        Self((address.0 & ADDRESS) | TABLE_OR_PAGE | VALID)
    }

    /// Makes what stands in place of an entry from when it is removed until SMMUs have forgotten it. `who` tells it from
    /// those of other calls: 26 bits of it, beside the address. Software alone reads it: bit 0 says that nothing is there
    /// (D8.3.1).
    pub(super) const fn leaving(who: u64) -> Self {
        Self((who << 2 & WHO_LOW) | (who << 38 & WHO_HIGH) | TABLE_OR_PAGE)
    }

    /// Adds to a mark where the entry led that it stands for.
    pub(super) const fn in_place_of(self, entry: Self) -> Self {
        Self(self.0 | (entry.0 & ADDRESS))
    }

    /// Tells whether this is a mark, whatever entry it stands for.
    pub(super) const fn is_mark(self, mark: Self) -> bool {
        self.0 & !ADDRESS == mark.0
    }

    /// Returns 1 where a leaf or a table stands there, whatever else, and 0 where not.
    pub(super) const fn validity(self) -> u64 {
        self.0 & VALID
    }

    /// Tells what stands in an entry of a level.
    #[inline]
    pub(super) const fn kind(self, level: Level) -> Kind {
        if self.0 == Self::INVALID.0 {
            return Kind::Invalid;
        }
        match (self.0 & (VALID | TABLE_OR_PAGE), level) {
            (0b11, Level::L0 | Level::L1 | Level::L2) => Kind::Table,
            (0b11, Level::L3) | (0b01, Level::L1 | Level::L2) => Kind::Leaf,
            (TABLE_OR_PAGE, _) => Kind::Leaving,
            _ => Kind::Foreign,
        }
    }

    /// Returns where the leaf or the next table starts.
    #[inline]
    pub(super) const fn address(self) -> PhysAddr {
        PhysAddr(self.0 & ADDRESS)
    }

    /// Returns what a leaf allows.
    pub(super) fn protection(self, format: Format) -> Protection {
        let has = |bit| self.0 & bit != 0;
        let (read, write) = match format {
            Format::Stage1 => (has(AP_UNPRIVILEGED), has(AP_UNPRIVILEGED) && !has(AP_READ_ONLY)),
            Format::Stage2 => (has(S2AP_READ), has(S2AP_WRITE)),
        };
        let read = if read { Protection::READ } else { Protection::empty() };
        let write = if write { Protection::WRITE } else { Protection::empty() };
        read | write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE2: Format = Format::Stage2;

    /// Against values worked out by hand from the tables of the architecture.
    #[test]
    fn descriptors_have_the_architecture_s_bits() {
        let leaf = |size, address, protection| Entry::leaf(STAGE2, size, PhysAddr(address), protection).0;
        let read_write = Protection::READ | Protection::WRITE;
        assert_eq!(leaf(LeafSize::Page4K, 0x8000_1000, read_write), 0x0040_0000_8000_17ff);
        assert_eq!(leaf(LeafSize::Block2M, 0x20_0000, Protection::READ), 0x0040_0000_0020_077d);
        assert_eq!(leaf(LeafSize::Block1G, 0x4000_0000, Protection::WRITE), 0x0040_0000_4000_07bd);
        let block = Entry::leaf(STAGE2, LeafSize::Block2M, PhysAddr(0x20_0000), Protection::READ);
        assert_eq!(block.not_to_be_cached().0, 0x0040_0000_0021_077d);
        assert_eq!(Entry::table(PhysAddr(0xffff_ffff_f000)).0, 0xffff_ffff_f003);
    }

    #[test]
    fn stage_1_has_other_bits() {
        let leaf =
            |size, address, protection| Entry::leaf(Format::Stage1, size, PhysAddr(address), protection).0;
        let read_write = Protection::READ | Protection::WRITE;
        assert_eq!(leaf(LeafSize::Page4K, 0x8000_1000, read_write), 0x0060_0000_8000_1f43);
        assert_eq!(leaf(LeafSize::Block2M, 0x20_0000, Protection::READ), 0x0060_0000_0020_0fc1);
        // What cannot be granted is not: the access flag is clear.
        assert_eq!(leaf(LeafSize::Page4K, 0x1000, Protection::WRITE), 0x0060_0000_0000_1b03);
        let written = Entry(0x0060_0000_0000_1b03);
        assert_eq!(written.protection(Format::Stage1), Protection::empty());
        assert!(!Format::Stage1.can_grant(Protection::WRITE) && Format::Stage1.can_grant(read_write));
    }

    #[test]
    fn entries_read_back_as_what_they_were_made_of() {
        for (size, address) in [(LeafSize::Page4K, 0x1000), (LeafSize::Block2M, 0x20_0000)] {
            for (format, protection) in [
                (STAGE2, Protection::WRITE),
                (STAGE2, Protection::READ),
                (Format::Stage1, Protection::READ),
                (Format::Stage1, Protection::READ | Protection::WRITE),
            ] {
                let entry = Entry::leaf(format, size, PhysAddr(address), protection);
                assert_eq!(entry.kind(size.level()), Kind::Leaf);
                assert_eq!((entry.address().0, entry.protection(format)), (address, protection));
            }
        }
        let table = Entry::table(PhysAddr(0x5000));
        assert_eq!((table.kind(Level::L2), table.address()), (Kind::Table, PhysAddr(0x5000)));
        assert_eq!(Entry::INVALID.kind(Level::L0), Kind::Invalid);
        assert_eq!(Entry::leaving(0).kind(Level::L1), Kind::Leaving);
        assert_eq!(Entry::leaving(u64::MAX).kind(Level::L3), Kind::Leaving);
        assert_eq!(Entry::leaving(u64::MAX).validity(), 0);
        let (mark, other) = (Entry::leaving(0x2ab_cdef), Entry::leaving(0x2ab_cdee));
        let entry = Entry::leaf(STAGE2, LeafSize::Page4K, PhysAddr(0xffff_ffff_f000), Protection::READ);
        let left = mark.in_place_of(entry);
        assert_eq!((left.kind(Level::L3), left.address()), (Kind::Leaving, entry.address()));
        assert!(left.is_mark(mark) && mark.is_mark(mark) && !left.is_mark(other) && !entry.is_mark(mark));
        for bit in 0..26 {
            assert!(!Entry::leaving(1 << bit).is_mark(Entry::leaving(0)), "bit {bit} tells marks apart");
        }
        for (level, raw) in [(Level::L3, 1), (Level::L0, 1), (Level::L1, 4), (Level::L2, 1 << 63)] {
            assert_eq!(Entry(raw).kind(level), Kind::Foreign);
        }
    }
}
