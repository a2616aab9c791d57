// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ways for a partition to go wrong.
#![expect(unsafe_code, reason = "executes an instruction that is none")]

use sp_runtime::memory::DeviceMemory;
use sp_runtime::mmu::{self, MapError, PAGE_SIZE, World};
use spin::mutex::SpinMutex;

use crate::protocol::Status;

/// Pages that may be looked at without a fault ending the partition.
const MAX_PAGES: usize = 8;

struct Page {
    address: u64,
    world: World,
    memory: DeviceMemory,
}

static PAGES: SpinMutex<[Option<Page>; MAX_PAGES]> = SpinMutex::new([const { None }; MAX_PAGES]);

/// Reads (`kind` 0) or writes (1) the 64-bit word at `address` in the secure (`world` 0) or the non-secure address space
/// (1). This partition's own tables allow it; whether stage 2 does is what the caller wants to know.
pub(crate) fn access(address: u64, kind: u64, world: u64) -> [u64; 5] {
    let world = match world {
        0 => World::Secure,
        1 => World::NonSecure,
        _ => return Status::InvalidParameters.answer(),
    };
    let page_mask = PAGE_SIZE as u64 - 1;
    let offset = match usize::try_from(address & page_mask) {
        Ok(offset) if offset.is_multiple_of(8) => offset,
        _ => return Status::InvalidParameters.answer(),
    };
    let memory = match page(address & !page_mask, world) {
        Ok(memory) => memory,
        Err(status) => return status.answer(),
    };
    match kind {
        0 => [0, memory.read64(offset), 0, 0, 0],
        1 => {
            memory.write64(offset, address);
            [0, address, 0, 0, 0]
        }
        _ => Status::InvalidParameters.answer(),
    }
}

fn page(address: u64, world: World) -> Result<DeviceMemory, Status> {
    let mut pages = PAGES.lock();
    if let Some(known) = pages.iter().flatten().find(|known| known.address == address) {
        return if known.world == world { Ok(known.memory) } else { Err(Status::Denied) };
    }
    let Some(free) = pages.iter_mut().find(|place| place.is_none()) else { return Err(Status::NoMemory) };
    let memory = mmu::map_device(address, PAGE_SIZE as u64, world).map_err(|error| match error {
        MapError::BadRange => Status::InvalidParameters,
        MapError::Taken => Status::Denied,
        MapError::NoTables => Status::NoMemory,
    })?;
    *free = Some(Page { address, world, memory });
    Ok(memory)
}

/// Executes UDF, which is permanently undefined.
pub(crate) fn undefined_instruction() -> ! {
    // SAFETY: the exception ends the partition.
    unsafe { core::arch::asm!("udf #0", options(noreturn, nostack)) }
}
