// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command queue (IHI 0070, 3.5, 4.7.3 and 7.1).
//!
//! The queue belongs to whoever holds its lock, from the first command until the CMD_SYNC behind it is consumed: so it
//! is empty whenever the lock is free, and the lock is held no longer than [`SYNC_MILLISECONDS`] and what it takes to
//! give up. Commands stand in memory that others may write, so nothing is ever read back from it, and the consumer
//! index of the register is only compared, or masked.

use super::hardware::{Deadline, Hardware, Registers};
use super::ring::{Index, Ring};
use super::spec::commands::{COMMAND_WORDS, Command};
use super::spec::registers::{CMDQ_CONS, CMDQ_PROD, GERROR, GERRORN};
use crate::pool::Reserved;
use crate::seeded::{Bug, seeded};
use core::sync::atomic::Ordering::Relaxed;

/// How long the SMMU may take to complete what it was told, in milliseconds. What takes longest is waiting for
/// transactions that are under way, which memory systems bound far below this.
pub(super) const SYNC_MILLISECONDS: u64 = 100;
/// log2 of the entries: one page.
pub(super) const WANTED_LOG2: u8 = 8;
/// GERROR.CMDQ_ERR (6.3.19).
pub(super) const GERROR_CMDQ: u32 = GERROR::CMDQ_ERR::SET.value;
/// Illegal commands that are skipped in one batch before the queue is given up.
const MAX_SKIPPED: u32 = 4;

/// How a batch went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueError {
    /// It completed, but some commands were found illegal and skipped: their effect is missing.
    Skipped(u32),
    /// It did not complete in time.
    Timeout,
    /// The SMMU stopped for a reason that a next command would meet too.
    Stopped,
}

/// The command queue.
#[derive(Debug)]
pub(super) struct CommandQueue<'p> {
    memory: Reserved<'p>,
    ring: Ring,
    /// Where the next command goes.
    producer: Index,
    /// Commands in the queue that may not be consumed yet.
    pending: u32,
    skipped: u32,
    /// The value of GERRORN: software alone writes that register.
    acknowledged: u32,
}

impl<'p> CommandQueue<'p> {
    /// Makes an empty queue of zeroed memory, which must have room for the ring. `acknowledged` is GERRORN.
    pub(super) const fn new(memory: Reserved<'p>, ring: Ring, acknowledged: u32) -> Self {
        Self { memory, ring, producer: Index::START, pending: 0, skipped: 0, acknowledged }
    }

    /// Makes the queue what it was when it was new, for an SMMU that does not read it. `acknowledged` is what GERRORN will
    /// be given.
    pub(super) const fn restart(&mut self, acknowledged: u32) {
        (self.producer, self.pending, self.skipped) = (Index::START, 0, 0);
        self.acknowledged = acknowledged;
    }

    /// Returns where the next command goes: the value of CMDQ_PROD, while nobody has commands in the queue.
    pub(super) const fn producer(&self) -> Index {
        self.producer
    }

    /// Returns the queue's memory and size.
    pub(super) const fn place(&self) -> (&Reserved<'p>, Ring) {
        (&self.memory, self.ring)
    }

    /// Returns the value of GERRORN.
    pub(super) const fn acknowledged(&self) -> u32 {
        self.acknowledged
    }

    /// Returns which global errors are active and not acknowledged.
    pub(super) fn active_errors<H: Hardware>(&self, hardware: &H) -> u32 {
        hardware.read32(GERROR.offset) ^ self.acknowledged
    }

    /// Acknowledges global errors.
    pub(super) fn acknowledge<H: Hardware>(&mut self, hardware: &H, errors: u32) {
        self.acknowledged ^= errors;
        hardware.write32(GERRORN.offset, self.acknowledged);
    }

