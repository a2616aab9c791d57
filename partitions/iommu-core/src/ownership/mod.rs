// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose memory is whose, and which of it devices can reach.
//!
//! Managed memory is the kernel's at boot. Where the policy has a hypervisor, each page of it has an account: its owner,
//! whether the kernel may map it for its devices, and how many mappings there are (its pins). Only the hypervisor moves
//! pages, and none moves while it is pinned. Everything else (the pool, secure memory, registers, holes) is nobody's.
//!
//! | file | what lives there |
//! |---|---|
//! | `account` | the account of a page and of a block of 2 MiB: one atomic word each |
//! | `pins` | counting mappings |
//! | `moves` | taking pages from their owner and giving them back |
//! | `followers` | who is told of that meanwhile |
//!
//! # Order
//! A page is pinned *before* the entry that maps it is written, and unpinned *after* SMMUs have forgotten that entry. So while a
//! device can reach a page, its pins are not zero. A move marks its pages as moving, each only if it has no pins; a page that is
//! moving cannot be pinned. When all are marked, and only then, their owner changes. Account and pins are one word, so that
//! of a pin and a move that come at once one finds the other.
//!
//! A block of 2 MiB is pinned as one, in an account of its own, which also counts the pages in it that the kernel may not use:
//! a move closes the block before it looks at pages, and a block that is closed cannot be pinned.

mod account;
mod followers;
mod moves;
mod pins;

pub use account::{Holder, MAX_GUESTS};
pub use followers::{Followers, NoFollowers};
pub use moves::{Change, PAGES_PER_MOVE, Refused};
pub use pins::{NoPins, Pins, PinsOf, Refusal};

use crate::client::Client;
use crate::domain::lock;
use crate::policy::{Policy, Range};
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicU16, AtomicU32, Mutex, MutexGuard, Rank};
use crate::table::{LeafSize, PAGE_BITS, PAGE_SIZE};
use account::Account;
use core::sync::atomic::Ordering::Acquire;
use ffa_abi::ring::ListEntry;
use ffa_abi::{PageOwner, PageState, PhysAddr, Status};

/// log2 of the bytes of a block.
const BLOCK_BITS: u32 = LeafSize::Block2M.bytes().trailing_zeros();

/// Memory that a client may ask to map, as [`Ownership::check`] found: it is managed. Only that makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    base: PhysAddr,
    size: u64,
}

impl Owned {
    /// Returns the first address.
    #[must_use]
    pub const fn base(&self) -> PhysAddr {
        self.base
    }

    /// Returns the length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// Single pages that a client may ask to map, as [`Ownership::check_pages`] found. Only that makes them.
#[derive(Clone, Copy, Debug)]
pub struct OwnedPages<'e>(&'e [ListEntry]);

impl<'e> OwnedPages<'e> {
    /// Returns the pages: entries of one each.
    #[must_use]
    pub const fn entries(&self) -> &'e [ListEntry] {
        self.0
    }
}

/// Room for accounts, zeroed: an account of zeros is that of a page of the kernel's that is not mapped.
#[derive(Clone, Copy, Debug)]
pub struct Accounts<'a> {
    /// One for each managed page.
    pub pages: &'a [AtomicU16],
    /// One for each 2 MiB of each managed range, as [`Policy::managed_blocks`] counts them.
    pub blocks: &'a [AtomicU32],
}

/// There are fewer accounts than pages or blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFewAccounts;

/// Owners of pages.
#[derive(Debug)]
pub struct Ownership<'a> {
    policy: &'a Policy,
    /// Of all managed ranges, one after the other; none where nothing moves.
    accounts: Option<Accounts<'a>>,
    /// One move at a time.
    moves: Mutex<()>,
}

/// Where the accounts of a range of managed memory begin.
struct Place {
    /// Its first address.
    first: u64,
    pages: u64,
    blocks: u64,
}

