// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that the hypervisor has lent: pages that are the pool's for a while, handed out to the tables of one holder.
//!
//! Such a chunk has a place, and its pages have numbers behind those of the carve-out. It is closed first, so that no page of it is
//! handed out any more, and removed when all have come back. Who brings chunks and takes them is in `service::pools`.

use super::{FREE, Lists, NONE, Owner, Page, PageSlot, PageWords, Pool, Word, zero};
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicU64, Mutex, Rank};
use crate::table::{ENTRIES, PAGE_BITS};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use ffa_abi::{PhysAddr, PoolHolder};

/// Chunks that there are at one time.
pub const MAX_CHUNKS: usize = 8;
/// Pages of a chunk.
pub const MAX_CHUNK_PAGES: usize = 64;

/// Set in the base of a chunk that is there.
const THERE: u64 = 1;

/// A place for a chunk.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// Where it stands, with [`THERE`]; or zero.
    base: AtomicU64,
    slots: [PageSlot; MAX_CHUNK_PAGES],
    /// How its pages are reached. Held for a few instructions.
    pages: Mutex<Option<&'a [PageWords]>>,
}

impl Default for Chunk<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunk<'_> {
    /// Returns where it stands, if it is there.
    fn base(&self) -> Option<u64> {
        let base = self.base.load(Acquire);
        (base & THERE != 0).then_some(base & !THERE)
    }

    /// Makes a place where nothing is.
    #[must_use]
    pub const fn new() -> Self {
        // All zeros, so that an array of them takes no room in an image.
        Self {
            base: AtomicU64::new(0),
            slots: [const { PageSlot::new() }; MAX_CHUNK_PAGES],
            pages: Mutex::new(Rank::Chunk, None),
        }
    }
}

/// Words that are zeroed in one message: those of 16 pages.
const ZEROED_AT_ONCE: usize = 16 * ENTRIES;

/// Zeroes some words, from one on, and returns from which on it is to be called again.
pub(crate) fn zero_some(words: &[Word], from: usize) -> usize {
    let end = from.saturating_add(ZEROED_AT_ONCE).min(words.len());
    let (pages, _) = words.get(from..end).unwrap_or_default().as_chunks();
    pages.iter().for_each(zero);
    end
}

/// What the lock of the lists guards of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent {
    /// First page that can be handed out.
    free: u16,
    /// How many can be.
    available: u16,
    /// How many there are.
    pages: u16,
    /// For whose tables; nobody's, where it is not there.
    holder: Option<PoolHolder>,
    /// Whether its pages are handed out.
    open: bool,
}

impl Lent {
    pub(super) const NONE: Self = Self { free: NONE, available: 0, pages: 0, holder: None, open: false };
}

/// What was lent for a holder, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LentPages {
    /// Those that can be handed out, or are.
    pub there: u32,
    /// Those in use.
    pub used: u32,
}

impl<'a> Pool<'a> {
    /// Makes memory a part of the pool, as the chunk of a place, for a holder. The memory is nobody's beside, has at most
    /// [`MAX_CHUNK_PAGES`] pages, and nothing is at the place: the caller knows.
    pub fn open(&self, place: usize, holder: PoolHolder, base: PhysAddr, words: &'a [Word]) {
        let (pages, _) = words.as_chunks::<ENTRIES>();
        let Some(chunk) = self.chunks.get(place) else { return };
        *chunk.pages.lock() = Some(pages);
        chunk.base.store(base.0 | THERE, Release);
        let mut lists = self.lists.lock();
        let first = self.first_of(place);
        let count = u16::try_from(pages.len().min(MAX_CHUNK_PAGES)).unwrap_or(0);
        let mut free = NONE;
        for (index, slot) in (first..first.saturating_add(count)).zip(&chunk.slots) {
            slot.owner.store(FREE, Relaxed);
            slot.next.store(free, Relaxed);
            free = index;
        }
        if let Some(lent) = lists.chunks.get_mut(place) {
            *lent = Lent { free, available: count, pages: count, holder: Some(holder), open: true };
        }
    }

    /// Returns the places that there are.
    pub(crate) fn chunk_places(&self) -> impl Iterator<Item = usize> + use<> {
        0..self.chunks.len()
    }

    /// Hands out nothing of a chunk any more. Returns how many of its pages are in use.
    pub fn close(&self, place: usize) -> u16 {
        let mut lists = self.lists.lock();
        let Some(lent) = lists.chunks.get_mut(place) else { return 0 };
        lent.open = false;
        lent.pages.saturating_sub(lent.available)
    }

