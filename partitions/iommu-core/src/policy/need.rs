// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much memory a policy needs: for accounts of pages, and how much of the pool before the first mapping of a client's second device: the worst case, told when
//! firmware is built, so that no boot finds the pool too small.

use super::{Device, HypRole, Policy, Range};

/// Pages of a command queue with 256 entries of 16 bytes (IHI 0070, 4.1.1).
const COMMAND_QUEUE: u64 = 1;
/// Pages of an event queue with 1024 entries of 32 bytes (IHI 0070, 7.3).
const EVENT_QUEUE: u64 = 8;
/// log2 of the streams of one second-level table, which is one page: 64 entries of 64 bytes (IHI 0070, 5.2).
const SPLIT: u32 = 6;
/// First-level descriptors in a page: 8 bytes each (IHI 0070, 5.1).
const DESCRIPTORS: u64 = 512;
/// Context descriptors in a page: 64 bytes each (IHI 0070, 5.4).
const CONTEXTS: u64 = 64;
/// Tables on the way to one page that is mapped, at most: as many as there are levels.
const LEVELS: u64 = 4;

/// Bytes of a page and of a block, and what an entry of levels 1 and 0 translates, in powers of two.
const PAGE_BITS: u32 = 12;
const BLOCK_BITS: u32 = 21;
const LEVEL1_BITS: u32 = 30;
const LEVEL0_BITS: u32 = 39;

impl Range {
    /// Returns how many blocks of 2 MiB have an address in common with this range of whole pages.
    pub(crate) fn blocks(&self) -> u64 {
        self.spans(BLOCK_BITS)
    }

    /// Returns how many blocks of 2 MiB are in this range with all of their addresses.
    pub(crate) fn whole_blocks(&self) -> u64 {
        let mask = (1 << BLOCK_BITS) - 1;
        let first = self.base.saturating_add(mask) >> BLOCK_BITS;
        (self.base.saturating_add(self.size) >> BLOCK_BITS).saturating_sub(first)
    }

    /// Returns how many blocks of 2^`bits` bytes have an address in common with this range.
    fn spans(&self, bits: u32) -> u64 {
        let last = self.base.saturating_add(self.size.saturating_sub(1));
        (last >> bits).saturating_sub(self.base >> bits).saturating_add(1)
    }
}

impl Policy {
    /// Returns how many pages are managed.
    #[must_use]
    pub fn managed_pages(&self) -> u64 {
        self.managed.iter().map(|range| range.size >> PAGE_BITS).fold(0, u64::saturating_add)
    }

    /// Returns how many accounts of blocks there must be: one for each 2 MiB of each range of managed memory, also where only
    /// a part of the block is in it.
    #[must_use]
    pub fn managed_blocks(&self) -> u64 {
        self.managed.iter().map(Range::blocks).fold(0, u64::saturating_add)
    }

    /// Returns how many bytes the accounts of all managed pages take, 4 for each block and 2 for each page: just more than half a
    /// MiB for each GiB.
    #[must_use]
    pub fn accounts_bytes_needed(&self) -> u64 {
        let blocks = self.managed_blocks().saturating_mul(4);
        blocks.saturating_add(self.managed_pages().saturating_mul(2))
    }

    /// Returns how many pages the pool must have: for each SMMU stream tables, context descriptors and queues as the driver makes them, and
    /// for each device that somebody may hold a page table with one page mapped; and the tables of the identity domain.
    #[must_use]
    pub fn pool_pages_needed(&self) -> u64 {
        let smmus = (0..self.smmus.len()).map(|smmu| {
            let devices = self.devices.iter().filter(move |device| usize::from(device.smmu) == smmu);
            first_level(devices.clone())
                + second_level(devices.clone())
                + contexts(devices)
                + aligned(COMMAND_QUEUE)
                + aligned(EVENT_QUEUE)
        });
        let held = self.devices.iter().filter(|device| !device.holders.is_nobody());
        let rest = held.map(|_| LEVELS).sum::<u64>().saturating_add(self.identity_pages_needed());
        smmus.sum::<u64>().saturating_add(rest)
    }

    /// Returns how many tables the identity domain has at most, none where no device may be set to it. Where pages can move,
    /// each 2 MiB have a table of their own some day, or from the start.
    #[must_use]
    pub fn identity_pages_needed(&self) -> u64 {
        if !self.devices.iter().any(|device| device.identity) {
            return 0;
        }
        let tables = |range: &Range| {
            let each = range.spans(LEVEL0_BITS).saturating_add(range.spans(LEVEL1_BITS));
            each.saturating_add(match self.hyp {
                HypRole::Required => range.blocks(),
                // Those in which the range begins and ends.
                HypRole::Absent => range.blocks().min(2),
            })
        };
        self.managed.iter().map(tables).fold(1, u64::saturating_add)
    }
}

/// Pages of a first level: a descriptor for each 64 streams up to the last one's power of two.
fn first_level<'d>(devices: impl Iterator<Item = &'d Device>) -> u64 {
    let last = devices.filter_map(Device::last_sid).max().unwrap_or(0);
    let bits = u32::BITS - last.leading_zeros();
    let descriptors = 1_u64 << bits.saturating_sub(SPLIT);
    aligned(descriptors.div_ceil(DESCRIPTORS))
}

/// Pages of the second level: a table for each 64 streams that hold one of a device. Counted for each device apart, so
/// that neighbours that share a table count it twice.
fn second_level<'d>(devices: impl Iterator<Item = &'d Device>) -> u64 {
    devices
        .filter_map(|device| {
            let last = device.last_sid()?;
            Some(u64::from((last >> SPLIT) - (device.first_sid >> SPLIT)) + 1)
        })
        .sum()
}

/// Pages of context descriptors: one for each device, 64 bytes each (IHI 0070, 5.4). An SMMU with stage 2 needs none, but a policy
/// does not say which SMMUs have one.
fn contexts<'d>(devices: impl Iterator<Item = &'d Device>) -> u64 {
    let devices = u64::try_from(devices.count()).unwrap_or(u64::MAX);
    devices.div_ceil(CONTEXTS).max(1)
}

/// Pages of something that is aligned to its size, with what the alignment may cost.
const fn aligned(pages: u64) -> u64 {
    let size = pages.next_power_of_two();
    size + size - 1
}
