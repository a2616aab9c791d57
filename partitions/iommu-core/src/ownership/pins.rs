// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Counting the mappings of memory, so that none is left when a page moves.

use super::account::{self, Account, Holder};
use super::{BLOCK_BITS, Ownership};
use crate::client::Client;
use crate::seeded::{Bug, seeded};
use crate::table::LeafSize;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ffa_abi::PhysAddr;

/// Why memory cannot be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The kernel may not map it.
    Denied,
    /// It is changing its owner now.
    Moving,
    /// It is pinned as often as can be counted.
    Saturated,
}

/// Who is told of every leaf, before it is written and after SMMUs have forgotten it.
pub trait Pins {
    /// Pins memory of `count` leaves from an address on, for the kernel. Returns how many of them, from the first one on, are
    /// pinned now.
    ///
    /// # Errors
    /// Why the first one is not.
    fn pin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) -> Result<usize, Refusal>;

    /// Takes back one pin of each of `count` leaves. Where an address or a count comes from a table that somebody wrote in, what
    /// has no pins keeps none.
    fn unpin(&self, memory: PhysAddr, leaf: LeafSize, count: usize);

    /// Tells whether anything is counted at all.
    fn counts(&self) -> bool;

    /// Returns how many accounts change with a leaf, which is work that a call has a bound for.
    fn cost(&self, leaf: LeafSize) -> usize {
        match leaf {
            LeafSize::Block1G if self.counts() => BLOCKS_OF_1G,
            LeafSize::Block1G | LeafSize::Block2M | LeafSize::Page4K => 1,
        }
    }
}

/// Nothing is counted.
#[derive(Clone, Copy, Debug)]
pub struct NoPins;

impl Pins for NoPins {
    fn pin(&self, _memory: PhysAddr, _leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
        Ok(count)
    }

    fn unpin(&self, _memory: PhysAddr, _leaf: LeafSize, _count: usize) {}

    fn counts(&self) -> bool {
        false
    }
}

/// 1 GiB is pinned as its blocks.
const BLOCKS_OF_1G: usize = 1 << (LeafSize::Block1G.bytes().trailing_zeros() - BLOCK_BITS);

/// The accounts as one client's mappings change them.
#[derive(Clone, Copy, Debug)]
pub struct PinsOf<'o> {
    ownership: &'o Ownership<'o>,
    client: Client,
}

impl<'o> PinsOf<'o> {
    /// Has mappings counted as this client's.
    #[must_use]
    pub const fn new(ownership: &'o Ownership<'o>, client: Client) -> Self {
        Self { ownership, client }
    }
}

impl Pins for PinsOf<'_> {
    #[inline]
    fn pin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
        match self.client {
            Client::Host => self.ownership.pin(memory, leaf, count),
            Client::Held(holder) => self.ownership.pin_own(holder, memory, leaf, count),
        }
    }

    #[inline]
    fn unpin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) {
        match self.client {
            Client::Host => self.ownership.unpin(memory, leaf, count),
            Client::Held(_) => self.ownership.unpin_own(memory, leaf, count),
        }
    }

    fn counts(&self) -> bool {
        self.ownership.counts()
    }
}

