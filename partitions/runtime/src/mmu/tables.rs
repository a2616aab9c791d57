// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the page tables lie, and the one mapping that they make up.
#![expect(unsafe_code, reason = "page tables are reached by their addresses")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_paging::Mapping;
use aarch64_paging::descriptor::{Descriptor, El1Attributes, PhysicalAddress};
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PageTable, Translation, VaRange};
use spin::mutex::SpinMutex;

use super::MapError;
use crate::stop::stop;

/// Tables in the pool: the image needs 5 if it does not cross a 1 GiB boundary, each later range at most 5.
const TABLES: usize = 48;
/// Level 0 roots translate 48 bits: enough for RAM above 512 GiB, as on sbsa-ref.
const ROOT_LEVEL: usize = 0;
/// The end of the address space, in bytes.
pub(super) const ADDRESS_SPACE: usize = 1 << 48;
/// Entries of a table.
pub(super) const TABLE_ENTRIES: usize = 512;
/// What an entry of a level 0, 1 and 2 table spans, in bytes.
const SPANS: [usize; 3] = [1 << 39, 1 << 30, 1 << 21];

type Table = PageTable<El1Attributes>;

struct Pool([UnsafeCell<MaybeUninit<Table>>; TABLES]);

// SAFETY: a table is handed out once (`Tables::next` only grows) and then belongs to the mapping behind `MAPPING`'s lock.
unsafe impl Sync for Pool {}

// SAFETY: the section is for page tables, aligned and writable, and is not initialised; nor need this value be.
#[unsafe(link_section = ".tables")]
static POOL: Pool = Pool([const { UnsafeCell::new(MaybeUninit::uninit()) }; TABLES]);
static MAPPING: SpinMutex<Option<Mapping<Tables, El1And0>>> = SpinMutex::new(None);

unsafe extern "C" {
    /// Zeroes whole pages, with translation off as well (entry.rs).
    fn sp_zero(start: *mut MaybeUninit<Table>, end: *mut MaybeUninit<Table>);
}

/// The tables of the pool that are not in use.
struct Tables {
    next: usize,
}

impl Translation<El1Attributes> for Tables {
    fn allocate_table(&mut self) -> (NonNull<Table>, PhysicalAddress) {
        // `needed` is checked before each mapping, so that there always is one.
        let Some(cell) = POOL.0.get(self.next) else { stop() };
        self.next += 1;
        let table = cell.get();
        // SAFETY: the table was not handed out before, so that nobody else reaches it. It is a page.
        unsafe { sp_zero(table, table.wrapping_add(1)) };
        match NonNull::new(table.cast()) {
            Some(pointer) => (pointer, PhysicalAddress(table as usize)),
            None => stop(),
        }
    }

    unsafe fn deallocate_table(&mut self, _table: NonNull<Table>) {
        // Nothing is unmapped, so no table comes back.
    }

    fn physical_to_virtual(&self, address: PhysicalAddress) -> NonNull<Table> {
        match NonNull::new(address.0 as *mut Table) {
            Some(pointer) => pointer,
            None => stop(),
        }
    }
}

/// Makes the mapping, with what `fill` puts into it: ranges that are apart. Returns its root, and the end of what its tables
/// take of the pool. Once, before translation is on.
pub(super) fn create(
    fill: impl FnOnce(&mut dyn FnMut(Range<usize>, El1Attributes) -> Result<(), MapError>) -> Result<(), MapError>,
) -> Result<(PhysicalAddress, u64), MapError> {
    // SAFETY: one vCPU runs, and it takes no lock meanwhile. A lock would need exclusive accesses, which do not work
    // while translation is off.
    let mapping = unsafe { &mut *MAPPING.as_mut_ptr() };
    let tables = Tables { next: 0 };
    let mapping =
        mapping.insert(Mapping::with_asid_and_va_range(tables, 0, ROOT_LEVEL, El1And0, VaRange::Lower));
    fill(&mut |range, attributes| put(mapping, range, attributes))?;
    let end = POOL.0.as_ptr().wrapping_add(mapping.translation().next);
    Ok((mapping.root_address(), end as u64))
}

/// Tells the mapping that it is in use: from now on it invalidates the TLB. Once, right after translation is on.
pub(crate) fn mark_active() {
    if let Some(mapping) = MAPPING.lock().as_ref() {
        mapping.mark_active();
    }
}

/// Has the last entry of the root lead to `table`, whose entries are none of the mapping's. Once, while translation is on.
pub(super) fn lead_to_window(table: &'static [AtomicU64; TABLE_ENTRIES]) -> Result<(), MapError> {
    let mapping = MAPPING.lock();
    let root = mapping.as_ref().ok_or(MapError::NoTables)?.root_address().0;
    let last = core::ptr::with_exposed_provenance::<AtomicU64>(root).wrapping_add(TABLE_ENTRIES - 1);
    // SAFETY: 1. The root is a page of the pool, mapped, readable and writable, for ever. 2. It is reached under the lock of the
    // mapping, which is held, and by the core's walks, which allow any change. 3. It is a word of 64 bits, aligned to that.
    let last = unsafe { &*last };
    let leads = table.as_ptr() as u64
        | El1Attributes::TABLE_OR_PAGE.bits() as u64
        | El1Attributes::VALID.bits() as u64;
    last.compare_exchange(0, leads, Ordering::Release, Ordering::Relaxed)
        .map(|_| ())
        .map_err(|_| MapError::Taken)
}

/// Adds `range` to the mapping that is in use, unless part of it is mapped.
pub(super) fn map_live(range: Range<usize>, attributes: El1Attributes) -> Result<(), MapError> {
    match MAPPING.lock().as_mut() {
        Some(mapping) => map(mapping, range, attributes),
        None => Err(MapError::NoTables),
    }
}

fn map(
    mapping: &mut Mapping<Tables, El1And0>,
    range: Range<usize>,
    attributes: El1Attributes,
) -> Result<(), MapError> {
    let region = MemoryRegion::new(range.start, range.end);
    let mut refuse_mapped = |_: &MemoryRegion, entry: &Descriptor<El1Attributes>, _: usize| {
        if entry.is_valid() { Err(()) } else { Ok(()) }
    };
    mapping.walk_range(&region, &mut refuse_mapped).map_err(|_| MapError::Taken)?;
    put(mapping, range, attributes)
}

/// Maps `range`, of which nothing is mapped.
fn put(
    mapping: &mut Mapping<Tables, El1And0>,
    range: Range<usize>,
    attributes: El1Attributes,
) -> Result<(), MapError> {
    let free = TABLES - mapping.translation().next;
    if needed(&range) > free {
        return Err(MapError::NoTables);
    }
    let region = MemoryRegion::new(range.start, range.end);
    let address = PhysicalAddress(range.start);
    mapping.map_range(&region, address, attributes, Constraints::empty()).map_err(|_| MapError::BadRange)
}

/// Returns how many new tables a mapping of `range` takes at most: one for each entry that is covered in part, of which
/// there are two at each level. Level 0 has no blocks, so there each entry that is touched counts.
fn needed(range: &Range<usize>) -> usize {
    let [level0, level1, level2] = SPANS.map(|span| (range.end - 1) / span - range.start / span + 1);
    level0 + level1.min(2) + level2.min(2)
}
