// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RETRIEVE_RESP's descriptor and its fragments (MM §2.5, §2.8.1): written from the state whenever a part of it is
//! asked for, so that nothing is kept for who does not ask again.

use arm_ffa::FfaError;

use super::share::{MAX_RECEIVERS, Receiver, Retrieval, Share};
use super::spec::{
    Attributes, DataAccess, Format, InstructionAccess, Permissions, access, composite, flag, header, put,
};
use super::{State, pages_of};
use crate::hardware::Hardware;
use crate::mailbox::MailboxOwner;
use crate::manifest::region::Security;
use crate::stage2::Rights;

/// Constituents that are written at a time.
const CHUNK: usize = 32;
/// Most bytes before the first constituent.
const MAX_PREFIX: usize = 48 + MAX_RECEIVERS * access::LONG + composite::BYTES;

/// Who reads a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// The receiver at this place of the list of partitions: what it got, and nothing of others.
    Receiver(usize),
    /// The hypervisor: what the sender wrote.
    Hypervisor,
}

/// A description of the transaction at a place, in the layout of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) place: usize,
    pub(super) reader: Reader,
    pub(super) format: Format,
    /// Whether the reader understands bit 6 of the attributes (MM table 1.19).
    pub(super) tells_security: bool,
}

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    offset: usize,
    /// In bytes.
    pub(super) length: usize,
    /// Length of the whole.
    pub(super) total: usize,
}

/// A caller's receive buffer, which is mapped, large enough and spm's.
pub(super) struct Receive<'a, H> {
    pub(super) hardware: &'a H,
    pub(super) owner: MailboxOwner,
}

impl<H: Hardware> Receive<'_, H> {
    fn write(&self, offset: usize, bytes: &[u8]) {
        self.hardware.write_receive_buffer(self.owner, offset, bytes);
    }
}

impl State {
    /// Returns the part at `offset` that fits `room` bytes.
    ///
    /// # Errors
    /// `InvalidParameters` if no fragment begins there, `NoMemory` if no fragment fits.
    pub(super) fn part(
        &self,
        description: Description,
        offset: usize,
        room: usize,
    ) -> Result<Part, FfaError> {
        let share = self.shares.get(description.place);
        let prefix = prefix_bytes(description, share);
        let total = prefix.saturating_add(share.ranges.len() * composite::CONSTITUENT_BYTES);
        let first = if offset == 0 { prefix } else { 0 };
        if offset != 0 {
            let in_ranges = offset.checked_sub(prefix).ok_or(FfaError::InvalidParameters)?;
            if !in_ranges.is_multiple_of(composite::CONSTITUENT_BYTES) || offset >= total {
                return Err(FfaError::InvalidParameters);
            }
        }
        let room = room.checked_sub(first).ok_or(FfaError::NoMemory)?;
        let whole = room - room % composite::CONSTITUENT_BYTES;
        let left = total.saturating_sub(offset).saturating_sub(first);
        Ok(Part { offset, length: first.saturating_add(whole.min(left)), total })
    }

    /// Writes a part of a description.
    pub(super) fn describe(&self, description: Description, part: Part, buffer: &Receive<'_, impl Hardware>) {
        let share = self.shares.get(description.place);
        let prefix = prefix_bytes(description, share);
        let (mut at, skipped) = if part.offset == 0 {
            self.write_prefix(description, share, prefix, buffer);
            (prefix, 0)
        } else {
            (0, part.offset.saturating_sub(prefix) / composite::CONSTITUENT_BYTES)
        };
        let mut ranges = self.constituents.ranges(share.ranges).skip(skipped);
        let mut left = part.length.saturating_sub(at) / composite::CONSTITUENT_BYTES;
        while left != 0 {
            let mut chunk = [0; CHUNK * composite::CONSTITUENT_BYTES];
            let count = left.min(CHUNK);
            for (entry, range) in chunk.as_chunks_mut().0.iter_mut().take(count).zip(&mut ranges) {
                *entry = constituent(range.start(), pages_of(range));
            }
            buffer.write(at, chunk.get(..count * composite::CONSTITUENT_BYTES).unwrap_or_default());
            at = at.saturating_add(count * composite::CONSTITUENT_BYTES);
            left -= count;
        }
    }

