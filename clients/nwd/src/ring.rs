// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rings of the service, in pages that this client shares with it by FFA_MEM_SHARE.

use crate::ffa::{self, CallError};
use crate::iommu::{Iommu, IommuError};
use crate::memory::{self, READ_WRITE};
use crate::ram::Ram;
use arm_ffa::FuncId;
use ffa_abi::ring::{ANSWERED, DONE_WORD, Descriptor, Doorbell, ListEntry, SLOT_WORDS, STATUS_WORD};
use ffa_abi::{AreaHandle, Request, Status};

/// Bytes of a slot.
const SLOT_BYTES: usize = SLOT_WORDS * size_of::<u64>();
/// The same, as an offset.
const SLOT: u64 = SLOT_BYTES as u64;

/// A ring that the service has opened.
#[derive(Debug)]
pub struct Ring {
    iommu: Iommu,
    memory: Ram,
    /// What FFA_MEM_SHARE gave.
    shared: u64,
    area: AreaHandle,
}

/// What stands in a descriptor after it was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub status: Status,
    /// Bytes of the list that are done.
    pub done: u64,
    /// How many bytes the last message unmapped.
    pub removed: u64,
}

/// Shares memory with a partition alone, for reading and writing. The two pages become buffers for messages meanwhile.
///
/// # Errors
/// What the callee answers.
pub fn share(to: u16, ranges: &[(u64, u32)], [receive, transmit]: &[Ram; 2]) -> Result<u64, CallError> {
    ffa::rxtx_map(receive, transmit)?;
    let shared = memory::send_normal(transmit, FuncId::MemShare32, (to, READ_WRITE), ranges);
    ffa::rxtx_unmap()?;
    shared
}

/// Opens memory that was shared.
///
/// # Errors
/// See [`IommuError`].
pub fn open(iommu: Iommu, shared: u64) -> Result<(AreaHandle, u64), IommuError> {
    let values = iommu.request(Request::AreaOpen { memory: shared })?;
    let [handle, bytes, x6, x7] = values;
    let area = u32::try_from(handle).ok().and_then(AreaHandle::from_raw);
    area.map(|area| (area, bytes)).ok_or(IommuError::Malformed([0, handle, bytes, x6, x7]))
}

impl Ring {
    /// Makes a ring of whole pages that follow each other.
    ///
    /// # Errors
    /// See [`IommuError`]; the memory is this client's again then.
    pub fn new(iommu: Iommu, memory: Ram, buffers: &[Ram; 2]) -> Result<Self, IommuError> {
        let pages = u32::try_from(memory.size() / 4096).unwrap_or(u32::MAX);
        let shared = share(iommu.partition(), &[(memory.address().0, pages)], buffers)?;
        match open(iommu, shared) {
            Ok((area, _)) => Ok(Self { iommu, memory, shared, area }),
            Err(error) => {
                memory::reclaim(shared)?;
                Err(error)
            }
        }
    }

    /// Returns the handle of its area.
    #[must_use]
    pub const fn area(&self) -> AreaHandle {
        self.area
    }

    /// Returns what FFA_MEM_SHARE gave.
    #[must_use]
    pub const fn shared(&self) -> u64 {
        self.shared
    }

    /// Writes a descriptor to a slot, and the entries of its list behind it. Returns the slot behind them. The ring is not gone
    /// round: there has to be room.
    pub fn put(&self, slot: u16, descriptor: Descriptor, entries: impl Iterator<Item = ListEntry>) -> u16 {
        self.write(slot, &descriptor.encode());
        let mut next = slot + 1;
        let mut entries = entries.peekable();
        while entries.peek().is_some() {
            let mut words = [0; SLOT_WORDS];
            words.iter_mut().zip(&mut entries).for_each(|(word, entry)| *word = entry.0);
            self.write(next, &words);
            next += 1;
        }
        next
    }

    /// Writes a descriptor anew, and leaves the entries behind it as they are.
    pub fn restart(&self, slot: u16, descriptor: Descriptor) {
        self.write(slot, &descriptor.encode());
    }

    fn write(&self, slot: u16, words: &[u64; SLOT_WORDS]) {
        let mut bytes = [0; SLOT_BYTES];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        self.memory.write(u64::from(slot) * SLOT, &bytes);
    }

    /// Returns the request that rings for slots.
    #[must_use]
    pub const fn bell(&self, first: u16, slots: u16) -> Request {
        Request::Doorbell(Doorbell { area: self.area, first, slots })
    }

    /// Has slots handled by one message; returns how many are done with, and how many descriptors failed.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn ring(&self, first: u16, slots: u16) -> Result<(u16, u64), IommuError> {
        let [done, failed, x6, x7] = self.iommu.request(self.bell(first, slots))?;
        let malformed = IommuError::Malformed([0, done, failed, x6, x7]);
        let done = u16::try_from(done).ok().filter(|done| *done <= slots);
        Ok((done.ok_or(malformed)?, failed))
    }

    /// Has slots handled, by as many messages as it takes; returns how many those were, and how many descriptors failed.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn ring_all(&self, first: u16, slots: u16) -> Result<(u64, u64), IommuError> {
        const MOST: u64 = 1000;
        let (mut done, mut all_failed) = (0, 0);
        for messages in 1..=MOST {
            let (step, failed) = self.ring(first + done, slots - done)?;
            (done, all_failed) = (done + step, all_failed + failed);
            if done == slots {
                return Ok((messages, all_failed));
            }
        }
        Err(IommuError::Stuck(u64::from(done)))
    }

    /// Returns the answer to the descriptor in a slot, or `None` where there is none yet.
    #[must_use]
    pub fn answer(&self, slot: u16) -> Option<Answer> {
        let word =
            |place: usize| self.memory.word(u64::from(slot) * SLOT + (place * size_of::<u64>()) as u64);
        let status = word(STATUS_WORD);
        let known = u32::try_from(status & !ANSWERED).ok().and_then(|status| Status::try_from(status).ok());
        let status = known.filter(|_| status & ANSWERED != 0)?;
        Some(Answer { status, done: word(DONE_WORD), removed: word(STATUS_WORD + 1) })
    }

    /// Closes the area and takes the memory back.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn close(self) -> Result<(), IommuError> {
        self.iommu.request(Request::AreaClose(self.area))?;
        Ok(memory::reclaim(self.shared)?)
    }
}
