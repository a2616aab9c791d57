// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The identity map of EL2, or of EL1 above a hypervisor: what the machine's description names, and nothing else.
//!
//! The MMU has to be on for caches, and so that memory shared with the secure world and atomics behave as on hardware.
#![expect(unsafe_code, reason = "translation tables, and the registers that switch them on")]

use crate::{Description, Region, level};
use aarch64_paging::{
    MapError, Mapping,
    descriptor::{El23Attributes as Attributes, PhysicalAddress},
    paging::{Constraints, El2, MemoryRegion, PageTable, Translation},
};
use core::{
    arch::asm,
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};
use thiserror::Error;

/// Tables for all ranges that a description can name: one root, and three levels at both ends of each range.
const TABLES: usize = 64;
const TABLE_SIZE: usize = 4096;
/// Four levels: 48 bits of address.
const ROOT_LEVEL: usize = 0;

/// MAIR_EL2: attribute 0 is normal write-back memory, attribute 1 is device-nGnRE.
const MAIR: u64 = 0x04ff;
/// TCR_EL2: 48 bits, 4 KiB granule, inner-shareable write-back walks, 48-bit physical addresses, RES1 bits 31 and 23.
const TCR: u64 = 1 << 31 | 1 << 23 | 0b101 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 16;
/// SCTLR_EL2 as switched on: RES1 bits, instruction and data caches, MMU; alignment checks are off.
const SCTLR: u64 = 0x30c5_0830 | 1 << 12 | 1 << 2 | 1;

/// TCR_EL1: as above for TTBR0_EL1, whose size of physical addresses stands elsewhere; no walks from TTBR1_EL1 (bit 23).
const TCR_KERNEL: u64 = 0b101 << 32 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 16;
/// SCTLR_EL1 as switched on: RES1 bits, PSTATE.PAN left alone (bit 23), caches, MMU; alignment checks are off.
const SCTLR_KERNEL: u64 = 0x30d0_0800 | 1 << 12 | 1 << 2 | 1;
/// Descriptors of EL1: never executed there (bit 53); at EL2 this bit is reserved.
const NOT_EXECUTED_AT_EL1: usize = 1 << 53;

/// Why the machine cannot be mapped.
#[derive(Debug, Error)]
pub(crate) enum PagingError {
    /// A range cannot be mapped.
    #[error("{0}")]
    Map(MapError),
    /// More tables are needed than the image has.
    #[error("no table left")]
    Tables,
}

impl From<MapError> for PagingError {
    fn from(error: MapError) -> Self {
        Self::Map(error)
    }
}

#[repr(C, align(4096))]
struct Pool(UnsafeCell<[[u8; TABLE_SIZE]; TABLES]>);

// SAFETY: each table is handed out once, by the atomic counter below, and then belongs to the one mapping.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool(UnsafeCell::new([[0; TABLE_SIZE]; TABLES]));
static USED: AtomicUsize = AtomicUsize::new(0);
static ROOT: AtomicU64 = AtomicU64::new(0);

/// Hands out tables of the pool, at addresses that are physical and virtual alike.
struct Identity;

impl Translation<Attributes> for Identity {
    fn allocate_table(&mut self) -> (NonNull<PageTable<Attributes>>, PhysicalAddress) {
        // Past the end the last table is given again: the mapping is wrong then, and is never switched on.
        let index = USED.fetch_add(1, Ordering::Relaxed).min(TABLES - 1);
        let table = NonNull::from(&POOL.0).cast::<[u8; TABLE_SIZE]>();
        // SAFETY: the index is within the pool.
        let table = unsafe { table.add(index) }.cast();
        (table, PhysicalAddress(table.as_ptr() as usize))
    }

    unsafe fn deallocate_table(&mut self, _: NonNull<PageTable<Attributes>>) {}

