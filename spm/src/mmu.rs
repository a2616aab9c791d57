// SPDX-License-Identifier: Apache-2.0 OR MIT
//! spm's own translation, EL2 stage 1: every address maps to itself, nothing is writable and executable, below each
//! stack one page is missing, and what is needed only for a while is mapped only for that while.
//!
//! The exceptions to the first rule are callers' buffers for messages (buffer_window.rs), memory that is zeroed and
//! registers that are looked at once, which appear in windows of fixed addresses.
#![expect(unsafe_code, reason = "makes memory accessible and inaccessible")]

use core::ptr::with_exposed_provenance_mut;

use aarch64_paging::descriptor::{El23Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El2, MemoryRegion};
use aarch64_paging::{MapError, Mapping};
use spin::mutex::SpinMutex;
use spm_core::hardware::MapFailed;
use spm_core::manifest::AddressRange;
use spm_core::table_budget::tables_for;

use crate::address::to_usize;
use crate::arch::cache::clean_and_invalidate_at;
use crate::arch::entry::{Section, switch_tables};
use crate::tables::{Pool, available};

/// Level 0 and 48-bit addresses, as entry.s sets TCR_EL2.
const ROOT_LEVEL: usize = 0;

/// Where memory appears while it is zeroed, and registers while they are looked at: the 2 MiB below the buffers' window, in the
/// same tables but the last one. Were it mapped to itself, each part of memory that is ever zeroed would keep a table.
const WINDOW: u64 = (1 << 48) - 2 * WINDOW_BYTES;
/// What one table of pages maps.
const WINDOW_BYTES: u64 = 1 << 21;
/// Held by whoever uses it.
static WINDOW_IN_USE: SpinMutex<()> = SpinMutex::new(());

static TABLES: SpinMutex<Option<Mapping<Pool, El2>>> = SpinMutex::new(None);

/// What memory is for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    /// Instructions.
    Code,
    /// Constants, or somebody else's memory that is only read.
    ReadOnly,
    /// Variables.
    ReadWrite,
    /// Device registers.
    Device,
    /// Memory of the normal world.
    NormalWorld,
    /// The same, which is only read.
    NormalWorldReadOnly,
}

impl Use {
    fn attributes(self) -> El23Attributes {
        type A = El23Attributes;
        // Bit 6 is reserved as one in this regime. Attribute indices are MAIR_EL2's in entry.s.
        let memory = A::VALID | A::ACCESSED | A::USER_RES1 | A::INNER_SHAREABLE | A::ATTRIBUTE_INDEX_0;
        match self {
            Self::Code => memory | A::READ_ONLY,
            Self::ReadOnly => memory | A::READ_ONLY | A::XN,
            Self::ReadWrite => memory | A::XN,
            Self::Device => A::VALID | A::ACCESSED | A::USER_RES1 | A::ATTRIBUTE_INDEX_2 | A::XN,
            Self::NormalWorld => memory | A::XN | A::NS,
            Self::NormalWorldReadOnly => memory | A::READ_ONLY | A::XN | A::NS,
        }
    }
}

fn region(start: u64, bytes: u64) -> MemoryRegion {
    // usize is 64 bits wide here.
    MemoryRegion::new(to_usize(start), to_usize(start + bytes))
}

/// Maps `range` at the address `at`. Nothing may be mapped there.
fn map_at(tables: &mut Mapping<Pool, El2>, at: u64, range: AddressRange, what: Use) -> Result<(), MapFailed> {
    let place = AddressRange::new(at, range.size()).map_err(|_| MapFailed)?;
    if available() < tables_for(place) {
        return Err(MapFailed);
    }
    let output = PhysicalAddress(to_usize(range.start()));
    tables
        .map_range(&region(at, range.size()), output, what.attributes(), Constraints::NO_CONTIGUOUS_HINT)
        .map_err(|_: MapError| MapFailed)
}

fn unmap(tables: &mut Mapping<Pool, El2>, at: u64, bytes: u64) {
    // An unmapping of what was mapped by itself needs no table and splits no block: it cannot fail.
    _ = tables.map_range(
        &region(at, bytes),
        PhysicalAddress(to_usize(at)),
        El23Attributes::empty(),
        Constraints::empty(),
    );
}

