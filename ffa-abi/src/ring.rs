// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings: slots of eight words in memory that a client shares, filled with descriptors and the lists behind them.
//!
//! A descriptor takes one slot; the entries of its list stand in the slots behind it, eight a slot. After the last slot of the
//! memory comes the first. Words are little-endian.

use crate::{AreaHandle, DomainHandle, Header, Iova, Protection, Status};
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Words of a slot.
pub const SLOT_WORDS: usize = 8;
/// The most entries of one list.
pub const MAX_ENTRIES: u16 = 512;
/// Where the bytes of a list stand that are done: an argument, and brought up to date by the service.
pub const DONE_WORD: usize = 3;
/// Where the answer to a descriptor stands: [`ANSWERED`] and a status, then bytes that were mapped before an unmap.
pub const STATUS_WORD: usize = 5;
/// Set in the word of the status once there is one.
pub const ANSWERED: u64 = 1 << 63;

/// The operations of descriptors. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u16)]
enum RingOperation {
    MapList = 0x44,
    UnmapList = 0x45,
    Sync = 0x46,
}

/// A list of a descriptor: how much of it there is, and how much of that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Entries, at least one, at most [`MAX_ENTRIES`].
    pub entries: u16,
    /// Bytes of memory, from the first entry on, that were handled before and are passed over.
    pub done: u64,
}

impl List {
    /// Returns how many slots the entries take.
    #[must_use]
    pub fn slots(self) -> usize {
        usize::from(self.entries).div_ceil(SLOT_WORDS)
    }
}

/// What one descriptor asks for: of the right shape, not checked against anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// Word 0: operation, entries as its field, handle; word 1: IOVA; word 2: protection; word 3: bytes done. Entries are of
    /// memory, which comes to follow each other from the IOVA on.
    MapList {
        /// Where to map.
        domain: DomainHandle,
        /// First address as the device will see it.
        iova: Iova,
        /// What the device may do.
        protection: Protection,
        /// How many entries.
        list: List,
    },
    /// Word 0: operation, entries as its field, handle; word 3: bytes done. Entries are of IOVAs.
    UnmapList {
        /// Where to unmap.
        domain: DomainHandle,
        /// How many entries.
        list: List,
    },
    /// Word 0: operation. Ends the message where a descriptor before it in the same message has failed, and then answers as the
    /// first of those.
    Sync,
}

impl Descriptor {
    /// Reads a descriptor from a slot. Words 4 to 7 are not looked at but that word 4 is zero: the others are for the answer.
    ///
    /// # Errors
    /// As [`Request::decode`](crate::Request::decode); [`Status::OutOfRange`] for a list without entries or with too many.
    pub fn decode(words: &[u64; SLOT_WORDS]) -> Result<Self, Status> {
        let [first, iova, protection, done, reserved, ..] = *words;
        let header = Header::from_register(first);
        let operation = RingOperation::try_from(header.operation).map_err(|_| Status::NotSupported)?;
        let domain = || DomainHandle::from_raw(header.handle).ok_or(Status::InvalidHandle);
        let list = || match header.field {
            0 => Err(Status::OutOfRange),
            entries if entries > MAX_ENTRIES => Err(Status::OutOfRange),
            entries => Ok(List { entries, done }),
        };
        let (descriptor, unused) = match operation {
            RingOperation::MapList => {
                let protection = Protection::from_bits(protection).filter(|bits| !bits.is_empty());
                let protection = protection.ok_or(Status::InvalidParameters)?;
                (Self::MapList { domain: domain()?, iova: Iova(iova), protection, list: list()? }, 0)
            }
            RingOperation::UnmapList => {
                (Self::UnmapList { domain: domain()?, list: list()? }, iova | protection)
            }
            RingOperation::Sync => {
                let field = u64::from(header.field) | u64::from(header.handle);
                (Self::Sync, field | iova | protection | done)
            }
        };
        if unused | reserved == 0 { Ok(descriptor) } else { Err(Status::InvalidParameters) }
    }