    /// Writes a command behind the others. The SMMU reads it at the next [`sync`](Self::sync) at the latest. Fails as
    /// that one does, where the queue was full and does not empty.
    #[inline]
    pub(super) fn push<H: Hardware>(&mut self, hardware: &H, command: Command) -> Result<(), QueueError> {
        // One place stays free for the CMD_SYNC.
        if self.pending >= self.ring.entries() - 1 {
            self.drain(hardware)?;
        }
        self.append(command);
        Ok(())
    }

    /// Has the SMMU do all commands, and waits until it has. After [`QueueError::Timeout`] and [`QueueError::Stopped`] the queue must not be used again.
    #[inline]
    pub(super) fn sync<H: Hardware>(&mut self, hardware: &H) -> Result<(), QueueError> {
        if !seeded(Bug::NoSync) {
            self.append(Command::SYNC);
        }
        self.submit(hardware);
        if seeded(Bug::NoWait) {
            return Ok(());
        }
        self.wait(hardware)?;
        match core::mem::take(&mut self.skipped) {
            0 => Ok(()),
            count => Err(QueueError::Skipped(count)),
        }
    }

    /// Empties the queue without a CMD_SYNC, to have room.
    #[cold]
    fn drain<H: Hardware>(&mut self, hardware: &H) -> Result<(), QueueError> {
        self.submit(hardware);
        self.wait(hardware)
    }

    #[inline]
    fn append(&mut self, command: Command) {
        self.write(self.producer, command);
        self.producer = self.ring.advance(self.producer, 1);
        // Never more than the queue has entries.
        self.pending = self.pending.wrapping_add(1);
    }

    #[inline]
    fn write(&self, index: Index, command: Command) {
        let first = self.ring.position(index) * COMMAND_WORDS;
        // The memory has room for the ring: there is always such a chunk.
        if let Some([low, high]) = self.memory.words.get(first..first + COMMAND_WORDS) {
            let [low_value, high_value] = command.0;
            low.store(low_value, Relaxed);
            high.store(high_value, Relaxed);
        }
    }

    #[inline]
    fn submit<H: Hardware>(&self, hardware: &H) {
        if !seeded(Bug::NoBarrier) {
            hardware.publish();
        }
        hardware.write32(CMDQ_PROD.offset, self.producer.raw());
    }

    #[inline]
    fn consumed<H: Hardware>(&self, hardware: &H) -> Index {
        self.ring.index(hardware.read32(CMDQ_CONS.offset))
    }

    #[inline]
    fn wait<H: Hardware>(&mut self, hardware: &H) -> Result<(), QueueError> {
        if self.consumed(hardware) == self.producer {
            self.pending = 0;
            return Ok(());
        }
        self.wait_longer(hardware)
    }

    #[cold]
    fn wait_longer<H: Hardware>(&mut self, hardware: &H) -> Result<(), QueueError> {
        let deadline = Deadline::after(hardware, SYNC_MILLISECONDS);
        loop {
            let late = deadline.is_over(hardware);
            if self.consumed(hardware) == self.producer {
                self.pending = 0;
                return Ok(());
            }
            if self.active_errors(hardware) & GERROR_CMDQ != 0 {
                self.skip(hardware)?;
            } else if late {
                return Err(QueueError::Timeout);
            }
            core::hint::spin_loop();
        }
    }

    /// Handles a command queue error: an illegal command is overwritten by one without effect, so that the SMMU goes on
    /// behind it (7.1).
    fn skip<H: Hardware>(&mut self, hardware: &H) -> Result<(), QueueError> {
        let register = hardware.get(CMDQ_CONS);
        let at = self.ring.index(register.get());
        let place_is_ours = self
            .ring
            .distance(at, self.producer)
            .is_some_and(|distance| (1..=self.pending).contains(&distance));
        let illegal = register.matches_all(CMDQ_CONS::ERR::Illegal);
        if !illegal || !place_is_ours || self.skipped >= MAX_SKIPPED {
            return Err(QueueError::Stopped);
        }
        self.skipped += 1;
        self.write(at, Command::SYNC);
        hardware.publish();
        self.acknowledge(hardware, GERROR_CMDQ);
        Ok(())
    }
}
