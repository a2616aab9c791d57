// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Layouts and encodings of memory transactions (FF-A Memory Management Protocol 1.2, DEN 0140: "MM" below; what FF-A 1.0
//! laid out otherwise is its table 4.17). Little-endian.
//!
//! Raw words stay in here and in the codecs; the logic speaks these types. Fields that the specification reserves must be
//! zero, whether it says "must" or "should": nothing that a caller asks for is overlooked.

use arm_ffa::{FfaError, Version};

/// The header of a memory transaction descriptor (MM table 1.20, 4.17 in FF-A 1.0).
pub(super) mod header {
    pub(in super::super) const SENDER: usize = 0;
    pub(in super::super) const ATTRIBUTES: usize = 2;
    pub(in super::super) const FLAGS: usize = 4;
    pub(in super::super) const HANDLE: usize = 8;
    pub(in super::super) const TAG: usize = 16;
    /// From FF-A 1.1 on; reserved before.
    pub(in super::super) const ACCESS_SIZE: usize = 24;
    pub(in super::super) const ACCESS_COUNT: usize = 28;
    /// From FF-A 1.1 on; before, the array follows here.
    pub(in super::super) const ACCESS_OFFSET: usize = 32;
    pub(in super::super) const RESERVED: usize = 36;
    /// The access array begins at a multiple of this.
    pub(in super::super) const ACCESS_ALIGNMENT: usize = 16;
}

/// An endpoint memory access descriptor (MM table 1.16) with the permissions descriptor (table 1.15) in it.
pub(super) mod access {
    pub(in super::super) const ENDPOINT: usize = 0;
    pub(in super::super) const PERMISSIONS: usize = 2;
    pub(in super::super) const FLAGS: usize = 3;
    pub(in super::super) const COMPOSITE_OFFSET: usize = 4;
    /// Of the 32-byte layout alone.
    pub(in super::super) const IMPLEMENTATION_DEFINED: usize = 8;
    /// Its length, in bytes.
    pub(in super::super) const IMPLEMENTATION_DEFINED_BYTES: usize = 16;
    /// The layout up to FF-A 1.1: 8 reserved bytes are the last.
    pub(in super::super) const SHORT: usize = 16;
    /// The layout since FF-A 1.2, likewise.
    pub(in super::super) const LONG: usize = 32;
    pub(in super::super) const RESERVED_BYTES: usize = 8;
    /// Flag of a retrieve request: the entry names a borrower on whose behalf nothing is retrieved now.
    pub(in super::super) const FLAG_NOT_RETRIEVED: u8 = 1;
}

/// A composite memory region descriptor (MM table 1.13) and the constituents (table 1.14) behind it.
pub(super) mod composite {
    pub(in super::super) const TOTAL_PAGES: usize = 0;
    pub(in super::super) const RANGE_COUNT: usize = 4;
    pub(in super::super) const RESERVED: usize = 8;
    /// Bytes before the first constituent.
    pub(in super::super) const BYTES: usize = 16;
    pub(in super::super) const CONSTITUENT_BYTES: usize = 16;
}

/// FFA_MEM_RELINQUISH's descriptor (MM table 2.25).
pub(super) mod relinquish {
    pub(in super::super) const HANDLE: usize = 0;
    pub(in super::super) const FLAGS: usize = 8;
    pub(in super::super) const ENDPOINT_COUNT: usize = 12;
    pub(in super::super) const ENDPOINTS: usize = 16;
    /// Length with the one endpoint that there can be.
    pub(in super::super) const BYTES: usize = 18;
}

/// Flags of transactions (MM tables 1.21 to 1.23, 2.25, 2.31). Bit 1, time slicing, is not offered.
pub(super) mod flag {
    /// Sending and retrieving: zero before the receivers get it. Relinquishing, reclaiming: zero after.
    pub(in super::super) const ZERO: u32 = 1;
    /// Retrieving: zero after this receiver relinquishes.
    pub(in super::super) const ZERO_AFTER: u32 = 1 << 2;
    /// Bits 4–3: the kind of transaction, 0 if not specified.
    pub(in super::super) const KIND_SHIFT: u32 = 3;
    pub(in super::super) const KIND_BITS: u32 = 0b11 << KIND_SHIFT;
    /// Retrieving, since FF-A 1.2: do not compare the other borrowers with the sender's list.
    pub(in super::super) const BYPASS_BORROWERS: u32 = 1 << 10;
}

/// How a version lays descriptors out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    V1_0,
    V1_1,
    V1_2,
}

impl Format {
    /// A header of 1.0 and those after.
    const SHORT_HEADER: usize = 32;
    const LONG_HEADER: usize = 48;

    pub(super) fn of(version: Version) -> Self {
        match version {
            Version(1, 0) => Self::V1_0,
            Version(1, 1) => Self::V1_1,
            _ => Self::V1_2,
        }
    }

    pub(super) const fn header_bytes(self) -> usize {
        match self {
            Self::V1_0 => Self::SHORT_HEADER,
            Self::V1_1 | Self::V1_2 => Self::LONG_HEADER,
        }
    }

    /// Size of an access descriptor that spm writes.
    pub(super) const fn access_bytes(self) -> usize {
        match self {
            Self::V1_0 | Self::V1_1 => access::SHORT,
            Self::V1_2 => access::LONG,
        }
    }

