// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition can reach: its stage 2 on this machine. The tables' contents are spm_core::stage2's; here are the
//! registers, the TLBs, and the memory that the tables are in.
#![expect(unsafe_code, reason = "programs the stage 2 registers")]

use core::sync::atomic::{AtomicBool, Ordering};

use spm_core::manifest::AddressRange;
use spm_core::manifest::layout::PartitionLayout;
use spm_core::manifest::region::{Access, Security};
use spm_core::memory::region_grain;
use spm_core::stage2::{AddressSpace, Geometry, Grain, Kind, NoTables, Rights, TablePool};

use crate::arch::features::Features;
use crate::arch::sysreg::{VMPIDR_EL2, VSTCR_EL2, VSTTBR_EL2, VTCR, VTCR_EL2, VTTBR_EL2, isb};
use crate::arch::tlb::{invalidate_current_vmid, invalidate_partitions_here, publish_new_entries};

/// All partitions' tables: for each two roots, what its manifest needs, and what it is lent.
static POOL: TablePool<192> = TablePool::new();
/// Tables that one partition can have beyond those of its manifest, for memory that others share, lend or donate.
const MOST_FOR_LOANS: usize = 96;

/// A level-0 root where the CPU has 44 bits of physical addresses or more; below, a level-1 root of at most 39 bits,
/// since roots of several tables are not supported (Arm ARM D8.2.9, 4 KiB granule).
const fn geometry(features: &Features) -> Geometry {
    match features.pa_bits {
        bits @ 44.. => Geometry { ipa_bits: bits, root_level: 0 },
        bits @ 0..39 => Geometry { ipa_bits: bits, root_level: 1 },
        _ => Geometry { ipa_bits: 39, root_level: 1 },
    }
}

/// A partition's tables. They are built before it first runs; afterwards only memory management changes them, under its
/// lock.
pub(crate) struct Stage2 {
    space: AddressSpace,
    vmid: u16,
    /// Most tables that it can have.
    most: usize,
    /// TLBs may hold what is no longer in the tables.
    stale: AtomicBool,
}

impl Stage2 {
    /// Builds the tables of a partition, which has its own memory with the rights `own`. `vmid` must be its alone and below 256.
    pub(crate) fn new(
        layout: &PartitionLayout,
        own: Rights,
        vmid: u8,
        features: &Features,
    ) -> Result<Self, NoTables> {
        let space = AddressSpace::new(&POOL, geometry(features))?;
        let build = |range, security, grain, kind| {
            space.prepare(&POOL, security, range, grain, usize::MAX)?;
            space.map(&POOL, security, range, grain, kind);
            Ok(())
        };
        // A partition may lend any page of its own memory.
        build(layout.memory, Security::Secure, Grain::Pages, Kind::Memory(own))?;
        for region in &layout.memory_regions {
            let kind = Kind::Memory(region.access.into());
            build(region.range, region.security, region_grain(region.range), kind)?;
        }
        for region in &layout.device_regions {
            let kind = Kind::Device { write: region.access == Access::ReadWrite };
            build(region.range, region.security, Grain::Blocks, kind)?;
        }
        let most = space.held() + MOST_FOR_LOANS;
        Ok(Self { space, vmid: u16::from(vmid), most, stale: AtomicBool::new(false) })
    }

    /// Makes these the tables of this core for vCPU `vcpu`.
    #[inline]
    pub(crate) fn select(&self, vcpu: usize) {
        let (secure, non_secure) = self.bases();
        // SAFETY: these registers only affect EL1 and EL0; the tables map nothing but what is the partition's by the
        // checked manifests and by memory management, and stay where they are.
        unsafe { VSTTBR_EL2::write(secure) };
        // SAFETY: as above.
        unsafe { VTTBR_EL2::write(non_secure) };
        // SAFETY: an ID register for EL1.
        unsafe { VMPIDR_EL2::write(virtual_mpidr(vcpu)) };
    }

    /// VSTTBR_EL2 and VTTBR_EL2 of the partition.
    #[inline]
    fn bases(&self) -> (u64, u64) {
        let non_secure = self.space.root(&POOL, Security::NonSecure) | u64::from(self.vmid) << 48;
        (self.space.root(&POOL, Security::Secure), non_secure)
    }

    /// Forgets what the TLBs of all cores may hold of this VMID. Whoever is selected stays so.
    pub(crate) fn invalidate(&self) {
        let selected = (VSTTBR_EL2::read(), VTTBR_EL2::read());
        let own = self.bases();
        set_bases(own);
        invalidate_current_vmid();
        if selected != own {
            set_bases(selected);
            isb();
        }
    }

    /// Brings in the tables for `range`.
    pub(crate) fn prepare(
        &self,
        security: Security,
        range: AddressRange,
        grain: Grain,
    ) -> Result<(), NoTables> {
        self.space.prepare(&POOL, security, range, grain, self.most)
    }

    /// Maps `range`, which is prepared.
    pub(crate) fn map(&self, security: Security, range: AddressRange, grain: Grain, rights: Rights) {
        self.space.map(&POOL, security, range, grain, Kind::Memory(rights));
    }

    /// Unmaps `range`.
    pub(crate) fn unmap(&self, security: Security, range: AddressRange) {
        self.space.unmap(&POOL, security, range);
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Takes out tables around `range` that map nothing.
    pub(crate) fn trim(&self, security: Security, range: AddressRange) {
        self.space.trim(&POOL, security, range);
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Completes the changes so far on all cores.
    pub(crate) fn publish(&self) {
        if self.stale.swap(false, Ordering::Relaxed) {
            self.invalidate();
            self.space.recycle(&POOL);
        } else {
            publish_new_entries();
        }
    }
}

fn set_bases((secure, non_secure): (u64, u64)) {
    // SAFETY: as in `select`; spm runs at EL2, which these registers do not affect.
    unsafe { VSTTBR_EL2::write(secure) };
    // SAFETY: as above.
    unsafe { VTTBR_EL2::write(non_secure) };
    isb();
}

/// MPIDR_EL1 of a vCPU: its number as affinity 0. Bit 31 is reserved as one.
const fn virtual_mpidr(vcpu: usize) -> u64 {
    1 << 31 | vcpu as u64
}

/// Sets how this core walks all partitions' tables.
pub(crate) fn initialise(features: &Features) {
    let geometry = geometry(features);
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
