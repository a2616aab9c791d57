// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Entries of stage 2 translation tables, 4 KiB granule (Arm ARM DDI 0487, D8.3.1, D8.3.2, D8.5, D8.6).

use crate::manifest::partition::ExceptionLevel;
use crate::manifest::region::Access;

/// What a partition may do with memory in stage 2. Everything mapped can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// It may write.
    pub write: bool,
    /// It may execute.
    pub execute: bool,
}

impl Rights {
    /// All there are.
    pub const ALL: Self = Self { write: true, execute: true };

    /// What a partition may do with its own memory when it starts. At S-EL1 it divides it by its own stage 1. At S-EL0 all of
    /// it is code until it says otherwise by FFA_MEM_PERM_SET, as Hafnium has it.
    #[must_use]
    pub const fn of_own_memory(level: ExceptionLevel) -> Self {
        match level {
            ExceptionLevel::SEl1 => Self::ALL,
            ExceptionLevel::SEl0 => Self { write: false, execute: true },
        }
    }

    /// Tells whether these rights include all of `other`.
    #[must_use]
    pub const fn cover(self, other: Self) -> bool {
        (self.write || !other.write) && (self.execute || !other.execute)
    }
}

impl From<Access> for Rights {
    fn from(access: Access) -> Self {
        Self { write: access == Access::ReadWrite, execute: access == Access::ReadExecute }
    }
}

/// What is mapped: the attributes of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Normal memory, write-back, inner shareable.
    Memory(Rights),
    /// Device-nGnRE registers, writable or not.
    Device {
        /// They may be written.
        write: bool,
    },
}

/// Bit 0: the entry is not invalid.
const VALID: u64 = 1;
/// Bit 1: a table above level 3, a page at level 3; a block has 0.
const TABLE_OR_PAGE: u64 = 1 << 1;
/// Bits 5–2, MemAttr: outer and inner write-back, or Device-nGnRE.
const WRITE_BACK: u64 = 0b1111 << 2;
const DEVICE_NGNRE: u64 = 0b0001 << 2;
/// Bits 7–6, S2AP.
const READABLE: u64 = 1 << 6;
const WRITABLE: u64 = 1 << 7;
/// Bits 9–8, SH.
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// Bit 10, AF.
const ACCESSED: u64 = 1 << 10;
/// Bits 54–53, XN: not at EL1, nor at EL0.
const EXECUTE_NEVER: u64 = 0b10 << 53;
/// Bits 47–12: output address, or that of the next table.
const ADDRESS: u64 = 0xffff_ffff_f000;

/// A descriptor as the hardware reads it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor(pub(super) u64);

impl Descriptor {
    pub(super) const INVALID: Self = Self(0);

    pub(super) const fn table(address: u64) -> Self {
        Self(address & ADDRESS | TABLE_OR_PAGE | VALID)
    }

    /// A block, or a page at level 3.
    pub(super) const fn leaf(address: u64, level: u32, kind: Kind) -> Self {
        let page = if level == 3 { TABLE_OR_PAGE } else { 0 };
        Self(address & ADDRESS | attributes(kind) | page | VALID)
    }

    pub(super) const fn is_valid(self) -> bool {
        self.0 & VALID != 0
    }

    /// Tells whether an entry above level 3 leads to a table.
    pub(super) const fn is_table(self) -> bool {
        self.0 & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE
    }

    pub(super) const fn address(self) -> u64 {
        self.0 & ADDRESS
    }

    /// Returns what a valid leaf lets its partition do.
    #[cfg(test)]
    pub(super) const fn rights(self) -> Rights {
        Rights { write: self.0 & WRITABLE != 0, execute: self.0 & EXECUTE_NEVER == 0 }
    }
}

const fn attributes(kind: Kind) -> u64 {
    match kind {
        Kind::Memory(Rights { write, execute }) => {
            let write = if write { WRITABLE } else { 0 };
            let never = if execute { 0 } else { EXECUTE_NEVER };
            ACCESSED | INNER_SHAREABLE | WRITE_BACK | READABLE | write | never
        }
        Kind::Device { write } => {
            let write = if write { WRITABLE } else { 0 };
            ACCESSED | DEVICE_NGNRE | READABLE | write | EXECUTE_NEVER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_have_the_bits_of_the_architecture() {
        let own = Descriptor::leaf(0x4000_0000, 3, Kind::Memory(Rights::ALL));
        assert_eq!(own.0, 0x4000_07ff);
        let read = Rights { write: false, execute: false };
        assert_eq!(Descriptor::leaf(0x4000_0000, 2, Kind::Memory(read)).0, 0x0040_0000_4000_077d);
        let device = Descriptor::leaf(0x6000_0000, 3, Kind::Device { write: true });
        assert_eq!(device.0, 0x0040_0000_6000_04c7);
        assert_eq!(Descriptor::table(0x1000).0, 0x1003);
    }

    #[test]
    fn rights_cover_what_they_include() {
        let read_write = Rights { write: true, execute: false };
        assert!(Rights::ALL.cover(read_write) && !read_write.cover(Rights::ALL));
        assert!(!Rights::from(Access::ReadExecute).cover(read_write));
    }
}
