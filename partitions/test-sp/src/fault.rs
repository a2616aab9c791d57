// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ways for a partition to go wrong.
#![expect(unsafe_code, reason = "executes an instruction that is none")]

use core::sync::atomic::Ordering;

use sp_runtime::memory::{DeviceMemory, NonSecureMemory};
use sp_runtime::mmu::{self, MapError, PAGE_SIZE, World};
use spin::mutex::SpinMutex;

use crate::protocol::Status;

/// Pages that may be looked at without a fault ending the partition.
const MAX_PAGES: usize = 8;

/// What a page is mapped as.
#[derive(Clone, Copy)]
enum Memory {
    Device(DeviceMemory),
    Ram(NonSecureMemory),
}

struct Page {
    address: u64,
    kind: u64,
    memory: Memory,
}

static PAGES: SpinMutex<[Option<Page>; MAX_PAGES]> = SpinMutex::new([const { None }; MAX_PAGES]);

/// Reads (`kind` 0) or writes (1) the 64-bit word at `address` in the secure (`world` 0) or the non-secure address space,
/// as a device's (1) or as RAM (2). This partition's own tables allow it; whether stage 2 does is what the caller wants to
/// know.
pub(crate) fn access(address: u64, kind: u64, world: u64) -> [u64; 5] {
    let page_mask = PAGE_SIZE as u64 - 1;
    let offset = match usize::try_from(address & page_mask) {
        Ok(offset) if offset.is_multiple_of(8) => offset,
        _ => return Status::InvalidParameters.answer(),
    };
    let memory = match page(address & !page_mask, world) {
        Ok(memory) => memory,
        Err(status) => return status.answer(),
    };
    match (kind, memory) {
        (0, memory) => [0, memory.read(offset), 0, 0, 0],
        (1, memory) => {
            memory.write(offset, address);
            [0, address, 0, 0, 0]
        }
        _ => Status::InvalidParameters.answer(),
    }
}

impl Memory {
    fn read(self, offset: usize) -> u64 {
        match self {
            Self::Device(device) => device.read64(offset),
            Self::Ram(ram) => ram.words().get(offset / 8).map_or(0, |word| word.load(Ordering::Relaxed)),
        }
    }

    fn write(self, offset: usize, value: u64) {
        match self {
            Self::Device(device) => device.write64(offset, value),
            Self::Ram(ram) => {
                if let Some(word) = ram.words().get(offset / 8) {
                    word.store(value, Ordering::Relaxed);
                }
            }
        }
    }
}

fn page(address: u64, kind: u64) -> Result<Memory, Status> {
    let mut pages = PAGES.lock();
    if let Some(known) = pages.iter().flatten().find(|known| known.address == address) {
        return if known.kind == kind { Ok(known.memory) } else { Err(Status::Denied) };
    }
    let Some(free) = pages.iter_mut().find(|place| place.is_none()) else { return Err(Status::NoMemory) };
    let size = PAGE_SIZE as u64;
    let mapped = match kind {
        0 => mmu::map_device(address, size, World::Secure).map(Memory::Device),
        1 => mmu::map_device(address, size, World::NonSecure).map(Memory::Device),
        2 => mmu::map_non_secure(address, size).map(Memory::Ram),
        _ => return Err(Status::InvalidParameters),
    };
    let memory = mapped.map_err(|error| match error {
        MapError::BadRange => Status::InvalidParameters,
        MapError::Taken => Status::Denied,
        MapError::NoTables => Status::NoMemory,
    })?;
    *free = Some(Page { address, kind, memory });
    Ok(memory)
}

/// Executes UDF, which is permanently undefined.
pub(crate) fn undefined_instruction() -> ! {
    // SAFETY: the exception ends the partition.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nostack)) }
}
