// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of non-secure memory, where everything that SMMUs fetch for non-secure streams has to stand: the carve-out, and what
//! the hypervisor has lent.
//!
//! What a page holds may be written by the normal world where nobody guards the carve-out. So nothing is believed that
//! is read from there: which pages are free, and to whom the others belong, stands in [`PageSlot`]s in secure memory,
//! and an address that was read out of a page becomes a [`Page`] only by [`Pool::page_of`].

mod chunk;
mod quota;
mod word;

pub(crate) use chunk::zero_some;
pub use chunk::{Chunk, LentPages, MAX_CHUNK_PAGES, MAX_CHUNKS};
pub use quota::{Charge, Quota};
pub use word::Word;
#[cfg(feature = "watched-pool")]
pub use word::{Access, watch};

use crate::seeded::{Bug, seeded};
use crate::smmu::Invalidated;
use crate::sync::{AtomicU16, Mutex, Rank};
use crate::table::{ENTRIES, PAGE_BITS, PAGE_SIZE};
use chunk::Lent;
use core::fmt;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::PhysAddr;
use thiserror::Error;

/// Pages that a carve-out can have: 64 MiB.
pub const MAX_POOL_PAGES: usize = 1 << 14;
/// Owners that the bookkeeping can name.
pub const MAX_OWNERS: usize = 129;

/// The words of one page.
pub type PageWords = [Word; ENTRIES];

/// One page of the pool, known to be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(u16);

/// What a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The carve-out: it counts against its client's share of that.
    CarveOut,
    /// A chunk that was lent for its client.
    Lent,
}

/// To whom a page belongs: a slot of the domain table or, behind them, the identity domain; plus one. What is reserved at boot belongs to nobody and is
/// never freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u16);

impl Owner {
    /// Names the owner of a slot, or `None` where the bookkeeping cannot.
    #[must_use]
    pub fn new(slot: usize) -> Option<Self> {
        u16::try_from(slot + 1).ok().filter(|_| slot < MAX_OWNERS).map(Self)
    }

    fn slot(self) -> usize {
        usize::from(self.0).wrapping_sub(1)
    }
}

/// What secure memory knows of one page.
#[derive(Debug)]
pub struct PageSlot {
    owner: AtomicU16,
    next: AtomicU16,
    previous: AtomicU16,
}

impl Default for PageSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl PageSlot {
    /// Makes the slot of a page that was never handed out.
    #[must_use]
    pub const fn new() -> Self {
        // All zeros, so that an array of them takes no room in an image. Links are written before they are read.
        Self { owner: AtomicU16::new(FREE), next: AtomicU16::new(0), previous: AtomicU16::new(0) }
    }
}

/// Owner of a page that can be handed out.
const FREE: u16 = 0;
/// Owner of a page that was reserved at boot.
const RESERVED: u16 = u16::MAX;
/// End of a list.
const NONE: u16 = u16::MAX;

/// Why memory cannot be a pool, or a page cannot be returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// Base or size are not those of whole pages.
    #[error("the pool is not made of whole pages")]
    Unaligned,
    /// More pages than there is bookkeeping for.
    #[error("the pool has more pages than the service can keep account of")]
    TooLarge,
    /// Our own error: the page is free, or belongs to somebody else.
    #[error("a page was returned that does not belong to who returned it")]
    NotOwned,
}

/// Contiguous pages that were taken at boot for ever, zeroed.
#[derive(Clone, Copy)]
pub struct Reserved<'a> {
    /// Where they stand.
    pub base: PhysAddr,
    /// Their words.
    pub words: &'a [Word],
}

/// Where and how many, not what is in them: that may be megabytes.
impl fmt::Debug for Reserved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words at {:#x}", self.words.len(), self.base.0)
    }
}

/// The page allocator. Each operation takes a constant number of steps; one lock, held for some twenty instructions,
/// is innermost: nothing else is taken under it.
#[derive(Debug)]
pub struct Pool<'a> {
    pages: &'a [PageWords],
    slots: &'a [PageSlot],
    base: u64,
    /// Places for what is lent; there may be none.
    chunks: &'a [Chunk<'a>],
    lists: Mutex<Lists>,
}

/// Heads of the lists that run through the [`PageSlot`]s.
#[derive(Debug)]
struct Lists {
    /// Pages that were handed out before and came back.
    free: u16,
    /// From here up to `end` no page was ever handed out.
    fresh: u16,
    /// From here on pages are reserved.
    end: u16,
    /// Pages that can be handed out.
    available: u16,
    /// First page of each owner.
    owned: [u16; MAX_OWNERS],
    /// What was lent, by its place.
    chunks: [Lent; MAX_CHUNKS],
}