    /// Tells whether a caller may have access descriptors of this size. A caller of 1.2 that was written for 1.1 says so.
    pub(super) const fn takes_access_bytes(self, bytes: usize) -> bool {
        match self {
            Self::V1_0 | Self::V1_1 => bytes == access::SHORT,
            Self::V1_2 => bytes == access::SHORT || bytes == access::LONG,
        }
    }
}

/// What a sender does with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// FFA_MEM_SHARE: receivers get access, the sender keeps it.
    Share,
    /// FFA_MEM_LEND: receivers get access, the sender has none meanwhile.
    Lend,
    /// FFA_MEM_DONATE: the receiver becomes the owner.
    Donate,
}

impl Transaction {
    /// Bits 4–3 of flags.
    pub(super) const fn flags(self) -> u32 {
        match self {
            Self::Share => 1 << flag::KIND_SHIFT,
            Self::Lend => 2 << flag::KIND_SHIFT,
            Self::Donate => 3 << flag::KIND_SHIFT,
        }
    }
}

/// Data access (MM table 1.15, bits 1–0 of the permissions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataAccess {
    NotSpecified,
    ReadOnly,
    ReadWrite,
}

/// Instruction access (MM table 1.15, bits 3–2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstructionAccess {
    NotSpecified,
    NotExecutable,
    Executable,
}

/// Memory access permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) data: DataAccess,
    pub(super) instruction: InstructionAccess,
}

impl Permissions {
    pub(super) fn parse(raw: u8) -> Result<Self, FfaError> {
        let data = match raw & 0b11 {
            0b00 => DataAccess::NotSpecified,
            0b01 => DataAccess::ReadOnly,
            0b10 => DataAccess::ReadWrite,
            _ => return Err(FfaError::InvalidParameters),
        };
        let instruction = match raw >> 2 {
            0b00 => InstructionAccess::NotSpecified,
            0b01 => InstructionAccess::NotExecutable,
            0b10 => InstructionAccess::Executable,
            _ => return Err(FfaError::InvalidParameters),
        };
        Ok(Self { data, instruction })
    }

    pub(super) const fn encode(self) -> u8 {
        let data = match self.data {
            DataAccess::NotSpecified => 0b00,
            DataAccess::ReadOnly => 0b01,
            DataAccess::ReadWrite => 0b10,
        };
        let instruction = match self.instruction {
            InstructionAccess::NotSpecified => 0b00,
            InstructionAccess::NotExecutable => 0b01,
            InstructionAccess::Executable => 0b10,
        };
        data | instruction << 2
    }
}

/// Memory region attributes (MM table 1.18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attributes {
    /// Up to spm.
    NotSpecified,
    /// Normal memory, write-back, inner shareable: how spm maps all memory.
    WriteBack,
    /// Attributes that there are, and that spm does not map memory by.
    Other,
}

impl Attributes {
    /// Normal, write-back, inner shareable.
    pub(super) const WRITE_BACK: u16 = 0b10_11_11;
    /// Bit 6: the memory is non-secure. Only a retrieve response says so.
    pub(super) const NON_SECURE: u16 = 1 << 6;

    pub(super) fn parse(raw: u16) -> Result<Self, FfaError> {
        let (kind, cacheability, shareability) = (raw >> 4, raw >> 2 & 0b11, raw & 0b11);
        match (kind, cacheability, shareability) {
            (0b00, 0, 0) => Ok(Self::NotSpecified),
            // Device memory: bits 3–2 are its type, all four are defined; it has no shareability.
            (0b01, _, 0) => Ok(Self::Other),
            (0b10, 0b11, 0b11) => Ok(Self::WriteBack),
            // Normal memory: non-cacheable or write-back; not, outer or inner shareable.
            (0b10, 0b01 | 0b11, 0b00 | 0b10 | 0b11) => Ok(Self::Other),
            _ => Err(FfaError::InvalidParameters),
        }
    }
}

/// Takes a 16-bit field out of a copied structure. What lies outside of it reads as zero.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}

/// Takes a 32-bit field.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

/// Takes a 64-bit field.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, offset))
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// Sets a field of a structure that spm writes. What lies outside of it is dropped.
pub(super) fn put(bytes: &mut [u8], offset: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..field.len())) {
        place.copy_from_slice(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_taken_and_told_alike() {
        for raw in 0..=u8::MAX {
            match Permissions::parse(raw) {
                Ok(permissions) => assert_eq!(permissions.encode(), raw),
                Err(_) => assert!(raw & 0b11 == 0b11 || raw >> 2 > 0b10),
            }
        }
    }

    #[test]
    fn reserved_attributes_are_refused() {
        // MM table 1.18: memory type 3; cacheability 0 and 2; shareability 1; bits above 6; without a type all is zero.
        for raw in [
            0b11_0000,
            0b10_0011,
            0b10_1011,
            0b10_1101,
            1 << 6,
            1 << 7,
            1 << 15,
            0b00_0100,
            0b00_0001,
            0b01_0001,
        ] {
            assert_eq!(Attributes::parse(raw), Err(FfaError::InvalidParameters), "{raw:#b}");
        }
        assert_eq!(Attributes::parse(Attributes::WRITE_BACK), Ok(Attributes::WriteBack));
        assert_eq!(Attributes::parse(0), Ok(Attributes::NotSpecified));
        assert_eq!(Attributes::parse(0b10_0111), Ok(Attributes::Other), "non-cacheable");
        assert_eq!(Attributes::parse(0b01_0100), Ok(Attributes::Other), "a device");
    }
}
