// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition can reach: its stage 2 tables, one set for secure addresses and one for non-secure ones. Both map
//! addresses to themselves. They are built before the partition first runs and never change.
#![expect(unsafe_code, reason = "programs the stage 2 registers")]

use aarch64_paging::MapError;
use aarch64_paging::descriptor::{PhysicalAddress, Stage2Attributes, VirtualAddress};
use aarch64_paging::paging::{Constraints, MemoryRegion, RootTable, TranslationRegime};
use spm_core::hardware::MapFailed;
use spm_core::manifest::AddressRange;
use spm_core::manifest::layout::PartitionLayout;
use spm_core::manifest::region::{Access, Security};
use spm_core::table_budget::tables_for_aligned;

use crate::address::to_usize;
use crate::arch::features::Features;
use crate::arch::sysreg::{VMPIDR_EL2, VSTCR_EL2, VSTTBR_EL2, VTCR, VTCR_EL2, VTTBR_EL2};
use crate::arch::tlb::{invalidate_current_vmid, invalidate_partitions_here};
use crate::tables::{Pool, available};

/// Secure EL1&0, stage 2. The registers are programmed by [`Stage2::select`], and tables in use do not change, so nothing
/// happens here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SecureStage2;

impl TranslationRegime for SecureStage2 {
    type Attributes = Stage2Attributes;
    type Asid = ();
    type VaRange = ();

    fn invalidate_va(_: VirtualAddress) {}

    unsafe fn activate(_: PhysicalAddress, (): (), (): ()) -> usize {
        0
    }

    unsafe fn deactivate(_: usize, (): (), (): ()) {}
}

/// Sizes that depend on the CPU.
#[derive(Clone, Copy)]
struct Geometry {
    ipa_bits: u8,
    root_level: usize,
}

impl Geometry {
    /// A level-0 root where the CPU has 44 bits of physical addresses or more; below, a level-1 root of at most 39 bits,
    /// since roots of several tables are not supported (Arm ARM D8.2.9, 4 KiB granule).
    const fn of(features: &Features) -> Self {
        match features.pa_bits {
            bits @ 44.. => Self { ipa_bits: bits, root_level: 0 },
            bits @ 0..39 => Self { ipa_bits: bits, root_level: 1 },
            _ => Self { ipa_bits: 39, root_level: 1 },
        }
    }
}

/// A partition's tables.
pub(crate) struct Stage2 {
    secure: RootTable<SecureStage2, Pool>,
    non_secure: RootTable<SecureStage2, Pool>,
    vmid: u16,
}

impl Stage2 {
    /// Builds the tables of a partition. `vmid` must be its alone and below 256.
    pub(crate) fn new(layout: &PartitionLayout, vmid: u8, features: &Features) -> Result<Self, MapFailed> {
        const ROOTS: u64 = 2;
        if available() < ROOTS {
            return Err(MapFailed);
        }
        let geometry = Geometry::of(features);
        let mut stage2 = Self {
            secure: RootTable::new(Pool, geometry.root_level, SecureStage2),
            non_secure: RootTable::new(Pool, geometry.root_level, SecureStage2),
            vmid: u16::from(vmid),
        };
        let limit = 1_u64 << geometry.ipa_bits;
        stage2.map(layout.memory, Security::Secure, OWN_MEMORY, limit)?;
        for region in &layout.memory_regions {
            stage2.map(region.range, region.security, memory(region.access), limit)?;
        }
        for region in &layout.device_regions {
            stage2.map(region.range, region.security, device(region.access), limit)?;
        }
        Ok(stage2)
    }

    fn map(
        &mut self,
        range: AddressRange,
        security: Security,
        attributes: Stage2Attributes,
        limit: u64,
    ) -> Result<(), MapFailed> {
        if range.end() > limit || available() < tables_for_aligned(range) {
            return Err(MapFailed);
        }
        let tables = match security {
            Security::Secure => &mut self.secure,
            Security::NonSecure => &mut self.non_secure,
        };
        let region = MemoryRegion::new(to_usize(range.start()), to_usize(range.end()));
        tables
            .map_range(
                &region,
                PhysicalAddress(to_usize(range.start())),
                attributes,
                Constraints::NO_CONTIGUOUS_HINT,
            )
            .map_err(|_: MapError| MapFailed)
    }