impl Pins for Ownership<'_> {
    fn pin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) -> Result<usize, Refusal> {
        if self.accounts.is_none() {
            return Ok(count);
        }
        match leaf {
            LeafSize::Page4K => self.pin_pages(memory, count),
            LeafSize::Block2M => self.pin_blocks(memory, count),
            LeafSize::Block1G => {
                let blocks = self.pin_blocks(memory, count.saturating_mul(BLOCKS_OF_1G))?;
                let whole = blocks / BLOCKS_OF_1G;
                let behind = memory.0.saturating_add(leaf.bytes().saturating_mul(whole as u64));
                if !seeded(Bug::GigabyteHalfPinned) {
                    self.unpin(PhysAddr(behind), LeafSize::Block2M, blocks % BLOCKS_OF_1G);
                }
                if whole == 0 { Err(Refusal::Denied) } else { Ok(whole) }
            }
        }
    }

    fn unpin(&self, memory: PhysAddr, leaf: LeafSize, count: usize) {
        if self.accounts.is_none() {
            return;
        }
        match leaf {
            LeafSize::Page4K => {
                let base = memory.0 & !(leaf.bytes() - 1);
                for page in self.pages(base, count).unwrap_or_default() {
                    let less = |word| Account::of(word).unpinned().map(Account::word);
                    // Release: whoever finds no pins comes after what SMMUs did by this one.
                    let _ = page.fetch_update(Release, Relaxed, less);
                }
            }
            LeafSize::Block2M => {
                let base = memory.0 & !(leaf.bytes() - 1);
                for block in self.blocks(base, count).unwrap_or_default() {
                    let _ = block.fetch_update(Release, Relaxed, account::block_unpinned);
                }
            }
            LeafSize::Block1G => self.unpin(
                PhysAddr(memory.0 & !(leaf.bytes() - 1)),
                LeafSize::Block2M,
                count.saturating_mul(BLOCKS_OF_1G),
            ),
        }
    }

    fn counts(&self) -> bool {
        self.accounts.is_some()
    }
}

impl Ownership<'_> {
    /// Pins pages for their holder. Blocks have no account of it: its memory is mapped page by page.
    fn pin_own(
        &self,
        holder: Holder,
        memory: PhysAddr,
        leaf: LeafSize,
        count: usize,
    ) -> Result<usize, Refusal> {
        if leaf != LeafSize::Page4K {
            return Err(Refusal::Denied);
        }
        let pages = self.pages(memory.0, count).ok_or(Refusal::Denied)?;
        for (done, page) in (0..pages.len()).zip(pages) {
            let more = |word| Account::of(word).own_pinned(holder).map(Account::word);
            if let Err(word) = page.fetch_update(AcqRel, Acquire, more) {
                let account = Account::of(word);
                return match (done, account.holder() == Some(holder)) {
                    (1.., _) => Ok(done),
                    (0, true) if account.is_moving() => Err(Refusal::Moving),
                    (0, true) => Err(Refusal::Saturated),
                    (0, false) => Err(Refusal::Denied),
                };
            }
        }
        Ok(pages.len())
    }

    fn unpin_own(&self, memory: PhysAddr, leaf: LeafSize, count: usize) {
        if leaf != LeafSize::Page4K {
            return;
        }
        for page in self.pages(memory.0 & !(leaf.bytes() - 1), count).unwrap_or_default() {
            let less = |word| Account::of(word).own_unpinned().map(Account::word);
            // Release: as for the kernel's.
            let _ = page.fetch_update(Release, Relaxed, less);
        }
    }

    fn pin_pages(&self, memory: PhysAddr, count: usize) -> Result<usize, Refusal> {
        let pages = self.pages(memory.0, count).ok_or(Refusal::Denied)?;
        for (done, page) in (0..pages.len()).zip(pages) {
            let more = |word| Account::of(word).pinned().map(Account::word);
            if let Err(word) = page.fetch_update(AcqRel, Acquire, more) {
                return if done == 0 { Err(refusal(Account::of(word))) } else { Ok(done) };
            }
        }
        Ok(pages.len())
    }

    fn pin_blocks(&self, memory: PhysAddr, count: usize) -> Result<usize, Refusal> {
        let blocks = self.blocks(memory.0, count).ok_or(Refusal::Denied)?;
        for (done, block) in (0..blocks.len()).zip(blocks) {
            if block.fetch_update(AcqRel, Acquire, account::block_pinned).is_err() {
                return if done == 0 { Err(Refusal::Denied) } else { Ok(done) };
            }
        }
        Ok(blocks.len())
    }
}

fn refusal(account: Account) -> Refusal {
    if account.is_moving() {
        Refusal::Moving
    } else if account.host_access() {
        Refusal::Saturated
    } else {
        Refusal::Denied
    }
}
