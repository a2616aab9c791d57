// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of the pool a policy needs before the first mapping of a client's second device: the worst case, told when
//! firmware is built, so that no boot finds the pool too small.

use super::{Device, Policy};

/// Pages of a command queue with 256 entries of 16 bytes (IHI 0070, 4.1.1).
const COMMAND_QUEUE: u64 = 1;
/// Pages of an event queue with 1024 entries of 32 bytes (IHI 0070, 7.3).
const EVENT_QUEUE: u64 = 8;
/// log2 of the streams of one second-level table, which is one page: 64 entries of 64 bytes (IHI 0070, 5.2).
const SPLIT: u32 = 6;
/// First-level descriptors in a page: 8 bytes each (IHI 0070, 5.1).
const DESCRIPTORS: u64 = 512;
/// Tables on the way to one page that is mapped, at most: as many as there are levels.
const LEVELS: u64 = 4;

impl Policy {
    /// Returns how many pages the pool must have: for each SMMU stream tables and queues as the driver makes them, and
    /// for each device that somebody may hold a page table with one page mapped.
    #[must_use]
    pub fn pool_pages_needed(&self) -> u64 {
        let smmus = (0..self.smmus.len()).map(|smmu| {
            let devices = self.devices.iter().filter(move |device| usize::from(device.smmu) == smmu);
            first_level(devices.clone())
                + second_level(devices)
                + aligned(COMMAND_QUEUE)
                + aligned(EVENT_QUEUE)
        });
        let held = self.devices.iter().filter(|device| !device.holders.is_nobody());
        smmus.sum::<u64>() + held.map(|_| LEVELS).sum::<u64>()
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

/// Pages of something that is aligned to its size, with what the alignment may cost.
const fn aligned(pages: u64) -> u64 {
    let size = pages.next_power_of_two();
    size + size - 1
}
