// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Virtual CPUs: how many there may be, which one this is, and which core has which.
#![expect(unsafe_code, reason = "reads a system register")]

use core::arch::asm;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

/// vCPUs for which the image has a stack; as `__stack_count` in the linker script. A partition has no more, unless its
/// manifest has memory for more stacks.
pub const MAX_VCPUS: usize = 8;
/// Most vCPUs that a partition may have: cores of the largest platform on which TF-A's SPMC was tried, sbsa-ref.
pub(crate) const MAX_SLOTS: usize = 512;

/// Bit 31 of MPIDR_EL1, which is reserved as one: it tells a core from none.
pub(crate) const TAKEN: u64 = 1 << 31;
/// MPIDR_EL1 of the vCPU in each slot, or 0. A slot is taken when a vCPU begins for the first time, and stays its core's: a
/// manager without virtual vCPUs has it begin anew each time its core comes on, which may be without end.
pub(crate) static CORES: [AtomicU64; MAX_SLOTS] = [const { AtomicU64::new(0) }; MAX_SLOTS];

/// Takes the first slot for this vCPU: the one that starts the partition, while it is the only one.
pub(crate) fn take_first_slot() {
    let [first, ..] = &CORES;
    first.store(mpidr() | TAKEN, Ordering::Release);
}

/// A vCPU of this partition, numbered from 0 in the order in which they started first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VcpuId(u16);

impl VcpuId {
    /// The vCPU that starts the partition.
    pub(crate) const PRIMARY: Self = Self(0);

    /// Makes the ID of the vCPU in `slot`, if there is such a slot.
    pub(crate) fn from_slot(slot: u32) -> Option<Self> {
        let slot = u16::try_from(slot).ok()?;
        (usize::from(slot) < MAX_SLOTS).then_some(Self(slot))
    }

    /// Returns the number: an index for what each vCPU has of its own. It is below [`MAX_VCPUS`] where the manifest has no
    /// memory for more stacks.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for VcpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Returns MPIDR_EL1 as the partition manager lets this vCPU see it.
#[must_use]
pub fn mpidr() -> u64 {
    let value;
    // SAFETY: reading MPIDR_EL1 has no effects.
    unsafe {
        asm!("mrs {value}, mpidr_el1", value = out(reg) value, options(nomem, nostack, preserves_flags))
    };
    value
}
