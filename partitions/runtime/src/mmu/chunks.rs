// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A second window, before [`Window`], for memory of the normal world that is this partition's to use for a long time: whoever maps
//! some is given its words, and gives them up before it is unmapped.
#![expect(unsafe_code, reason = "page tables and addresses of the window become references")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::mutex::SpinMutex;

use super::tables::{ADDRESS_SPACE, TABLE_ENTRIES};
use super::window::{forget, page_entry, publish};
use super::{MapError, PAGE_SIZE, Window};

/// The first address: what the table of pages before the last one translates.
const START: usize = ADDRESS_SPACE - 2 * TABLE_ENTRIES * PAGE_SIZE;
const PAGE_WORDS: usize = PAGE_SIZE / size_of::<AtomicU64>();
const _: () = assert!(Chunks::PLACES * Chunks::PAGES == TABLE_ENTRIES);

/// Level 3.
#[repr(C, align(4096))]
struct Table([AtomicU64; TABLE_ENTRIES]);

static TABLE: Table = Table([const { AtomicU64::new(0) }; TABLE_ENTRIES]);
/// How many pages are mapped at each place.
static MAPPED: [SpinMutex<usize>; Chunks::PLACES] = [const { SpinMutex::new(0) }; Chunks::PLACES];

/// Returns the address of the table.
pub(super) fn table() -> u64 {
    TABLE.0.as_ptr() as u64
}

/// The window.
#[derive(Clone, Copy, Debug)]
pub struct Chunks(());

impl Chunks {
    /// Places for memory.
    pub const PLACES: usize = 8;
    /// Pages of a place.
    pub const PAGES: usize = 64;

    /// Makes the window: it hangs on the tables of the other.
    #[must_use]
    pub const fn of(_window: Window) -> Self {
        Self(())
    }

    /// Maps pages of the normal world's RAM that follow each other, from a physical address on, at a place where nothing is mapped
    /// (write-back cacheable, read and write). Returns their words, which others may write at any time.
    ///
    /// # Errors
    /// [`MapError`]; nothing is mapped then.
    pub fn map(self, place: usize, first: u64, pages: usize) -> Result<&'static [AtomicU64], MapError> {
        let mut mapped = MAPPED.get(place).ok_or(MapError::BadRange)?.lock();
        if *mapped != 0 {
            return Err(MapError::Taken);
        }
        let last = (pages as u64).checked_mul(PAGE_SIZE as u64).and_then(|size| first.checked_add(size));
        let whole = first.is_multiple_of(PAGE_SIZE as u64);
        if pages == 0 || pages > Self::PAGES || !whole || last.is_none_or(|end| end > ADDRESS_SPACE as u64) {
            return Err(MapError::BadRange);
        }
        for (entry, page) in entries(place).iter().zip(0..=u64::MAX).take(pages) {
            let address = first.wrapping_add(page.wrapping_mul(PAGE_SIZE as u64));
            entry.store(page_entry(address), Ordering::Relaxed);
        }
        // The entries were invalid, and invalidated when they became so: no core has anything of them.
        publish();
        *mapped = pages;
        let words = core::ptr::with_exposed_provenance::<AtomicU64>(address(place, 0));
        // SAFETY: 1. The pages are mapped, readable and writable, until `unmap`, whose caller sees to it that nobody uses these
        // words any more. 2. The address is page-aligned and not 0. 3. `AtomicU64` allows others to write, any value is valid, and
        // whatever else this image knows of the same memory are atomic words, too.
        Ok(unsafe { core::slice::from_raw_parts(words, pages.wrapping_mul(PAGE_WORDS)) })
    }

    /// Unmaps a place. On return no core reaches what was mapped there.
    ///
    /// # Safety
    /// Nobody uses words any more that [`map`](Self::map) returned for this place.
    pub unsafe fn unmap(self, place: usize) {
        let Some(lock) = MAPPED.get(place) else { return };
        let mut mapped = lock.lock();
        for entry in entries(place) {
            entry.store(0, Ordering::Relaxed);
        }
        publish();
        for page in 0..*mapped {
            forget(address(place, page));
        }
        // SAFETY: barriers only wait: here until all cores have forgotten.
        unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
        *mapped = 0;
    }
}

/// Returns where a page of a place is mapped. Both are within the window, as is asserted above.
const fn address(place: usize, page: usize) -> usize {
    START.wrapping_add(place.wrapping_mul(Chunks::PAGES).wrapping_add(page).wrapping_mul(PAGE_SIZE))
}

/// Returns the entries of a place.
fn entries(place: usize) -> &'static [AtomicU64] {
    let first = place.wrapping_mul(Chunks::PAGES);
    TABLE.0.get(first..first.wrapping_add(Chunks::PAGES)).unwrap_or_default()
}
