// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is kept of partitions that start again: their packages, as they were before the first start, in that part of spm's own
//! memory (the SPMC manifest's `binary_size`) that its image leaves free. And how such a partition is made new from it.
#![expect(unsafe_code, reason = "reads and writes the memory of partitions")]

use core::fmt;

use spm_core::direct_message::VcpuRef;
use spm_core::hardware::MapFailed;
use spm_core::manifest::AddressRange;
use spm_core::manifest::range::PAGE_SIZE;
use spm_core::memory::MAX_ZEROED_PAGES;
use spm_core::partition::{CoreIndex, Partition};

use crate::arch::cache::{clean_and_invalidate, forget_instructions};
use crate::contexts::VcpuContext;
use crate::interrupt_lines;
use crate::mmu::{self, Use};
use crate::world::World;

/// Largest memory of a partition that starts again, in bytes: a core writes zeros to all of it, and does nothing else meanwhile.
const MAX_MEMORY: u64 = MAX_ZEROED_PAGES as u64 * PAGE_SIZE;

/// Why a partition cannot be kept.
pub(crate) enum NotKept {
    /// It has more memory than a core may write zeros to.
    TooLarge(u64),
    /// spm has less room than its package needs, in bytes.
    NoRoom { wanted: u64, left: u64 },
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => {
                write!(f, "abort-action: {bytes:#x} bytes of memory, at most {MAX_MEMORY:#x}")
            }
            Self::NoRoom { wanted, left } => {
                write!(
                    f,
                    "abort-action: {wanted:#x} bytes to be kept, spm has {left:#x} left in its binary_size"
                )
            }
        }
    }
}

/// Memory in which nothing is kept yet.
pub(crate) struct ImageStore {
    free: u64,
    end: u64,
}

/// A package that is kept.
pub(crate) struct Kept {
    copy: AddressRange,
    boot_register: Option<u8>,
}

impl ImageStore {
    /// Takes all of `own`, spm's memory, that lies behind its image.
    pub(crate) const fn new(own: AddressRange, image: AddressRange) -> Self {
        Self { free: image.end(), end: own.end() }
    }

    /// Keeps the first `length` bytes of `memory`, all that a partition has, which is mapped.
    pub(crate) fn keep(
        &mut self,
        memory: &[u8],
        length: usize,
        boot_register: Option<u8>,
    ) -> Result<Kept, Refused> {
        let wanted = (length as u64).next_multiple_of(PAGE_SIZE);
        let left = self.end.saturating_sub(self.free);
        if memory.len() as u64 > MAX_MEMORY {
            return Err(NotKept::TooLarge(memory.len() as u64).into());
        }
        let copy = AddressRange::new(self.free, wanted).ok().filter(|_| wanted <= left);
        let copy = copy.ok_or(NotKept::NoRoom { wanted, left })?;
        self.free = copy.end();
        // SAFETY: it is spm's by the SPMC manifest, which layout.rs keeps from partitions; nobody else uses it.
        unsafe { mmu::with_memory(copy, |copy| write(copy, memory)) }?;
        Ok(Kept { copy, boot_register })
    }
}

/// Copies as much as `to` holds, whole cache lines.
fn write(to: &mut [u8], from: &[u8]) {
    const LINE: usize = 64;
    for (to, from) in to.as_chunks_mut::<LINE>().0.iter_mut().zip(from.as_chunks::<LINE>().0) {
        *to = *from;
    }
}

/// Why keeping failed.
pub(crate) enum Refused {
    NotKept(NotKept),
    Map,
}

impl From<NotKept> for Refused {
    fn from(reason: NotKept) -> Self {
        Self::NotKept(reason)
    }
}

impl From<MapFailed> for Refused {
    fn from(_: MapFailed) -> Self {
        Self::Map
    }
}

/// Makes the partition at `place` new, as [`spm_core::hardware::Hardware::renew`] has it.
pub(crate) fn renew(
    world: &World,
    place: usize,
    partition: &Partition,
    core: CoreIndex,
) -> Result<(), MapFailed> {
    let kept = world.kept.get(place).and_then(Option::as_ref).ok_or(MapFailed)?;
    let memory = partition.memory();
    mmu::zero(memory, Use::ReadWrite)?;
    let image = AddressRange::new(memory.start(), kept.copy.size()).map_err(|_| MapFailed)?;
    let restore = |image: &mut [u8]| {
        // SAFETY: as in `keep`; only one core makes a partition new, and nobody writes to what is kept.
        let restored = unsafe { mmu::with_memory(kept.copy, |copy| write(image, copy)) };
        // It begins with its caches off.
        clean_and_invalidate(image);
        restored
    };
    // SAFETY: the partition's own memory, which is part of no transaction; no core has any vCPU of it, and its buffers are not
    // mapped.
    unsafe { mmu::with_memory(image, restore) }??;
    forget_instructions();
    for vcpu in 0..partition.contexts() {
        let mut context = world.contexts.take(VcpuRef { partition: place, vcpu }).ok_or(MapFailed)?;
        context.reset();
        if vcpu == partition.vcpu_for(core) {
            prepare_first(&mut context, partition, kept.boot_register);
        }
    }
    interrupt_lines::shared_again(partition);
    Ok(())
}

/// Prepares the first entry of a partition's first vCPU.
pub(crate) fn prepare_first(context: &mut VcpuContext, partition: &Partition, boot_register: Option<u8>) {
    if partition.is_application() {
        context.start_application_at(partition.entry());
    } else {
        context.start_at(partition.entry());
    }
    if let Some(register) = boot_register
        && let Some(value) = context.registers.get_mut(usize::from(register))
    {
        *value = partition.memory().start();
    }
}
