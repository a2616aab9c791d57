// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that devices reach too: volatile accesses, since its bytes change without this program's doing.
#![expect(unsafe_code, reason = "the memory is named by its physical address")]

use crate::{Region, fatal};
use core::arch::asm;
use ffa_abi::PhysAddr;

/// A range of RAM that holds nothing of this program.
#[derive(Clone, Copy, Debug)]
pub struct Ram {
    region: Region,
}

impl Ram {
    /// Claims RAM.
    ///
    /// # Safety
    /// The range is RAM, mapped identically, and holds nothing that the compiler knows of: neither image nor stacks.
    #[must_use]
    pub const unsafe fn new(region: Region) -> Self {
        Self { region }
    }

    /// Returns a part of the range.
    #[must_use]
    pub fn part(&self, offset: u64, size: u64) -> Self {
        Self { region: Region { base: self.check(offset, size), size } }
    }

    /// Returns the first address.
    #[must_use]
    pub const fn address(&self) -> PhysAddr {
        PhysAddr(self.region.base)
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.region.size
    }

    /// Copies bytes into the memory.
    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let base = self.check(offset, bytes.len() as u64) as *mut u8;
        for (place, byte) in bytes.iter().enumerate() {
            // SAFETY: the address is within the range that `new`'s caller vouched for.
            unsafe { base.wrapping_add(place).write_volatile(*byte) };
        }
        // A device is started by a later register write: it must find the bytes.
        barrier();
    }

    /// Copies bytes out of the memory.
    pub fn read(&self, offset: u64, bytes: &mut [u8]) {
        barrier();
        let base = self.check(offset, bytes.len() as u64) as *const u8;
        for (place, byte) in bytes.iter_mut().enumerate() {
            // SAFETY: the address is within the range that `new`'s caller vouched for.
            *byte = unsafe { base.wrapping_add(place).read_volatile() };
        }
    }

    /// Reads a word of 64 bits, least significant byte first.
    #[must_use]
    pub fn word(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn check(&self, offset: u64, size: u64) -> u64 {
        match self.region.inside(offset, size) {
            Some(address) => address,
            None => fatal(format_args!("no memory at {:#x}+{offset:#x}", self.region.base)),
        }
    }
}

/// Orders accesses to memory and to registers before and after, for devices too.
fn barrier() {
    // SAFETY: a barrier only waits.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
