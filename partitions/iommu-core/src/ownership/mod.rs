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
mod moves;
mod pins;

pub use account::{Holder, MAX_GUESTS};
pub use moves::{Change, PAGES_PER_MOVE, Refused};
pub use pins::{NoPins, Pins, Refusal};

use crate::client::Client;
use crate::policy::{MAX_MANAGED, Policy, Range};
use crate::table::{LeafSize, PAGE_BITS, PAGE_SIZE};
use account::Account;
use core::sync::atomic::{AtomicU16, AtomicU32, Ordering::Acquire};
use ffa_abi::{PageOwner, PageState, PhysAddr};
use heapless::Vec;
use spin::mutex::SpinMutex;

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
    managed: Vec<Managed<'a>, MAX_MANAGED>,
    pool: Range,
    counts: bool,
    /// One move at a time.
    moves: SpinMutex<()>,
}

/// One range of managed memory. They do not overlap each other or the pool: the policy was checked.
#[derive(Debug)]
struct Managed<'a> {
    first: u64,
    last: u64,
    /// Empty where nothing is counted.
    pages: &'a [AtomicU16],
    blocks: &'a [AtomicU32],
}

impl Managed<'_> {
    fn block_of(&self, address: u64) -> Option<usize> {
        usize::try_from((address >> BLOCK_BITS).checked_sub(self.first >> BLOCK_BITS)?).ok()
    }
}

impl<'a> Ownership<'a> {
    /// Reads who owns what at boot out of a checked policy. Nothing moves, and nothing is counted, without `accounts`.
    ///
    /// # Errors
    /// [`TooFewAccounts`].
    pub fn new(policy: &Policy, accounts: Option<Accounts<'a>>) -> Result<Self, TooFewAccounts> {
        let mut managed = Vec::new();
        let mut rest = accounts;
        for range in &policy.managed {
            let Some(end) = range.end() else { continue };
            let (pages, blocks) = match &mut rest {
                Some(Accounts { pages, blocks }) => {
                    let wanted = |count: u64| usize::try_from(count).map_err(|_| TooFewAccounts);
                    let (own, others) =
                        pages.split_at_checked(wanted(range.size >> PAGE_BITS)?).ok_or(TooFewAccounts)?;
                    *pages = others;
                    let count = ((end - 1) >> BLOCK_BITS) - (range.base >> BLOCK_BITS) + 1;
                    let (own_blocks, others) =
                        blocks.split_at_checked(wanted(count)?).ok_or(TooFewAccounts)?;
                    *blocks = others;
                    (own, own_blocks)
                }
                None => Default::default(),
            };
            let entry = Managed { first: range.base, last: end - 1, pages, blocks };
            managed.push(entry).map_err(|_| TooFewAccounts)?;
        }
        Ok(Self { managed, pool: policy.pool, counts: accounts.is_some(), moves: SpinMutex::new(()) })
    }

    /// Returns the memory as one that may be mapped where its pages allow it, or `None` where any byte of it is not managed.
    ///
    /// Takes a step for each managed range, eight at most. A range of memory that spans two of them is refused even
    /// where they touch: the policy would have made one of them. Whose each page is, is seen when it is pinned.
    #[must_use]
    pub fn check(&self, client: Client, base: PhysAddr, size: u64) -> Option<Owned> {
        match client {
            Client::Host => {}
        }
        self.find(base.0, size).map(|_| Owned { base, size })
    }

    /// Tells whose a page is, or `None` for what is nobody's.
    #[must_use]
    pub fn state(&self, address: PhysAddr) -> Option<PageState> {
        if self.pool.contains(&Range { base: address.0, size: 1 }) {
            return Some(PageState { owner: PageOwner::Pool, host_access: false, pins: 0 });
        }
        self.find(address.0, 1)?;
        let page = self.pages(address.0 & !(PAGE_SIZE - 1), 1).and_then(|pages| pages.first());
        // Where nothing is counted, all is as it was at boot.
        let account = page.map_or(Account::HOST, |page| Account::of(page.load(Acquire)));
        let block = self.block(address.0).map_or(0, |block| account::block_pins(block.load(Acquire)));
        let pins = u32::from(account.pins()).saturating_add(block.into());
        Some(PageState { owner: account.owner(), host_access: account.host_access(), pins })
    }

    /// Returns the first address behind all managed memory.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.managed.iter().map(|range| range.last.saturating_add(1)).max().unwrap_or(0)
    }

    /// Not inlined: it would stand in all that looks for accounts.
    #[inline(never)]
    fn find(&self, base: u64, size: u64) -> Option<&Managed<'a>> {
        let last = base.checked_add(size.checked_sub(1)?)?;
        self.managed.iter().find(|range| range.first <= base && last <= range.last)
    }

    /// Returns the accounts of pages, or `None` where one of them has none.
    fn pages(&self, base: u64, count: usize) -> Option<&'a [AtomicU16]> {
        let range = self.find(base, (count as u64).checked_mul(PAGE_SIZE)?)?;
        let first = usize::try_from(base.checked_sub(range.first)? >> PAGE_BITS).ok()?;
        range.pages.get(first..first.checked_add(count)?)
    }

    /// Returns the accounts of blocks, or `None` where one of them is not managed to its last byte.
    fn blocks(&self, base: u64, count: usize) -> Option<&'a [AtomicU32]> {
        let range = self.find(base, (count as u64).checked_mul(LeafSize::Block2M.bytes())?)?;
        let first = range.block_of(base)?;
        range.blocks.get(first..first.checked_add(count)?)
    }

    /// Returns the account of the block that a page is in, also where only a part of the block is managed.
    fn block(&self, address: u64) -> Option<&'a AtomicU32> {
        let range = self.find(address, 1)?;
        range.blocks.get(range.block_of(address)?)
    }
}

#[cfg(test)]
mod tests;
