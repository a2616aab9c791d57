// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages for the translation tables of spm's own stage 1, from a pool in the image. Partitions' tables are in stage2.rs.
//!
//! `aarch64-paging` asks for a table in the middle of an update and cannot be told that there is none. So whoever maps
//! first checks [`available`] against the worst case (spm_core::table_budget).
#![expect(unsafe_code, reason = "hands out memory")]

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use aarch64_paging::descriptor::{PagingAttributes, PhysicalAddress};
use aarch64_paging::paging::{PageTable, Translation};
use heapless::Vec;
use spin::mutex::SpinMutex;

/// Tables in the pool: about ten for what is always mapped, windows among it, and up to 16 for packages, which are mapped
/// while they are loaded. Those keep their tables, but nobody maps anything at places of its own choice after the boot.
const TABLES: usize = 32;
const PAGE_BYTES: usize = 4096;

#[repr(C, align(4096))]
struct Page(UnsafeCell<[u8; PAGE_BYTES]>);

// SAFETY: a page is only reached by whoever took its number from FREE.
unsafe impl Sync for Page {}

#[expect(clippy::declare_interior_mutable_const, reason = "initial value of an array's elements")]
const EMPTY: Page = Page(UnsafeCell::new([0; PAGE_BYTES]));
static PAGES: [Page; TABLES] = [EMPTY; TABLES];

struct Free {
    /// Pages from here on were never given out.
    unused: usize,
    /// Pages given back.
    returned: Vec<usize, TABLES>,
}

static FREE: SpinMutex<Free> = SpinMutex::new(Free { unused: 0, returned: Vec::new() });

/// Returns how many tables can still be had.
pub(crate) fn available() -> u64 {
    let free = FREE.lock();
    TABLES.saturating_sub(free.unused).saturating_add(free.returned.len()) as u64
}

/// The pool, with addresses that are the same for the CPU and its table walks.
#[derive(Clone, Copy)]
pub(crate) struct Pool;

impl<A: PagingAttributes> Translation<A> for Pool {
    #[expect(clippy::indexing_slicing, reason = "a miscount is a bug of spm's and stops it")]
    fn allocate_table(&mut self) -> (NonNull<PageTable<A>>, PhysicalAddress) {
        let mut free = FREE.lock();
        let returned = free.returned.pop();
        let index = returned.unwrap_or_else(|| {
            let first = free.unused;
            free.unused = first.saturating_add(1);
            first
        });
        // Whoever maps has checked that there are enough.
        let page = &PAGES[index];
        // One that was never given out holds zeros still.
        if returned.is_some() {
            // SAFETY: the page's number was just taken out of FREE, so nobody else reaches it.
            unsafe { page.0.get().write_bytes(0, 1) };
        }
        let table = NonNull::from(&page.0).cast::<PageTable<A>>();
        (table, PhysicalAddress(table.addr().get()))
    }

    unsafe fn deallocate_table(&mut self, table: NonNull<PageTable<A>>) {
        let offset = table.addr().get().wrapping_sub(PAGES.as_ptr().addr());
        // The pool has room for the number of every page; one that is not given back is only lost.
        _ = FREE.lock().returned.push(offset / PAGE_BYTES);
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an address outside of the pool is a bug of spm's and stops it"
    )]
    fn physical_to_virtual(&self, address: PhysicalAddress) -> NonNull<PageTable<A>> {
        let offset = address.0.wrapping_sub(PAGES.as_ptr().addr());
        let page = &PAGES[offset / PAGE_BYTES];
        NonNull::from(&page.0).cast()
    }
}
