// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the pages of each kind look like, and the system registers that give the descriptors their meaning.
#![expect(unsafe_code, reason = "reads an ID register")]

use core::arch::asm;

use aarch64_paging::descriptor::{El1Attributes, PhysicalAddress};
use aarch64_paging::mair::{Mair, MairAttribute, NormalMemory};

use super::World;

const PRESENT: El1Attributes = El1Attributes::VALID.union(El1Attributes::ACCESSED);
const NEVER_EXECUTED: El1Attributes = El1Attributes::PXN.union(El1Attributes::UXN);
/// Attribute 1 of MAIR: write-back, shared with the other cores.
const NORMAL: El1Attributes =
    PRESENT.union(El1Attributes::ATTRIBUTE_INDEX_1).union(El1Attributes::INNER_SHAREABLE);

/// Instructions: EL1 reads and executes.
pub(super) const CODE: El1Attributes = NORMAL.union(El1Attributes::READ_ONLY).union(El1Attributes::UXN);
/// Constants: EL1 reads.
pub(super) const CONSTANT: El1Attributes = NORMAL.union(El1Attributes::READ_ONLY).union(NEVER_EXECUTED);
/// Variables: EL1 reads and writes.
pub(super) const DATA: El1Attributes = NORMAL.union(NEVER_EXECUTED);
/// Registers: EL1 reads and writes; attribute 0 of MAIR.
pub(super) const DEVICE: El1Attributes =
    PRESENT.union(El1Attributes::ATTRIBUTE_INDEX_0).union(NEVER_EXECUTED);

/// Returns the bit that selects the address space.
pub(super) const fn of_world(world: World) -> El1Attributes {
    match world {
        World::Secure => El1Attributes::empty(),
        World::NonSecure => El1Attributes::NS,
    }
}

const WRITE_BACK: NormalMemory = NormalMemory::WriteBackNonTransientReadWriteAllocate;
const MAIR: Mair = Mair::EMPTY
    .with_attribute(0, MairAttribute::DEVICE_NGNRE)
    .with_attribute(1, MairAttribute::normal(WRITE_BACK, WRITE_BACK));

/// TCR_EL1 but IPS (Arm ARM, D24.2.206): T0SZ = 16 for 48 bits; IRGN0, ORGN0 write-back; SH0 inner; TG0, TG1 4 KiB;
/// EPD1, since TTBR1 is not used.
const TCR: u64 = 16 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 30;
/// The largest output size that 4 KiB descriptors without LPA2 express: 48 bits.
const MAX_PARANGE: u64 = 5;

/// SCTLR_EL1 (Arm ARM, D24.2.175): M, C, SA, I, WXN, and the bits that are RES1 in Armv8.0.
const SCTLR: u64 = 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19 | SCTLR_RES1;
const SCTLR_RES1: u64 = 0x30d0_0800;

/// What `sp_enable_mmu` loads, in that order.
#[repr(C)]
pub(crate) struct Registers {
    mair_el1: u64,
    tcr_el1: u64,
    ttbr0_el1: u64,
    sctlr_el1: u64,
}

impl Registers {
    /// Translation off.
    pub(crate) const OFF: Self = Self { mair_el1: 0, tcr_el1: 0, ttbr0_el1: 0, sctlr_el1: SCTLR_RES1 };

    /// Translation by the tables below `root`.
    pub(super) fn for_root(root: PhysicalAddress) -> Self {
        let mmfr0: u64;
        // SAFETY: reading ID_AA64MMFR0_EL1 has no effects.
        unsafe {
            asm!("mrs {0}, id_aa64mmfr0_el1", out(reg) mmfr0, options(nomem, nostack, preserves_flags))
        };
        let parange = (mmfr0 & 0xf).min(MAX_PARANGE);
        Self {
            mair_el1: MAIR.into(),
            tcr_el1: TCR | parange << 32,
            ttbr0_el1: root.0 as u64,
            sctlr_el1: SCTLR,
        }
    }
}
