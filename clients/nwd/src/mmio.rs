// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device registers: volatile accesses within a range that was claimed once.
#![expect(unsafe_code, reason = "registers stand at addresses")]

use crate::{Region, fatal};

/// A range of device registers.
#[derive(Clone, Copy, Debug)]
pub struct Mmio {
    region: Region,
}

impl Mmio {
    /// Claims registers.
    ///
    /// # Safety
    /// The range holds registers of a device, mapped as device memory or with the MMU off, and nothing that the compiler
    /// knows of.
    #[must_use]
    pub const unsafe fn new(region: Region) -> Self {
        Self { region }
    }

    /// Returns a part of the range.
    #[must_use]
    pub fn part(&self, offset: u64, size: u64) -> Self {
        let base = self.check(offset, size);
        Self { region: Region { base, size } }
    }

    /// Returns the address of the first register.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.region.base
    }

    /// Reads a 32-bit register.
    #[must_use]
    pub fn read32(&self, offset: u64) -> u32 {
        let address = self.check(offset, 4) as *const u32;
        // SAFETY: the address is aligned and within the range that `new`'s caller vouched for.
        unsafe { address.read_volatile() }
    }

    /// Writes a 32-bit register.
    pub fn write32(&self, offset: u64, value: u32) {
        let address = self.check(offset, 4) as *mut u32;
        // SAFETY: the address is aligned and within the range that `new`'s caller vouched for.
        unsafe { address.write_volatile(value) }
    }

    /// Reads a 64-bit register.
    #[must_use]
    pub fn read64(&self, offset: u64) -> u64 {
        let address = self.check(offset, 8) as *const u64;
        // SAFETY: the address is aligned and within the range that `new`'s caller vouched for.
        unsafe { address.read_volatile() }
    }

    /// Writes a 64-bit register.
    pub fn write64(&self, offset: u64, value: u64) {
        let address = self.check(offset, 8) as *mut u64;
        // SAFETY: the address is aligned and within the range that `new`'s caller vouched for.
        unsafe { address.write_volatile(value) }
    }

    fn check(&self, offset: u64, size: u64) -> u64 {
        match self.region.inside(offset, size) {
            Some(address) if address.is_multiple_of(size.min(8)) => address,
            _ => fatal(format_args!("no register at {:#x}+{offset:#x}", self.region.base)),
        }
    }
}