    /// Removes a chunk that is closed and of which no page is in use. Nobody reaches its pages by way of the pool any more.
    pub fn remove(&self, place: usize) {
        let mut lists = self.lists.lock();
        if let Some(lent) = lists.chunks.get_mut(place) {
            *lent = Lent::NONE;
        }
        drop(lists);
        if let Some(chunk) = self.chunks.get(place) {
            chunk.base.store(0, Release);
            *chunk.pages.lock() = None;
        }
    }

    /// Counts what was lent for a holder. Of a chunk that is closed there are as many pages as are in use.
    #[must_use]
    pub fn lent(&self, holder: PoolHolder) -> LentPages {
        let lists = self.lists.lock();
        let mut all = LentPages::default();
        for lent in lists.chunks.iter().filter(|lent| lent.holder == Some(holder)) {
            let used = u32::from(lent.pages.saturating_sub(lent.available));
            all.there = all.there.saturating_add(if lent.open { lent.pages.into() } else { used });
            all.used = all.used.saturating_add(used);
        }
        all
    }

    /// Hands out a zeroed page that was lent for a holder, or `None` where there is none left.
    #[cold]
    pub(super) fn allocate_lent(&self, owner: Owner, holder: PoolHolder) -> Option<Page> {
        let mut lists = self.lists.lock();
        let may_use = |lent: &&mut Lent| {
            let its = lent.holder == Some(holder) || seeded(Bug::LentToAnybody);
            its && lent.open && lent.free != NONE
        };
        let lent = lists.chunks.iter_mut().find(may_use)?;
        let index = lent.free;
        lent.free = self.slot(index)?.next.load(Relaxed);
        lent.available = lent.available.saturating_sub(1);
        self.hand_out(&mut lists, index, owner)?;
        drop(lists);
        zero(self.words(Page(index))?);
        Some(Page(index))
    }

    /// Takes a page back into its chunk.
    pub(super) fn return_lent(&self, lists: &mut Lists, index: u16) {
        let place = self.place_of(index);
        let Some(lent) = place.and_then(|(place, _)| lists.chunks.get_mut(place)) else { return };
        if let Some(slot) = self.slot(index) {
            slot.next.store(lent.free, Relaxed);
        }
        lent.free = index;
        lent.available = lent.available.saturating_add(1);
    }

    /// Returns the number of a chunk's first page.
    fn first_of(&self, place: usize) -> u16 {
        let behind = self.pages.len().saturating_add(place.saturating_mul(MAX_CHUNK_PAGES));
        u16::try_from(behind).unwrap_or(NONE)
    }

    /// Returns in which chunk a page is, and where there; `None` for one of the carve-out.
    fn place_of(&self, index: u16) -> Option<(usize, usize)> {
        let behind = usize::from(index).checked_sub(self.pages.len())?;
        Some((behind / MAX_CHUNK_PAGES, behind % MAX_CHUNK_PAGES))
    }

    #[cold]
    pub(super) fn lent_slot(&self, index: u16) -> Option<&'a PageSlot> {
        let (place, page) = self.place_of(index)?;
        self.chunks.get(place)?.slots.get(page)
    }

    #[cold]
    pub(super) fn lent_address(&self, page: Page) -> PhysAddr {
        let found = self.place_of(page.0).and_then(|(place, page)| Some((self.chunks.get(place)?, page)));
        let address =
            |(chunk, page): (&Chunk<'_>, usize)| Some(chunk.base()?.wrapping_add((page as u64) << PAGE_BITS));
        // Whoever has the page keeps its chunk where it is; no table begins at the last address.
        PhysAddr(found.and_then(address).unwrap_or(u64::MAX))
    }

    #[cold]
    pub(super) fn lent_words(&self, page: Page) -> Option<&'a PageWords> {
        let (place, page) = self.place_of(page.0)?;
        let pages = *self.chunks.get(place)?.pages.lock();
        pages?.get(page)
    }

    /// Finds a page by its address, which may have been read from memory that others write.
    #[cold]
    pub(super) fn lent_page_of(&self, address: u64, owner: Owner) -> Option<Page> {
        for (place, chunk) in self.chunks.iter().enumerate() {
            let behind = chunk.base().and_then(|base| address.checked_sub(base));
            let page = behind.and_then(|behind| usize::try_from(behind >> PAGE_BITS).ok());
            let Some((page, slot)) = page.and_then(|page| Some((page, chunk.slots.get(page)?))) else {
                continue;
            };
            // Whoever owns it keeps it where it is. What is behind the end of a chunk nobody owns: another may begin there.
            if slot.owner.load(Relaxed) == owner.0 {
                return Some(Page(u16::try_from(page).ok()?.checked_add(self.first_of(place))?));
            }
        }
        None
    }
}
