// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that the host shares with partitions or lends to them (DEN 0140). Its descriptor is copied before it is looked at,
//! and the copy is what the SPMC gets; what it names must be the host's own, and stays so until it is reclaimed.

use crate::{buffers, platform::PAGE, stage2};
use nwd::{Region, ffa::SELF, ram::Ram};
use spin::mutex::SpinMutex;

/// As many descriptors and ranges are kept; more are refused.
const SHARES: usize = 16;
const RANGES: usize = 8;
/// Lengths of a descriptor's header and of a range (tables 1.20 and 1.14), in bytes.
const HEADER: u64 = 48;
const CONSTITUENT: u64 = 16;
/// Offsets in the header: size of a receiver's entry and their number, offset of the first.
const ACCESS_SIZE_AND_COUNT: u64 = 24;
const ACCESS_OFFSET: u64 = 32;
/// Bytes of a composite descriptor before its ranges (table 1.13).
const COMPOSITE: u64 = 16;
const LOW: u64 = 0xffff_ffff;

/// One descriptor's ranges; the handle is known once the SPMC has taken it.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    handle: Option<u64>,
    ranges: [Option<Region>; RANGES],
}

static ALL: SpinMutex<[Option<Share>; SHARES]> = SpinMutex::new([None; SHARES]);

impl Share {
    fn holds(&self, page: u64) -> bool {
        self.ranges.iter().flatten().any(|range| {
            page.checked_sub(range.base).is_some_and(|offset| range.inside(offset, PAGE).is_some())
        })
    }
}

/// Tells whether a page is with a partition, or is a buffer of the host's: it must stay where it is.
pub(crate) fn holds(page: u64) -> bool {
    buffers::holds(page) || ALL.lock().iter().flatten().any(|share| share.holds(page))
}

/// Reads a descriptor that nobody else can write to any more; `None` where it is malformed, or names what the host must not
/// send.
pub(crate) fn read(descriptor: &Ram, length: u64) -> Option<Share> {
    let word = |at: u64| (at.is_multiple_of(8) && at.checked_add(8)? <= length).then(|| descriptor.word(at));
    if length < HEADER || word(0)? & 0xffff != u64::from(SELF) {
        return None;
    }
    let receivers = word(ACCESS_SIZE_AND_COUNT)?;
    // Like pKVM: one receiver.
    if receivers >> 32 != 1 {
        return None;
    }
    let access = word(ACCESS_OFFSET)? & LOW;
    let composite = word(access)? >> 32;
    let count = word(composite)? >> 32;
    let mut share = Share { handle: None, ranges: [None; RANGES] };
    if count == 0 || count > RANGES as u64 {
        return None;
    }
    for (place, index) in share.ranges.iter_mut().zip(0..count) {
        let at = composite.checked_add(COMPOSITE + index * CONSTITUENT)?;
        let (base, pages) = (word(at)?, word(at.checked_add(8)?)? & LOW);
        *place = Some(hosts(base, pages)?);
    }
    Some(share)
}

/// Returns a range of pages, each of which is the host's and nowhere else.
fn hosts(base: u64, pages: u64) -> Option<Region> {
    let range = Region { base, size: pages.checked_mul(PAGE)? };
    let end = base.checked_add(range.size)?;
    let mut page = base;
    while page < end {
        if !page.is_multiple_of(PAGE) || !stage2::is_hosts(page) || holds(page) {
            return None;
        }
        page += PAGE;
    }
    (pages > 0).then_some(range)
}

/// Keeps what the SPMC has taken; `None` where there is no room for it, which is to be asked for before it is sent.
pub(crate) fn keep(share: Share) -> Option<usize> {
    let mut all = ALL.lock();
    let place = all.iter().position(Option::is_none)?;
    *all.get_mut(place)? = Some(share);
    Some(place)
}

/// Notes the handle of what was kept.
pub(crate) fn name(place: usize, handle: u64) {
    if let Some(Some(share)) = ALL.lock().get_mut(place) {
        share.handle = Some(handle);
    }
}

/// Forgets what the SPMC refused.
pub(crate) fn forget(place: usize) {
    if let Some(share) = ALL.lock().get_mut(place) {
        *share = None;
    }
}

/// Forgets what was reclaimed.
pub(crate) fn reclaimed(handle: u64) {
    for share in ALL.lock().iter_mut() {
        if share.is_some_and(|share| share.handle == Some(handle)) {
            *share = None;
        }
    }
}