    /// Packs a descriptor into a slot; the words of the answer are zero.
    #[must_use]
    pub fn encode(self) -> [u64; SLOT_WORDS] {
        let header = |operation: RingOperation, field: u16, handle: u32| {
            Header { operation: operation.into(), field, handle }.to_register()
        };
        let [word0, word1, word2, word3] = match self {
            Self::MapList { domain, iova, protection, list: List { entries, done } } => {
                [header(RingOperation::MapList, entries, domain.raw()), iova.0, protection.bits(), done]
            }
            Self::UnmapList { domain, list: List { entries, done } } => {
                [header(RingOperation::UnmapList, entries, domain.raw()), 0, 0, done]
            }
            Self::Sync => [header(RingOperation::Sync, 0, 0), 0, 0, 0],
        };
        [word0, word1, word2, word3, 0, 0, 0, 0]
    }
}

/// An entry of a list: pages that follow each other. Address in bits 63:12, one less than their number in bits 11:0. So any word
/// is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListEntry(pub u64);

impl ListEntry {
    const PAGE_BITS: u32 = 12;
    const LOW: u64 = (1 << Self::PAGE_BITS) - 1;

    /// Makes an entry, or `None` where the address is not that of a page or there are none or more than 4096 of them.
    #[must_use]
    pub fn new(address: u64, pages: u64) -> Option<Self> {
        let less_one = pages.checked_sub(1).filter(|less_one| *less_one <= Self::LOW)?;
        (address & Self::LOW == 0).then_some(Self(address | less_one))
    }

    /// Returns the first address.
    #[must_use]
    pub const fn address(self) -> u64 {
        self.0 & !Self::LOW
    }

    /// Returns the length in bytes: at least a page.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        ((self.0 & Self::LOW) + 1) << Self::PAGE_BITS
    }
}

/// What a doorbell is rung for: descriptors in slots that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell {
    /// The memory that the ring is in.
    pub area: AreaHandle,
    /// The first slot.
    pub first: u16,
    /// How many, the slots of lists counted.
    pub slots: u16,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What decodes encodes to the same words, but those of the answer: nothing of a descriptor is ignored.
        #[test]
        fn no_word_is_ignored(operation in 0x40u64..0x50, entries: u16, handle: u32, words: [u64; 7], mask: u8) {
            let keep = |place: usize, word: u64| if mask >> place & 1 == 1 { word } else { 0 };
            let header = operation | u64::from(entries) << 16 | u64::from(handle) << 32;
            let [w1, w2, w3, w4, w5, w6, w7] = words;
            let words = [header, keep(0, w1), keep(1, w2 & 3), keep(2, w3), keep(3, w4), w5, w6, w7];
            if let Ok(descriptor) = Descriptor::decode(&words) {
                prop_assert_eq!(&descriptor.encode()[..STATUS_WORD], &words[..STATUS_WORD]);
            }
        }

        #[test]
        fn entries_keep_address_and_pages(page in 0u64..1 << 52, pages in 1u64..=4096) {
            let entry = ListEntry::new(page << 12, pages).unwrap();
            prop_assert_eq!((entry.address(), entry.bytes()), (page << 12, pages << 12));
        }
    }

    #[test]
    fn lists_have_entries_and_not_too_many() {
        let domain = DomainHandle::new(3, 4).unwrap();
        for (entries, wanted) in [(0, Err(Status::OutOfRange)), (513, Err(Status::OutOfRange)), (512, Ok(()))]
        {
            let words = Descriptor::UnmapList { domain, list: List { entries, done: 7 } }.encode();
            assert_eq!(Descriptor::decode(&words).map(|_| ()), wanted);
        }
        assert_eq!(ListEntry::new(1, 1), None);
        assert_eq!(ListEntry::new(0, 0), None);
        assert_eq!(ListEntry::new(0, 4097), None);
    }
}
