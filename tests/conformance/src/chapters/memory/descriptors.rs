// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of memory transactions, each in the layout of its caller's version (DEN0140 tables 1.13 to 1.23).

use crate::endpoint::{Endpoint, PAGE};
use crate::outcome::{Outcome, same};
use arm_ffa::Version;

/// Data access (table 1.15).
pub(super) const READ_ONLY: u8 = 0b01;
pub(super) const READ_WRITE: u8 = 0b10;
/// Instruction access: executable.
pub(super) const EXECUTABLE: u8 = 0b1000;
/// Flag (tables 1.21 to 1.23): zeros before, or for relinquishing and reclaiming after.
pub(super) const ZERO: u32 = 1;
/// Flag of a retrieve request: zeros after this receiver has relinquished.
pub(super) const ZERO_AFTER: u32 = 1 << 2;
/// Flag of a retrieve request since FF-A 1.2: the other borrowers are not named.
pub(super) const BYPASS: u32 = 1 << 10;
/// Attributes (table 1.18): normal memory, write-back, inner shareable.
const WRITE_BACK: u64 = 0b10_11_11;
/// Likewise: it is non-secure.
const NON_SECURE: u64 = 1 << 6;
const COMPOSITE: u64 = 16;
pub(super) const CONSTITUENT: u64 = 16;

/// What a transaction descriptor says (table 1.20).
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) sender: u16,
    pub(super) flags: u32,
    pub(super) handle: u64,
    pub(super) receivers: &'a [(u16, u8)],
    /// First addresses and numbers of pages; a retrieve request has none.
    pub(super) ranges: &'a [(u64, u32)],
}

/// Bytes of a header and an access descriptor of a version.
fn layout(version: Version) -> (u64, u64) {
    match version {
        Version(1, 0) => (32, 16),
        Version(1, 1) => (48, 16),
        _ => (48, 32),
    }
}

/// Returns where the first constituent is.
pub(super) fn constituents_at(version: Version, receivers: usize) -> u64 {
    let (header, access) = layout(version);
    header + access * receivers as u64 + COMPOSITE
}

/// Writes words from an offset of the TX buffer on.
pub(super) fn put(endpoint: &mut dyn Endpoint, at: u64, words: &[u64]) {
    for (offset, word) in (PAGE + at..).step_by(8).zip(words) {
        endpoint.write(offset, &word.to_le_bytes());
    }
}

/// Writes a descriptor into the TX buffer; returns its length.
pub(super) fn describe(endpoint: &mut dyn Endpoint, region: &Region<'_>) -> u64 {
    let pages = region.ranges.iter().map(|(_, pages)| u64::from(*pages)).sum();
    let at = describe_head(endpoint, region, pages, region.ranges.len() as u64);
    let mut end = at;
    for (start, pages) in region.ranges {
        put(endpoint, end, &[*start, u64::from(*pages)]);
        end += CONSTITUENT;
    }
    end
}

/// Writes what stands before the constituents; returns where they begin.
pub(super) fn describe_head(
    endpoint: &mut dyn Endpoint,
    region: &Region<'_>,
    pages: u64,
    ranges: u64,
) -> u64 {
    let version = endpoint.instance().version;
    let (header, access) = layout(version);
    let count = region.receivers.len() as u64;
    let first = u64::from(region.sender) | u64::from(region.flags) << 32;
    let sizes = if version == Version(1, 0) { count << 32 } else { access | count << 32 };
    put(endpoint, 0, &[first, region.handle, 0, sizes]);
    if version > Version(1, 0) {
        put(endpoint, 32, &[header, 0]);
    }
    let composite = header + access * count;
    let composite_offset = if ranges == 0 { 0 } else { composite };
    let mut at = header;
    for (id, permissions) in region.receivers {
        let entry = u64::from(*id) | u64::from(*permissions) << 16 | composite_offset << 32;
        put(endpoint, at, &[entry, 0]);
        if access == 32 {
            put(endpoint, at + 16, &[0, 0]);
        }
        at += access;
    }
    if ranges == 0 {
        return composite;
    }
    put(endpoint, composite, &[pages | ranges << 32, 0]);
    composite + COMPOSITE
}

/// Reads the first word of a page of the endpoint's.
pub(super) fn word(endpoint: &dyn Endpoint, offset: u64) -> u64 {
    let mut bytes = [0; 8];
    endpoint.read(offset, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// What a retrieve response in the RX buffer says.
#[derive(Clone, Copy)]
pub(super) struct Response {
    pub(super) attributes: u64,
    pub(super) permissions: u64,
    pub(super) pages: u64,
    pub(super) ranges: u64,
    /// Where the first constituent is.
    pub(super) constituents: u64,
}

pub(super) fn response(endpoint: &dyn Endpoint) -> Response {
    let version = endpoint.instance().version;
    let (header, _) = layout(version);
    let access = if version == Version(1, 0) { header } else { word(endpoint, 32) & 0xffff_ffff };
    let entry = word(endpoint, access);
    let composite = (entry >> 32).min(PAGE - COMPOSITE);
    let counts = word(endpoint, composite);
    Response {
        attributes: word(endpoint, 0) >> 16 & 0xffff,
        permissions: entry >> 16 & 0xff,
        pages: counts & 0xffff_ffff,
        ranges: counts >> 32,
        constituents: composite + COMPOSITE,
    }
}

/// Requires attributes as a receiver of a version is told them (table 1.18; bit 6 only from 1.1 on without being asked for).
#[track_caller]
pub(super) fn attributes(seen: u64, receiver: Version, secure: bool) -> Outcome {
    let non_secure = if secure || receiver == Version(1, 0) { 0 } else { NON_SECURE };
    same(seen, WRITE_BACK | non_secure)
}