    fn physical_to_virtual(&self, pa: PhysicalAddress) -> NonNull<PageTable<Attributes>> {
        // Only addresses of tables come here; none of them is null.
        NonNull::new(pa.0 as *mut _).unwrap_or(NonNull::from(&POOL.0).cast())
    }
}

unsafe extern "C" {
    static __image_start: u8;
    static __text_end: u8;
    static __rodata_end: u8;
}

/// Builds the map and switches it on, on the first core.
pub(crate) fn start(machine: &Description) -> Result<(), PagingError> {
    // What is RES1 at EL2 would open a page to EL0 here.
    let (every, never_executed) = if level::is_kernel() {
        (Attributes::empty(), Attributes::XN | Attributes::from_bits_retain(NOT_EXECUTED_AT_EL1))
    } else {
        (Attributes::USER_RES1, Attributes::XN)
    };
    let every = every | Attributes::VALID | Attributes::ACCESSED;
    let normal = every | Attributes::INNER_SHAREABLE | Attributes::ATTRIBUTE_INDEX_0;
    let device = every | Attributes::ATTRIBUTE_INDEX_1 | never_executed;

    // The mapping lives as long as the machine does.
    let mut map = ManuallyDrop::new(Mapping::new(Identity, ROOT_LEVEL, El2));
    let mut identity = |start: u64, end: u64, attributes| {
        let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else { return Ok(()) };
        let region = MemoryRegion::new(start, end);
        map.map_range(&region, PhysicalAddress(region.start().0), attributes, Constraints::empty())
    };
    let end = |region: &Region| region.base.saturating_add(region.size);

    let image = (&raw const __image_start) as u64;
    let text_end = (&raw const __text_end) as u64;
    let rodata_end = (&raw const __rodata_end) as u64;
    identity(machine.ram.base, image, normal | never_executed)?;
    identity(image, text_end, normal | Attributes::READ_ONLY)?;
    identity(text_end, rodata_end, normal | Attributes::READ_ONLY | never_executed)?;
    identity(rodata_end, end(&machine.ram), normal | never_executed)?;
    let named =
        [&machine.console, &machine.ecam, &machine.pci_mmio, &machine.distributor, &machine.redistributors];
    for region in named.into_iter().chain(&machine.alarm).chain(machine.forbidden) {
        identity(region.base, end(region), device)?;
    }
    if USED.load(Ordering::Relaxed) > TABLES {
        return Err(PagingError::Tables);
    }
    ROOT.store(map.root_address().0 as u64, Ordering::Release);
    map.mark_active();
    switch_on();
    Ok(())
}

/// Switches the map on, on the core that calls.
pub(crate) fn switch_on() {
    let root = ROOT.load(Ordering::Acquire);
    if level::is_kernel() {
        // SAFETY: as below.
        unsafe {
            asm!(
                "msr mair_el1, {mair}",
                "msr tcr_el1, {tcr}",
                "msr ttbr0_el1, {root}",
                "dsb ish",
                "isb",
                "tlbi vmalle1",
                "ic iallu",
                "dsb ish",
                "isb",
                "msr sctlr_el1, {sctlr}",
                "isb",
                mair = in(reg) MAIR,
                tcr = in(reg) TCR_KERNEL,
                root = in(reg) root,
                sctlr = in(reg) SCTLR_KERNEL,
                options(nostack),
            );
        }
        return;
    }
    // SAFETY: the root holds the complete identity map of image, stacks and all ranges in use, so that no access that
    // works now stops working; old translations are dropped before the MMU is on.
    unsafe {
        asm!(
            "msr mair_el2, {mair}",
            "msr tcr_el2, {tcr}",
            "msr ttbr0_el2, {root}",
            "dsb ish",
            "isb",
            "tlbi alle2",
            "ic iallu",
            "dsb ish",
            "isb",
            "msr sctlr_el2, {sctlr}",
            "isb",
            mair = in(reg) MAIR,
            tcr = in(reg) TCR,
            root = in(reg) root,
            sctlr = in(reg) SCTLR,
            options(nostack),
        );
    }
}
