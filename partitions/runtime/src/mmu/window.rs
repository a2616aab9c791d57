// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A window of this partition's addresses for memory of the normal world that comes and goes. Everything else is mapped where it
//! is, and for ever.
//!
//! It is at the end of the address space, where no other mapping may be, and has tables of its own: messages of others change
//! them, and what that takes is bounded.
#![expect(unsafe_code, reason = "page tables and addresses of the window become references")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use aarch64_paging::descriptor::El1Attributes;
use spin::rwlock::RwLock;

use super::attributes::{DATA, of_world};
use super::tables::{ADDRESS_SPACE, TABLE_ENTRIES, lead_to_window};
use super::{MapError, PAGE_SIZE, World, chunks};

/// What the root's last entry translates is kept free for the window.
pub(super) const RESERVED: usize = ADDRESS_SPACE - (1 << 39);
/// The first address: what the last table of pages translates.
const START: usize = ADDRESS_SPACE - TABLE_ENTRIES * PAGE_SIZE;
/// Pages of a place, and as many behind it that are never mapped.
const STRIDE: usize = 2 * Window::PAGES;
const _: () = assert!(Window::PLACES * STRIDE <= TABLE_ENTRIES);

const PAGE_WORDS: usize = PAGE_SIZE / size_of::<AtomicU64>();

/// Levels 1, 2 and 3.
#[repr(C, align(4096))]
struct Tables([[AtomicU64; TABLE_ENTRIES]; 3]);

static TABLES: Tables = Tables([const { [const { AtomicU64::new(0) }; TABLE_ENTRIES] }; 3]);
/// How many pages are mapped at each place. Who reads there holds its lock.
static MAPPED: [RwLock<usize>; Window::PLACES] = [const { RwLock::new(0) }; Window::PLACES];

/// Bits that an entry has which leads to a table, and a page's (Arm ARM, D8.3.1).
const ENTRY: u64 = (El1Attributes::VALID.bits() | El1Attributes::TABLE_OR_PAGE.bits()) as u64;

/// Somebody uses the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InUse;

/// The window.
#[derive(Clone, Copy, Debug)]
pub struct Window(());

impl Window {
    /// Places for memory.
    pub const PLACES: usize = 8;
    /// Pages of a place.
    pub const PAGES: usize = 4;

    /// Makes the window. Once.
    ///
    /// # Errors
    /// [`MapError::Taken`] the second time.
    pub fn new() -> Result<Self, MapError> {
        let [level1, level2, level3] = &TABLES.0;
        let ([.., to_level2], [.., to_chunks, to_level3]) = (level1, level2);
        to_chunks.store(chunks::table() | ENTRY, Ordering::Relaxed);
        to_level3.store(level3.as_ptr() as u64 | ENTRY, Ordering::Relaxed);
        to_level2.store(level2.as_ptr() as u64 | ENTRY, Ordering::Relaxed);
        lead_to_window(level1)?;
        publish();
        Ok(Self(()))
    }

    /// Maps pages of the normal world's RAM, by their physical addresses, at a place where nothing is mapped (write-back cacheable,
    /// read and write).
    ///
    /// # Errors
    /// [`MapError`]; nothing is mapped then.
    pub fn map(self, place: usize, pages: &[u64]) -> Result<(), MapError> {
        let mut mapped = MAPPED.get(place).ok_or(MapError::BadRange)?.try_write().ok_or(MapError::Taken)?;
        if *mapped != 0 {
            return Err(MapError::Taken);
        }
        let whole = |page: &u64| page.is_multiple_of(PAGE_SIZE as u64) && *page < ADDRESS_SPACE as u64;
        if pages.is_empty() || pages.len() > Self::PAGES || !pages.iter().all(whole) {
            return Err(MapError::BadRange);
        }
        for (entry, page) in entries(place).iter().zip(pages) {
            entry.store(page_entry(*page), Ordering::Relaxed);
        }
        // The entries were invalid, and invalidated when they became so: no core has anything of them.
        publish();
        *mapped = pages.len();
        Ok(())
    }

    /// Calls `use_it` with what is mapped at a place, as words that others may write at any time; `None` where nothing is, or it is
    /// being mapped or unmapped.
    pub fn with<R>(self, place: usize, use_it: impl FnOnce(&[AtomicU64]) -> R) -> Option<R> {
        let mapped = MAPPED.get(place)?.try_read()?;
        if *mapped == 0 {
            return None;
        }
        // SAFETY: a barrier only orders: here what this core does next behind what it saw of the mapping, which another core may
        // have made.
        unsafe { asm!("isb", options(nostack, preserves_flags)) };
        let first = core::ptr::with_exposed_provenance::<AtomicU64>(address(place, 0));
        // SAFETY: 1. `map` mapped these pages, readable and writable, and `unmap` cannot while the lock is held, which the
        // reference does not outlive. 2. The address is page-aligned and not 0. 3. `AtomicU64` allows others to write, any value
        // is valid, and whatever else this image knows of the same memory are atomic words, too.
        let words = unsafe { core::slice::from_raw_parts(first, mapped.wrapping_mul(PAGE_WORDS)) };
        Some(use_it(words))
    }

    /// Unmaps a place. On return no core reaches what was mapped there.
    ///
    /// # Errors
    /// [`InUse`].
    pub fn unmap(self, place: usize) -> Result<(), InUse> {
        let Some(lock) = MAPPED.get(place) else { return Ok(()) };
        let mut mapped = lock.try_write().ok_or(InUse)?;
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
        Ok(())
    }
}

/// Returns where a page of a place is mapped. Both are within the window, as is asserted above.
const fn address(place: usize, page: usize) -> usize {
    START.wrapping_add(place.wrapping_mul(STRIDE).wrapping_add(page).wrapping_mul(PAGE_SIZE))
}

/// Returns the entries of a place.
fn entries(place: usize) -> &'static [AtomicU64] {
    let [_, _, level3] = &TABLES.0;
    let first = place.wrapping_mul(STRIDE);
    level3.get(first..first.wrapping_add(Window::PAGES)).unwrap_or_default()
}

/// Returns the entry that maps a page of the normal world's RAM.
pub(super) const fn page_entry(page: u64) -> u64 {
    page | DATA.union(of_world(World::NonSecure)).bits() as u64 | ENTRY
}

/// Has all cores forget the translation of a page. A barrier has to follow.
pub(super) fn forget(address: usize) {
    // TLBI VAAE1IS: bits 43:0 are bits 55:12 of the address (Arm ARM, C5.5.48).
    let operand = address as u64 / PAGE_SIZE as u64;
    // SAFETY: forgetting a translation changes nothing but that accesses look it up again.
    unsafe { asm!("tlbi vaae1is, {}", in(reg) operand, options(nostack, preserves_flags)) };
}

/// Makes entries visible to the walks of all cores.
pub(super) fn publish() {
    // SAFETY: barriers only wait and order.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
}