impl<'a> Ownership<'a> {
    /// Reads who owns what at boot out of a checked policy. Nothing moves, and nothing is counted, without `accounts`.
    ///
    /// # Errors
    /// [`TooFewAccounts`].
    pub fn new(policy: &'a Policy, accounts: Option<Accounts<'a>>) -> Result<Self, TooFewAccounts> {
        let enough = |Accounts { pages, blocks }: Accounts<'_>| {
            pages.len() as u64 >= policy.managed_pages() && blocks.len() as u64 >= policy.managed_blocks()
        };
        if !accounts.is_none_or(enough) {
            return Err(TooFewAccounts);
        }
        Ok(Self { policy, accounts, moves: Mutex::new(Rank::Moves, ()) })
    }

    /// Returns the memory as one that may be mapped where its pages allow it, or `None` where any byte of it is not managed.
    ///
    /// Takes a step for each managed range, eight at most. A range of memory that spans two of them is refused even
    /// where they touch: the policy would have made one of them. Whose each page is, is seen when it is pinned.
    #[must_use]
    pub fn check(&self, client: Client, base: PhysAddr, size: u64) -> Option<Owned> {
        match client {
            // Where none of it moves, there are no others.
            Client::Host | Client::Held(_) => {}
        }
        self.find(base.0, size).map(|_| Owned { base, size })
    }

    /// As [`check`](Self::check), for memory as a client names it.
    ///
    /// # Errors
    /// [`Status::OutOfRange`] for none, or past the end of all addresses; [`Status::Denied`].
    pub fn claim(&self, client: Client, base: PhysAddr, size: u64) -> Result<Owned, Status> {
        if size == 0 || base.0.checked_add(size).is_none() {
            return Err(Status::OutOfRange);
        }
        self.check(client, base, size).ok_or(Status::Denied)
    }

    /// Returns those entries, from the first one on, that are each one page that [`check`](Self::check) would return.
    // Apart from its caller, which has enough to keep in registers.
    #[inline(never)]
    pub fn check_pages<'e>(&self, client: Client, entries: &'e [ListEntry]) -> OwnedPages<'e> {
        match client {
            // Where none of it moves, there are no others.
            Client::Host | Client::Held(_) => {}
        }
        // The managed range that the entry before was in: its first address, and its last page's.
        let (mut first, mut last) = (u64::MAX, 0);
        let mut count = 0_usize;
        for entry in entries {
            let page = entry.address();
            if entry.bytes() != PAGE_SIZE {
                break;
            }
            if page < first || page > last {
                let around = |range: &&Range| range.contains(&Range { base: page, size: PAGE_SIZE });
                let Some(range) = self.policy.managed.iter().find(around) else { break };
                (first, last) = (range.base, range.end().unwrap_or(0).saturating_sub(PAGE_SIZE));
            }
            count = count.wrapping_add(1);
        }
        OwnedPages(entries.get(..count).unwrap_or_default())
    }

    /// Tells whose a page is, or `None` for what is nobody's.
    #[must_use]
    pub fn state(&self, address: PhysAddr) -> Option<PageState> {
        if self.policy.pool.contains(&Range { base: address.0, size: 1 }) {
            return Some(PageState { owner: PageOwner::Pool, host_access: false, pins: 0 });
        }
        self.find(address.0, 1)?;
        let page = self.pages(address.0 & !(PAGE_SIZE - 1), 1).and_then(|pages| pages.first());
        // Where nothing is counted, all is as it was at boot.
        let account = page.map_or(Account::HOST, |page| Account::of(page.load(Acquire)));
        let block = self.block(address.0).map_or(0, |block| account::block_pins(block.load(Acquire)));
        let pins =
            u32::from(account.pins()).saturating_add(account.own_pins().into()).saturating_add(block.into());
        Some(PageState { owner: account.owner(), host_access: account.host_access(), pins })
    }

    /// Keeps pages from moving while the answer lives.
    ///
    /// # Errors
    /// [`Status::Busy`] while some do.
    pub(crate) fn while_nothing_moves(&self) -> Result<MutexGuard<'_, ()>, Status> {
        lock::lock(&self.moves)
    }

    /// Returns the first address behind all managed memory.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.policy.managed.iter().filter_map(Range::end).max().unwrap_or(0)
    }

    /// Finds the range of managed memory that holds all of this. They do not overlap each other or the pool: the policy was
    /// checked.
    ///
    /// Not inlined: it would stand in all that looks for accounts.
    #[inline(never)]
    fn find(&self, base: u64, size: u64) -> Option<Place> {
        let (mut pages, mut blocks) = (0_u64, 0_u64);
        if seeded(Bug::PoolMapped) && self.policy.pool.contains(&Range { base, size }) {
            return Some(Place { first: self.policy.pool.base, pages, blocks });
        }
        for range in &self.policy.managed {
            let beyond = if seeded(Bug::OwnershipOffByOne) { PAGE_SIZE } else { 0 };
            let reach = Range { size: range.size.wrapping_add(beyond), ..*range };
            if reach.contains(&Range { base, size }) {
                return Some(Place { first: range.base, pages, blocks });
            }
            pages = pages.wrapping_add(range.size >> PAGE_BITS);
            blocks = blocks.wrapping_add(range.blocks());
        }
        None
    }

    /// Returns the accounts of pages, or `None` where one of them has none.
    fn pages(&self, base: u64, count: usize) -> Option<&'a [AtomicU16]> {
        let place = self.find(base, (count as u64).checked_mul(PAGE_SIZE)?)?;
        let first = place.pages.wrapping_add(base.wrapping_sub(place.first) >> PAGE_BITS);
        let first = usize::try_from(first).ok()?;
        self.accounts?.pages.get(first..first.checked_add(count)?)
    }

    /// Returns the accounts of blocks, or `None` where one of them is not managed to its last byte.
    fn blocks(&self, base: u64, count: usize) -> Option<&'a [AtomicU32]> {
        let place = self.find(base, (count as u64).checked_mul(LeafSize::Block2M.bytes())?)?;
        let first = place.block_of(base)?;
        self.accounts?.blocks.get(first..first.checked_add(count)?)
    }

    /// Returns the account of the block that a page is in, also where only a part of the block is managed.
    fn block(&self, address: u64) -> Option<&'a AtomicU32> {
        let place = self.find(address, 1)?;
        self.accounts?.blocks.get(place.block_of(address)?)
    }
}

impl Place {
    fn block_of(&self, address: u64) -> Option<usize> {
        let behind = (address >> BLOCK_BITS).wrapping_sub(self.first >> BLOCK_BITS);
        usize::try_from(self.blocks.wrapping_add(behind)).ok()
    }
}

#[cfg(test)]
mod tests;