    fn write_prefix(
        &self,
        description: Description,
        share: &Share,
        prefix: usize,
        buffer: &Receive<'_, impl Hardware>,
    ) {
        let mut prefix_bytes = [0; MAX_PREFIX];
        let Some(bytes) = prefix_bytes.get_mut(..prefix) else { return };
        let format = description.format;
        let composite_at = prefix.saturating_sub(composite::BYTES);
        let handle = self.shares.handle(description.place);
        put(bytes, header::SENDER, &share.sender.to_le_bytes());
        put(bytes, header::ATTRIBUTES, &attributes(description, share).to_le_bytes());
        let zeroed = if share.zeroed { flag::ZERO } else { 0 };
        put(bytes, header::FLAGS, &(share.transaction.flags() | zeroed).to_le_bytes());
        put(bytes, header::HANDLE, &handle.raw().to_le_bytes());
        put(bytes, header::TAG, &share.tag.to_le_bytes());
        if format != Format::V1_0 {
            put(bytes, header::ACCESS_SIZE, &narrow(format.access_bytes()).to_le_bytes());
            put(bytes, header::ACCESS_OFFSET, &narrow(format.header_bytes()).to_le_bytes());
        }
        let mut count = 0_usize;
        let entries = bytes.get_mut(format.header_bytes()..composite_at).unwrap_or_default();
        for (entry, receiver) in
            entries.chunks_exact_mut(format.access_bytes()).zip(readable(description, share))
        {
            put(entry, access::ENDPOINT, &receiver.id.to_le_bytes());
            put(entry, access::PERMISSIONS, &[permissions(description, receiver).encode()]);
            put(entry, access::COMPOSITE_OFFSET, &narrow(composite_at).to_le_bytes());
            if format == Format::V1_2 {
                put(entry, access::IMPLEMENTATION_DEFINED, &receiver.implementation_defined);
            }
            count = 1_usize.saturating_add(count);
        }
        put(bytes, header::ACCESS_COUNT, &narrow(count).to_le_bytes());
        let composite = bytes.get_mut(composite_at..).unwrap_or_default();
        put(composite, composite::TOTAL_PAGES, &share.pages.to_le_bytes());
        put(composite, composite::RANGE_COUNT, &narrow(share.ranges.len()).to_le_bytes());
        buffer.write(0, bytes);
    }
}

fn prefix_bytes(description: Description, share: &Share) -> usize {
    let format = description.format;
    let before = format.header_bytes() + composite::BYTES;
    readable(description, share).fold(before, |bytes, _| bytes.saturating_add(format.access_bytes()))
}

/// Returns the receivers that a reader is told of.
fn readable(description: Description, share: &Share) -> impl Iterator<Item = &Receiver> {
    share.receivers.iter().filter(move |receiver| match description.reader {
        Reader::Receiver(place) => receiver.place == place,
        Reader::Hypervisor => true,
    })
}

fn attributes(description: Description, share: &Share) -> u16 {
    match description.reader {
        Reader::Hypervisor => share.attributes,
        Reader::Receiver(_) if description.tells_security && share.security == Security::NonSecure => {
            Attributes::WRITE_BACK | Attributes::NON_SECURE
        }
        Reader::Receiver(_) => Attributes::WRITE_BACK,
    }
}

/// What a receiver got; what the sender offered, for the hypervisor.
fn permissions(description: Description, receiver: &Receiver) -> Permissions {
    match (description.reader, receiver.retrieval) {
        (Reader::Receiver(_), Retrieval::Retrieved(Rights { write, execute })) => Permissions {
            data: if write { DataAccess::ReadWrite } else { DataAccess::ReadOnly },
            instruction: if execute {
                InstructionAccess::Executable
            } else {
                InstructionAccess::NotExecutable
            },
        },
        (Reader::Receiver(_), Retrieval::Offered | Retrieval::Gone) | (Reader::Hypervisor, _) => {
            receiver.permissions
        }
    }
}

fn constituent(start: u64, pages: u64) -> [u8; composite::CONSTITUENT_BYTES] {
    // The upper half of the second word is reserved, and no constituent has more than 2^32 pages.
    let bytes = u128::from(start) | u128::from(pages) << 64;
    bytes.to_le_bytes()
}

#[expect(clippy::cast_possible_truncation, reason = "a length within a buffer, or a count of entries")]
const fn narrow(value: usize) -> u32 {
    value as u32
}
