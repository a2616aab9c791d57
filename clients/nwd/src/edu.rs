// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's `edu` device: a PCI function with a DMA engine and a buffer of its own (QEMU, `docs/specs/edu.rst`).
//!
//! The buffer can be reached by DMA only. A transfer takes 100 ms; all its bytes move at its end.

use crate::{counter, mmio::Mmio, pci, timer};
use ffa_abi::{Iova, StreamId};
use thiserror::Error;

/// Vendor 0x1234, device 0x11e8.
pub const VENDOR_DEVICE: u32 = 0x11e8_1234;
/// Bytes of the BAR with the device's registers.
pub const REGISTERS_SIZE: u64 = 1 << 20;
/// Bytes of the device's buffer.
pub const BUFFER_SIZE: u16 = 4096;

const LIVENESS: u64 = 0x04;
const DMA_SOURCE: u64 = 0x80;
const DMA_DESTINATION: u64 = 0x88;
const DMA_COUNT: u64 = 0x90;
const DMA_COMMAND: u64 = 0x98;
const COMMAND_START: u64 = 1 << 0;
const COMMAND_TO_RAM: u64 = 1 << 1;
/// Where the device's buffer stands in its own address space.
const BUFFER: u64 = 0x4_0000;
/// How long a transfer takes, and how often its end is looked for after that, in microseconds.
const TRANSFER_US: u64 = 100_000;
const POLL_US: u64 = 1_000;
/// A transfer that takes longer than this many polls has failed.
const POLLS: u32 = 3_000;

/// Which way bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device reads RAM.
    FromRam,
    /// The device writes RAM.
    ToRam,
}

/// Why there was no transfer. A transfer that the SMMU stopped is none of these: the device does not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EduError {
    /// The device's buffer has no such part; it would stop the emulator.
    #[error("{0} bytes at {1} are not in the device's buffer")]
    Buffer(u16, u16),
    /// The transfer did not end.
    #[error("the transfer did not end")]
    Time,
    /// The device did not answer.
    #[error("the device is not alive")]
    Dead,
}

/// An `edu` device with its registers in place.
#[derive(Clone, Copy, Debug)]
pub struct Edu {
    /// Its requester ID, which is its stream ID on platforms that map them one to one.
    pub id: pci::RequesterId,
    registers: Mmio,
}

impl Edu {
    /// Makes a driver for a function that was enabled.
    ///
    /// # Errors
    /// [`EduError::Dead`] where the device's liveness register does not answer with the complement of what it got.
    pub fn new(id: pci::RequesterId, registers: Mmio) -> Result<Self, EduError> {
        let probe = 0xdead_beef;
        registers.write32(LIVENESS, probe);
        if registers.read32(LIVENESS) == !probe { Ok(Self { id, registers }) } else { Err(EduError::Dead) }
    }

    /// Returns the device's stream ID where requester IDs are stream IDs.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId(u32::from(self.id.0))
    }

    /// Returns the address of the device's registers.
    #[must_use]
    pub const fn registers(&self) -> u64 {
        self.registers.base()
    }

    /// Writes the register that reads as the complement of what was written to it last.
    pub fn set_liveness(&self, value: u32) {
        self.registers.write32(LIVENESS, value);
    }

    /// Returns the complement of what was written to that register last.
    #[must_use]
    pub fn liveness(&self) -> u32 {
        self.registers.read32(LIVENESS)
    }

    /// Starts a transfer between the device's buffer from `offset` on and an address.
    ///
    /// # Errors
    /// [`EduError::Buffer`]; nothing was started then.
    pub fn start(&self, direction: Direction, at: Iova, offset: u16, count: u16) -> Result<(), EduError> {
        if offset.checked_add(count).is_none_or(|end| end > BUFFER_SIZE) {
            return Err(EduError::Buffer(count, offset));
        }
        let buffer = BUFFER + u64::from(offset);
        let (source, destination, command) = match direction {
            Direction::FromRam => (at.0, buffer, COMMAND_START),
            Direction::ToRam => (buffer, at.0, COMMAND_START | COMMAND_TO_RAM),
        };
        self.registers.write64(DMA_SOURCE, source);
        self.registers.write64(DMA_DESTINATION, destination);
        self.registers.write64(DMA_COUNT, u64::from(count));
        self.registers.write64(DMA_COMMAND, command);
        Ok(())
    }

    /// Tells whether a transfer is under way, so that none of its bytes has moved yet.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.registers.read64(DMA_COMMAND) & COMMAND_START != 0
    }

    /// Waits for the end of a transfer.
    ///
    /// # Errors
    /// [`EduError::Time`] where it does not come.
    pub fn finish(&self) -> Result<(), EduError> {
        timer::sleep_us(TRANSFER_US);
        for _ in 0..POLLS {
            if !self.is_busy() {
                // What the device wrote is read after its last register was.
                let _ = counter::now();
                return Ok(());
            }
            timer::sleep_us(POLL_US);
        }
        Err(EduError::Time)
    }

    /// Lets the device read RAM into its buffer from `offset` on.
    ///
    /// # Errors
    /// Those of [`start`](Self::start) and [`finish`](Self::finish).
    pub fn read_ram(&self, from: Iova, offset: u16, count: u16) -> Result<(), EduError> {
        self.start(Direction::FromRam, from, offset, count)?;
        self.finish()
    }

    /// Lets the device write its buffer from `offset` on to RAM.
    ///
    /// # Errors
    /// Those of [`start`](Self::start) and [`finish`](Self::finish).
    pub fn write_ram(&self, to: Iova, offset: u16, count: u16) -> Result<(), EduError> {
        self.start(Direction::ToRam, to, offset, count)?;
        self.finish()
    }
}