impl<'a> Pool<'a> {
    /// Makes a pool of memory at a physical address. `slots` must be new, and at least as many as there are pages.
    ///
    /// # Errors
    /// Where the memory is not whole pages, or `slots` is too short.
    pub fn new(words: &'a [Word], base: PhysAddr, slots: &'a [PageSlot]) -> Result<Self, PoolError> {
        let (pages, []) = words.as_chunks::<ENTRIES>() else { return Err(PoolError::Unaligned) };
        let size = (pages.len() as u64).checked_mul(PAGE_SIZE).ok_or(PoolError::TooLarge)?;
        if !base.0.is_multiple_of(PAGE_SIZE) || base.0.checked_add(size).is_none() {
            return Err(PoolError::Unaligned);
        }
        if pages.len() > MAX_POOL_PAGES {
            return Err(PoolError::TooLarge);
        }
        let slots = slots.get(..pages.len()).ok_or(PoolError::TooLarge)?;
        let end = u16::try_from(pages.len()).map_err(|_| PoolError::TooLarge)?;
        let lists = Lists {
            free: NONE,
            fresh: 0,
            end,
            available: end,
            owned: [NONE; MAX_OWNERS],
            chunks: [Lent::NONE; MAX_CHUNKS],
        };
        Ok(Self { pages, slots, base: base.0, chunks: &[], lists: Mutex::new(Rank::Pool, lists) })
    }