    /// Makes these the tables of this core for vCPU `vcpu`.
    #[inline]
    pub(crate) fn select(&self, vcpu: usize) {
        let secure = self.secure.to_physical().0 as u64;
        let non_secure = self.non_secure.to_physical().0 as u64;
        // SAFETY: these registers only affect EL1 and EL0; the tables map nothing but what is the partition's by the
        // checked manifests, and stay where they are.
        unsafe { VSTTBR_EL2::write(secure) };
        // SAFETY: as above.
        unsafe { VTTBR_EL2::write(non_secure | u64::from(self.vmid) << 48) };
        // SAFETY: an ID register for EL1.
        unsafe { VMPIDR_EL2::write(virtual_mpidr(vcpu)) };
    }

    /// Forgets what the TLBs may hold of this VMID. Once, before the partition first runs; leaves the tables selected.
    pub(crate) fn invalidate(&self) {
        self.select(0);
        invalidate_current_vmid();
    }
}

/// MPIDR_EL1 of a vCPU: its number as affinity 0. Bit 31 is reserved as one.
const fn virtual_mpidr(vcpu: usize) -> u64 {
    1 << 31 | vcpu as u64
}

const NORMAL: Stage2Attributes = Stage2Attributes::VALID
    .union(Stage2Attributes::ACCESS_FLAG)
    .union(Stage2Attributes::SH_INNER)
    .union(Stage2Attributes::MEMATTR_NORMAL_INNER_WB)
    .union(Stage2Attributes::MEMATTR_NORMAL_OUTER_WB);

/// A partition divides its own memory by its own stage 1.
const OWN_MEMORY: Stage2Attributes = NORMAL.union(Stage2Attributes::S2AP_ACCESS_RW);

fn memory(access: Access) -> Stage2Attributes {
    match access {
        Access::Read => NORMAL | Stage2Attributes::S2AP_ACCESS_RO | Stage2Attributes::XN,
        Access::ReadWrite => NORMAL | Stage2Attributes::S2AP_ACCESS_RW | Stage2Attributes::XN,
        Access::ReadExecute => NORMAL | Stage2Attributes::S2AP_ACCESS_RO,
    }
}

fn device(access: Access) -> Stage2Attributes {
    let device = Stage2Attributes::VALID
        | Stage2Attributes::ACCESS_FLAG
        | Stage2Attributes::MEMATTR_DEVICE_nGnRE
        | Stage2Attributes::XN;
    match access {
        Access::Read | Access::ReadExecute => device | Stage2Attributes::S2AP_ACCESS_RO,
        Access::ReadWrite => device | Stage2Attributes::S2AP_ACCESS_RW,
    }
}

/// Sets how this core walks all partitions' tables.
pub(crate) fn initialise(features: &Features) {
    let geometry = Geometry::of(features);
    let start_level = if geometry.root_level == 0 { 2 } else { 1 };
    let physical_size = match features.pa_bits {
        0..36 => 0,
        36..40 => 1,
        40..42 => 2,
        42..44 => 3,
        44..48 => 4,
        _ => 5,
    };
    let both =
        VTCR::T0SZ.val(64 - u64::from(geometry.ipa_bits)) + VTCR::SL0.val(start_level) + VTCR::RES1::SET;
    // Secure addresses: tables and output in secure memory. Non-secure ones: tables in secure memory, output not.
    let non_secure = both
        + VTCR::IRGN0.val(1)
        + VTCR::ORGN0.val(1)
        + VTCR::SH0.val(3)
        + VTCR::PS.val(physical_size)
        + VTCR::NSW::CLEAR
        + VTCR::NSA::SET;
    // SAFETY: only EL1 and EL0 translate by these, and none runs before `select`.
    unsafe { VSTCR_EL2::write(both.value) };
    // SAFETY: as above.
    unsafe { VTCR_EL2::write(non_secure.value) };
    // What a TLB holds after reset is up to the CPU, and a broadcast passes a core by that is off.
    invalidate_partitions_here();
}