/// Replaces entry.s's tables by ones that map the image alone, and returns their root for the other cores.
pub(crate) fn activate() -> Result<u64, MapFailed> {
    let mut tables = Mapping::new(Pool, ROOT_LEVEL, El2);
    for (section, what) in
        [(Section::Text, Use::Code), (Section::Rodata, Use::ReadOnly), (Section::Data, Use::ReadWrite)]
    {
        let range = section.range().ok_or(MapFailed)?;
        map_at(&mut tables, range.start(), range, what)?;
    }
    for (lowest, end) in Section::stacks() {
        let stack = AddressRange::new(lowest, end - lowest).map_err(|_| MapFailed)?;
        map_at(&mut tables, lowest, stack, Use::ReadWrite)?;
    }
    let root = tables.root_address().0 as u64;
    // SAFETY: the tables map all of the image and this core's stack to the same addresses, with the access that each
    // section needs; entry.s's tables mapped nothing else.
    unsafe { switch_tables(root) };
    tables.mark_active();
    *TABLES.lock() = Some(tables);
    Ok(root)
}

/// Maps `range` to itself for good.
pub(crate) fn map(range: AddressRange, what: Use) -> Result<(), MapFailed> {
    let mut tables = TABLES.lock();
    map_at(tables.as_mut().ok_or(MapFailed)?, range.start(), range, what)
}

/// Lets `work` use the memory of `range`, which is mapped only meanwhile.
///
/// # Safety
/// Nothing else may use this memory meanwhile: no part of spm, no partition, no device.
pub(crate) unsafe fn with_memory<R>(
    range: AddressRange,
    work: impl FnOnce(&mut [u8]) -> R,
) -> Result<R, MapFailed> {
    map(range, Use::ReadWrite)?;
    let start: *mut u8 = with_exposed_provenance_mut(to_usize(range.start()));
    // SAFETY: just mapped, readable and writable; by this function's contract it is nobody else's. Bytes have no invalid
    // values. A range does not wrap, and no machine has half the address space of memory.
    let bytes = unsafe { core::slice::from_raw_parts_mut(start, to_usize(range.size())) };
    let result = work(bytes);
    unmap_again(range);
    Ok(result)
}

/// Lets `look` read the registers in the page `page`, which are mapped meanwhile at the address that it is given.
pub(crate) fn with_registers<R>(page: AddressRange, look: impl FnOnce(usize) -> R) -> Result<R, MapFailed> {
    let _window = WINDOW_IN_USE.lock();
    map_to(WINDOW, page, Use::Device)?;
    let result = look(to_usize(WINDOW));
    unmap_from(WINDOW, page.size());
    Ok(result)
}

/// Writes zeros to `range`, in memory itself: nothing of it stays in a data cache. Others may access it at the same time.
pub(crate) fn zero(range: AddressRange, what: Use) -> Result<(), MapFailed> {
    let _window = WINDOW_IN_USE.lock();
    let mut at = range.start();
    while at < range.end() {
        let end = (at | (WINDOW_BYTES - 1)).saturating_add(1).min(range.end());
        let piece = AddressRange::new(at, end.saturating_sub(at)).map_err(|_| MapFailed)?;
        // As far behind a multiple of 2 MiB as the memory is, so that 2 MiB can be one block.
        let window = WINDOW + at % WINDOW_BYTES;
        map_to(window, piece, what)?;
        let first: *mut u64 = with_exposed_provenance_mut(to_usize(window));
        let words = to_usize(piece.size()) / size_of::<u64>();
        for word in 0..words {
            // SAFETY: just mapped, writable; aligned, since pages are. Volatile, and no reference is made: its owner may
            // access it at the same time.
            unsafe { first.wrapping_add(word).write_volatile(0) };
        }
        clean_and_invalidate_at(to_usize(window), to_usize(piece.size()));
        unmap_from(window, piece.size());
        at = end;
    }
    Ok(())
}

/// Ends what [`map`] did.
fn unmap_again(range: AddressRange) {
    if let Some(tables) = TABLES.lock().as_mut() {
        unmap(tables, range.start(), range.size());
    }
}

/// Maps `range` at the address `at`, where nothing is mapped, until [`unmap_from`].
pub(crate) fn map_to(at: u64, range: AddressRange, what: Use) -> Result<(), MapFailed> {
    let mut tables = TABLES.lock();
    map_at(tables.as_mut().ok_or(MapFailed)?, at, range, what)
}

/// Ends what [`map_to`] did for `bytes` at `at`.
pub(crate) fn unmap_from(at: u64, bytes: u64) {
    if let Some(tables) = TABLES.lock().as_mut() {
        unmap(tables, at, bytes);
    }
}