    /// Has places for memory that is lent. They must be new.
    #[must_use]
    pub fn with_chunks(self, chunks: &'a [Chunk<'a>; MAX_CHUNKS]) -> Self {
        Self { chunks, ..self }
    }

    /// Returns how many pages of the carve-out can still be handed out.
    #[must_use]
    pub fn available(&self) -> usize {
        usize::from(self.lists.lock().available)
    }

    /// Takes `count` contiguous pages for ever, aligned to `align` pages (a power of two), zeroed.
    ///
    /// For what a driver sets up at boot. `None` where there is no such run at the end of the pool.
    pub fn reserve(&self, count: usize, align: usize) -> Option<Reserved<'a>> {
        let base_page = usize::try_from(self.base >> PAGE_BITS).ok()?;
        let mask = align.checked_sub(1).filter(|mask| align & mask == 0)?;
        let mut lists = self.lists.lock();
        // The alignment is that of the address, not of the place in the pool.
        let aligned = (base_page + usize::from(lists.end).checked_sub(count)?) & !mask;
        let first = aligned.checked_sub(base_page).filter(|first| *first >= usize::from(lists.fresh))?;
        for slot in self.slots.get(first..usize::from(lists.end))? {
            slot.owner.store(RESERVED, Relaxed);
        }
        let new_end = u16::try_from(first).ok()?;
        lists.available = lists.available.saturating_sub(lists.end - new_end);
        lists.end = new_end;
        drop(lists);
        let pages = self.pages.get(first..first + count)?;
        pages.iter().for_each(zero);
        Some(Reserved {
            base: PhysAddr(self.base + ((first as u64) << PAGE_BITS)),
            words: pages.as_flattened(),
        })
    }

    /// Hands out a zeroed page of the carve-out to an owner, or `None` where there is none left.
    pub fn allocate(&self, owner: Owner) -> Option<Page> {
        self.allocate_filled(owner, |words| {
            if !seeded(Bug::OldPage) {
                zero(words);
            }
        })
    }

    /// Hands out a page to an owner that `fill` has written all of, or `None` where there is none left.
    pub(crate) fn allocate_filled(&self, owner: Owner, fill: impl FnOnce(&PageWords)) -> Option<Page> {
        let index = self.take(owner)?;
        fill(self.pages.get(usize::from(index))?);
        Some(Page(index))
    }

    fn take(&self, owner: Owner) -> Option<u16> {
        let mut lists = self.lists.lock();
        let index = if lists.free != NONE {
            let index = lists.free;
            lists.free = self.slot(index)?.next.load(Relaxed);
            index
        } else if lists.fresh < lists.end {
            let index = lists.fresh;
            lists.fresh = index + 1;
            index
        } else {
            return None;
        };
        lists.available = lists.available.saturating_sub(1);
        self.hand_out(&mut lists, index, owner)
    }

    /// Makes a page that was taken out of a list of free ones its owner's.
    fn hand_out(&self, lists: &mut Lists, index: u16, owner: Owner) -> Option<u16> {
        let slot = self.slot(index)?;
        let head = lists.owned.get_mut(owner.slot())?;
        if let Some(second) = self.slot(*head) {
            second.previous.store(index, Relaxed);
        }
        slot.owner.store(owner.0, Relaxed);
        slot.next.store(*head, Relaxed);
        slot.previous.store(NONE, Relaxed);
        *head = index;
        Some(index)
    }

    /// Takes a page back, and tells what it is of. `_proof` says that no SMMU can reach it any more.
    ///
    /// # Errors
    /// [`PoolError::NotOwned`] where the page is not the owner's, as after a double free; nothing changes then.
    pub fn free(&self, page: Page, owner: Owner, _proof: Invalidated) -> Result<Origin, PoolError> {
        let mut lists = self.lists.lock();
        self.release(&mut lists, page.0, owner)
    }

    /// Takes one of an owner's pages back, whichever, and tells what it is of, or `None` where there was none. `_proof` as in
    /// [`free`](Self::free), for all of the owner's pages.
    pub fn free_any(&self, owner: Owner, _proof: Invalidated) -> Option<Origin> {
        let mut lists = self.lists.lock();
        match lists.owned.get(owner.slot()) {
            None | Some(&NONE) => None,
            Some(&index) => self.release(&mut lists, index, owner).ok(),
        }
    }

    fn release(&self, lists: &mut Lists, index: u16, owner: Owner) -> Result<Origin, PoolError> {
        let slot =
            self.slot(index).filter(|slot| slot.owner.load(Relaxed) == owner.0).ok_or(PoolError::NotOwned)?;
        let (previous, next) = (slot.previous.load(Relaxed), slot.next.load(Relaxed));
        match (self.slot(previous), lists.owned.get_mut(owner.slot())) {
            (Some(before), _) => before.next.store(next, Relaxed),
            (None, Some(head)) => *head = next,
            (None, None) => return Err(PoolError::NotOwned),
        }
        if let Some(after) = self.slot(next) {
            after.previous.store(previous, Relaxed);
        }
        slot.owner.store(FREE, Relaxed);
        if usize::from(index) >= self.slots.len() {
            self.return_lent(lists, index);
            return Ok(Origin::Lent);
        }
        slot.next.store(lists.free, Relaxed);
        lists.free = index;
        lists.available = lists.available.saturating_add(1);
        Ok(Origin::CarveOut)
    }

    #[inline]
    fn slot(&self, index: u16) -> Option<&'a PageSlot> {
        self.slots.get(usize::from(index)).or_else(|| self.lent_slot(index))
    }

    /// Returns where a page stands.
    #[must_use]
    pub fn address(&self, page: Page) -> PhysAddr {
        if usize::from(page.0) >= self.pages.len() {
            return self.lent_address(page);
        }
        PhysAddr(self.base.wrapping_add(u64::from(page.0) << PAGE_BITS))
    }

    /// Returns the words of a page.
    #[must_use]
    pub fn words(&self, page: Page) -> Option<&'a PageWords> {
        self.pages.get(usize::from(page.0)).or_else(|| self.lent_words(page))
    }

    /// Tells to whom a page was given, by its slot: `None` for one that is free, reserved, or not of the pool.
    #[cfg(test)]
    #[cfg(feature = "interleavings")]
    pub(crate) fn given_to(&self, address: u64) -> Option<usize> {
        let index = u16::try_from(address.checked_sub(self.base)? >> PAGE_BITS).unwrap();
        match self.slot(index)?.owner.load(Relaxed) {
            FREE | RESERVED => None,
            owner => Some(Owner(owner).slot()),
        }
    }

    /// Finds an owner's page by its address, which may have been read from memory that others write.
    #[must_use]
    pub fn page_of(&self, address: PhysAddr, owner: Owner) -> Option<Page> {
        let behind = address.0.checked_sub(self.base).map(|behind| behind >> PAGE_BITS);
        let index = behind.and_then(|behind| u16::try_from(behind).ok());
        match index.and_then(|index| Some((index, self.slots.get(usize::from(index))?))) {
            Some((index, slot)) => (slot.owner.load(Relaxed) == owner.0).then_some(Page(index)),
            None => self.lent_page_of(address.0, owner),
        }
    }
}

fn zero(page: &PageWords) {
    // Eight at a time by hand: where code is built for size nobody else unrolls this, and a page has 512 words.
    for [a, b, c, d, e, f, g, h] in page.as_chunks().0 {
        a.store(0, Relaxed);
        b.store(0, Relaxed);
        c.store(0, Relaxed);
        d.store(0, Relaxed);
        e.store(0, Relaxed);
        f.store(0, Relaxed);
        g.store(0, Relaxed);
        h.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests;
