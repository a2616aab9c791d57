// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The window in spm's address space that shows callers' buffers for messages, each at a fixed place: receive buffers, which
//! spm writes, and send buffers, which it reads.
//!
//! The other side may access a buffer at any time, so every access here is volatile, and no reference is made to it.
#![expect(unsafe_code, reason = "accesses memory of callers")]

use core::ptr::with_exposed_provenance_mut;

use spm_core::hardware::MapFailed;
use spm_core::mailbox::{BufferPair, MAX_BUFFER_PAGES, MAX_VMS, MailboxOwner};
use spm_core::manifest::MAX_PARTITIONS;

use crate::address::to_usize;
use crate::mmu::{self, Use};

const PAGE_BYTES: u64 = 4096;
/// The last 2 MiB of the 48-bit space, where no machine has memory: they share one table.
const WINDOW: u64 = (1 << 48) - WINDOW_BYTES;
const WINDOW_BYTES: u64 = 1 << 21;
/// Room for one buffer.
const BUFFER_BYTES: u64 = MAX_BUFFER_PAGES as u64 * PAGE_BYTES;
/// Room for an owner's two.
const SLOT_BYTES: u64 = 2 * BUFFER_BYTES;
const OWNERS: u64 = 1 + MAX_PARTITIONS as u64 + MAX_VMS as u64;
const _: () = assert!(OWNERS * SLOT_BYTES <= WINDOW_BYTES, "the window is one table");
const WORD: usize = size_of::<u64>();

/// Returns where the window shows the receive buffer of `owner`. The send buffer is [`BUFFER_BYTES`] behind it.
fn slot(owner: MailboxOwner) -> u64 {
    let index = match owner {
        MailboxOwner::NormalWorld => 0,
        MailboxOwner::Partition(place) => 1 + place,
        MailboxOwner::Vm(place) => 1 + MAX_PARTITIONS + place,
    };
    WINDOW + index as u64 * SLOT_BYTES
}

/// Maps the buffers of `owner`, which mailbox.rs checked to be the owner's own. Both or none.
pub(crate) fn map_buffers(owner: MailboxOwner, buffers: &BufferPair) -> Result<(), MapFailed> {
    let (written, read) = match owner {
        MailboxOwner::NormalWorld | MailboxOwner::Vm(_) => (Use::NormalWorld, Use::NormalWorldReadOnly),
        MailboxOwner::Partition(_) => (Use::ReadWrite, Use::ReadOnly),
    };
    if buffers.receive.size() > BUFFER_BYTES || buffers.send.size() > BUFFER_BYTES {
        return Err(MapFailed);
    }
    let receive = slot(owner);
    mmu::map_to(receive, buffers.receive, written)?;
    mmu::map_to(receive + BUFFER_BYTES, buffers.send, read).inspect_err(|_| unmap_buffers(owner))
}

/// Unmaps them.
pub(crate) fn unmap_buffers(owner: MailboxOwner) {
    mmu::unmap_from(slot(owner), SLOT_BYTES);
}

/// Returns the part of `length` bytes at `offset` that lies in a buffer: its first address, and how many bytes.
fn part(start: u64, offset: usize, length: usize) -> (*mut u8, usize) {
    let offset = offset.min(to_usize(BUFFER_BYTES));
    let pointer: *mut u8 = with_exposed_provenance_mut(to_usize(start) + offset);
    (pointer, length.min(to_usize(BUFFER_BYTES) - offset))
}

/// Writes into the mapped receive buffer of `owner`. What lies beyond the slot is dropped.
pub(crate) fn write_buffer(owner: MailboxOwner, offset: usize, bytes: &[u8]) {
    let (to, length) = part(slot(owner), offset, bytes.len());
    let bytes = bytes.get(..length).unwrap_or_default();
    let (words, rest) = if to.addr().is_multiple_of(WORD) { bytes.as_chunks() } else { (&[][..], bytes) };
    for (index, &word) in words.iter().enumerate() {
        // SAFETY: mailbox.rs calls this between map and unmap only and within the buffer, which is mapped writable; `to` is
        // aligned where there are words. Volatile, and nothing is read back: the owner may access it at the same time.
        unsafe { to.cast::<u64>().wrapping_add(index).write_volatile(u64::from_ne_bytes(word)) };
    }
    let to = to.wrapping_add(words.len() * WORD);
    for (index, &byte) in rest.iter().enumerate() {
        // SAFETY: as above.
        unsafe { to.wrapping_add(index).write_volatile(byte) };
    }
}

/// Writes zeros into the mapped receive buffer of `owner`.
pub(crate) fn clear_buffer(owner: MailboxOwner, offset: usize, length: usize) {
    const ZEROS: [u8; 64] = [0; 64];
    let mut done = 0;
    while done < length {
        let at = offset.saturating_add(done);
        // The first piece ends where words begin.
        let piece = (ZEROS.len() - at % WORD).min(length - done);
        write_buffer(owner, at, ZEROS.get(..piece).unwrap_or_default());
        done += piece;
    }
}

/// Copies from the mapped send buffer of `owner`. What lies beyond the slot is not read, and `bytes` stays as it was there.
pub(crate) fn read_buffer(owner: MailboxOwner, offset: usize, bytes: &mut [u8]) {
    let (from, length) = part(slot(owner) + BUFFER_BYTES, offset, bytes.len());
    let bytes = bytes.get_mut(..length).unwrap_or_default();
    let (words, rest) =
        if from.addr().is_multiple_of(WORD) { bytes.as_chunks_mut() } else { (&mut [][..], bytes) };
    let count = words.len();
    for (index, word) in words.iter_mut().enumerate() {
        // SAFETY: mailbox.rs calls this between map and unmap only and within the buffer, which is mapped readable; `from`
        // is aligned where there are words. Volatile: the owner may write it at the same time, and each word is read once.
        *word = unsafe { from.cast::<u64>().wrapping_add(index).read_volatile() }.to_ne_bytes();
    }
    let from = from.wrapping_add(count * WORD);
    for (index, byte) in rest.iter_mut().enumerate() {
        // SAFETY: as above.
        *byte = unsafe { from.wrapping_add(index).read_volatile() };
    }
}
