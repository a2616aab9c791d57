// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is not this image's: device registers, RAM that the normal world and devices write at any time, and what the
//! partition has of its own behind its image.
//!
//! All come from [`crate::mmu`] only, which maps each page once; so safe code reaches them without further checks.
#![expect(unsafe_code, reason = "turns mapped addresses into references and register accesses")]

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

use crate::{log, stop};

/// RAM of the normal world, as words that others may write at any time: whatever is read is a claim, not a fact.
#[derive(Clone, Copy, Debug)]
pub struct NonSecureMemory {
    words: &'static [AtomicU64],
}

impl NonSecureMemory {
    /// Takes over `range`, which [`crate::mmu`] has just mapped as normal memory.
    pub(crate) fn of_mapped(range: Range<usize>) -> Self {
        let first = core::ptr::with_exposed_provenance::<AtomicU64>(range.start);
        // SAFETY: 1. `mmu` mapped the range, readable and writable, and never unmaps it. 2. It is page-aligned, and not
        // at 0: the range was free. 3. No other reference to it exists, as a page is mapped once, outside the image.
        // 4. `AtomicU64` allows others to write, and any value is valid.
        let words =
            unsafe { core::slice::from_raw_parts(first, (range.end - range.start) / size_of::<AtomicU64>()) };
        Self { words }
    }

    /// Returns the memory as 64-bit words.
    #[must_use]
    pub fn words(&self) -> &'static [AtomicU64] {
        self.words
    }

    /// Returns the address of the first byte, which is its physical address too.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.words.as_ptr() as u64
    }
}

/// RAM of this partition that is not its image's, cleared.
#[derive(Debug)]
pub struct OwnMemory {
    words: &'static [AtomicU64],
}

impl OwnMemory {
    /// Takes over `range`, which [`crate::mmu`] has just mapped as normal secure memory, and clears it.
    pub(crate) fn of_mapped(range: Range<usize>) -> Self {
        let first = core::ptr::with_exposed_provenance_mut::<AtomicU64>(range.start);
        let count = (range.end - range.start) / size_of::<AtomicU64>();
        // SAFETY: `mmu` mapped the range, readable and writable; it is page-aligned and free: nothing refers to it.
        unsafe { first.write_bytes(0, count) };
        // SAFETY: 1. The range is mapped for ever, and page-aligned, not at 0. 2. It was just initialised. 3. A page is mapped
        // once, outside the image: there is no other reference.
        Self { words: unsafe { core::slice::from_raw_parts(first, count) } }
    }

    /// Returns the first `count` 32-bit words, or as many as there are, and all that follows them as 16-bit words.
    #[must_use]
    pub fn words_and_halves(self, count: usize) -> (&'static [AtomicU32], &'static [AtomicU16]) {
        let words: &'static [AtomicU32] = {
            let first = self.words.as_ptr().cast::<AtomicU32>();
            // SAFETY: it is the same memory, aligned for more, as twice as many words of half the size; any value is valid, and
            // the words of 64 bits are not used any more: `self` was all that led to them.
            unsafe { core::slice::from_raw_parts(first, 2 * self.words.len()) }
        };
        let (words, rest) = words.split_at_checked(count).unwrap_or((words, &[]));
        let first = rest.as_ptr().cast::<AtomicU16>();
        // SAFETY: as above; what is returned as 32-bit words lies before it.
        (words, unsafe { core::slice::from_raw_parts(first, 2 * rest.len()) })
    }
}

/// A structure of registers that may stand at any place in device memory.
///
/// # Safety
/// Every field has to be accessed by volatile loads and stores only, to allow any bit pattern, and to allow access from
/// several cores at once. Structures of tock-registers' `ReadOnly`, `WriteOnly` and `ReadWrite` are like that.
pub unsafe trait RegisterBlock: Sync {}

/// Device registers.
#[derive(Clone, Copy, Debug)]
pub struct DeviceMemory {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: the pointer is used for volatile accesses only, which may come from any core.
unsafe impl Send for DeviceMemory {}
// SAFETY: as above.
unsafe impl Sync for DeviceMemory {}

impl DeviceMemory {
    /// Takes over `range`, which [`crate::mmu`] has just mapped as device memory.
    pub(crate) fn of_mapped(range: Range<usize>) -> Self {
        let first = core::ptr::with_exposed_provenance_mut::<u8>(range.start);
        match NonNull::new(first) {
            Some(base) => Self { base, size: range.end - range.start },
            None => {
                log!("device registers at address 0");
                stop()
            }
        }
    }

    /// Returns the registers at `offset` bytes, or `None` if they do not fit or are not aligned there.
    #[must_use]
    pub fn registers<T: RegisterBlock>(&self, offset: usize) -> Option<&'static T> {
        let pointer = self.place::<T>(offset)?;
        // SAFETY: 1. `place` checked alignment and bounds of memory that stays mapped. 2. `RegisterBlock` promises that
        // any contents and concurrent accesses are fine.
        Some(unsafe { pointer.as_ref() })
    }

    /// Reads the 32-bit register at `offset` bytes. An offset outside the device is a bug, which stops the partition.
    #[must_use]
    pub fn read32(&self, offset: usize) -> u32 {
        // SAFETY: `demand` checked alignment and bounds of memory that stays mapped.
        unsafe { self.demand::<u32>(offset).read_volatile() }
    }

    /// Writes the 32-bit register at `offset` bytes. An offset outside the device is a bug, which stops the partition.
    pub fn write32(&self, offset: usize, value: u32) {
        // SAFETY: as in `read32`; what the device then does is the caller's business, it reaches no memory of the image
        // unless stage 2 and the SMMU let it.
        unsafe { self.demand::<u32>(offset).write_volatile(value) }
    }

    /// Reads the 64-bit register at `offset` bytes. An offset outside the device is a bug, which stops the partition.
    #[must_use]
    pub fn read64(&self, offset: usize) -> u64 {
        // SAFETY: as in `read32`.
        unsafe { self.demand::<u64>(offset).read_volatile() }
    }

    /// Writes the 64-bit register at `offset` bytes. An offset outside the device is a bug, which stops the partition.
    pub fn write64(&self, offset: usize, value: u64) {
        // SAFETY: as in `write32`.
        unsafe { self.demand::<u64>(offset).write_volatile(value) }
    }

    fn demand<T>(&self, offset: usize) -> NonNull<T> {
        match self.place(offset) {
            Some(pointer) => pointer,
            None => {
                log!("register offset {offset:#x} is outside the device");
                stop()
            }
        }
    }

    fn place<T>(&self, offset: usize) -> Option<NonNull<T>> {
        let end = offset.checked_add(size_of::<T>())?;
        if end > self.size || !offset.is_multiple_of(align_of::<T>()) {
            return None;
        }
        // SAFETY: `offset` is within the mapped range, which is one contiguous piece of memory.
        Some(unsafe { self.base.add(offset) }.cast())
    }
}
