// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMMU's registers, and how this core's accesses to memory are ordered with those to registers.
#![expect(unsafe_code, reason = "barrier instructions")]

use core::arch::asm;
use iommu_core::smmu::Hardware;
use sp_runtime::memory::DeviceMemory;
use sp_runtime::time;

/// Milliseconds in a second.
const MILLISECONDS: u64 = 1000;

/// One SMMU's frame.
#[derive(Debug)]
pub(crate) struct Frame {
    registers: DeviceMemory,
    ticks_per_millisecond: u64,
}

impl Frame {
    pub(crate) fn new(registers: DeviceMemory) -> Self {
        // A counter that does not say its frequency would make every wait end at once: take 1 GHz, the most there is.
        let frequency = match time::frequency() {
            0 => 1_000_000_000,
            frequency => frequency,
        };
        Self { registers, ticks_per_millisecond: (frequency / MILLISECONDS).max(1) }
    }
}

impl Hardware for Frame {
    #[inline]
    fn read32(&self, offset: usize) -> u32 {
        self.registers.read32(offset)
    }

    #[inline]
    fn write32(&self, offset: usize, value: u32) {
        self.registers.write32(offset, value);
    }

    #[inline]
    fn read64(&self, offset: usize) -> u64 {
        self.registers.read64(offset)
    }

    #[inline]
    fn write64(&self, offset: usize, value: u64) {
        self.registers.write64(offset, value);
    }

    #[inline]
    fn ticks(&self) -> u64 {
        time::ticks()
    }

    #[inline]
    fn ticks_per_millisecond(&self) -> u64 {
        self.ticks_per_millisecond
    }

    #[inline]
    fn publish(&self) {
        // SAFETY: a barrier only waits: here until stores are visible to everything, the SMMU's walks included.
        unsafe { asm!("dsb st", options(nostack, preserves_flags)) };
    }

    #[inline]
    fn observe(&self) {
        // SAFETY: a barrier only orders: here reads of registers before reads of memory.
        unsafe { asm!("dmb osh", options(nostack, preserves_flags)) };
    }
}
