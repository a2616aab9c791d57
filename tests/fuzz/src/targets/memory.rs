// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of memory transactions that are right but for what the bytes make wrong (FF-A Memory Management Protocol 1.2,
//! tables 1.16, 1.20, 1.13 and 1.14, the layout of 1.1).

use crate::fixture::Places;
use crate::input::Input;

const HEADER_BYTES: u32 = 48;
const ACCESS_BYTES: u32 = 16;
/// Normal memory, write-back, inner shareable.
const NORMAL: u16 = 0x2f;

/// Who sends, to whom, which handle, and where the sender's memory begins.
pub(super) struct Parties {
    pub(super) sender: u16,
    pub(super) receiver: u16,
    pub(super) handle: u64,
    pub(super) memory: u64,
}

/// Makes a transaction descriptor; one of a receiver that retrieves has no ranges.
pub(super) fn descriptor(parties: &Parties, has_ranges: bool, input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |value: u64, size: usize| bytes.extend(value.to_le_bytes().iter().take(size));
    let receivers = 1 + input.below(2) as u64;
    put(parties.sender.into(), 2);
    put(NORMAL.into(), 2);
    put(u64::from(input.byte() & 0x1f), 4);
    put(parties.handle, 8);
    put(u64::from(input.byte()), 8);
    put(ACCESS_BYTES.into(), 4);
    put(receivers, 4);
    put(HEADER_BYTES.into(), 4);
    put(0, 12);
    let composite = u64::from(HEADER_BYTES) + receivers * u64::from(ACCESS_BYTES);
    for receiver in 0..receivers {
        put(u64::from(parties.receiver) + receiver, 2);
        put(u64::from(input.byte() & 0xf), 1);
        put(0, 1);
        put(if has_ranges { composite } else { 0 }, 4);
        put(0, 8);
    }
    if has_ranges {
        let ranges: Vec<(u64, u64)> = (0..=input.below(3))
            .map(|_| (parties.memory + (u64::from(input.byte()) << 12), u64::from(input.byte() % 4)))
            .collect();
        put(ranges.iter().map(|(_, pages)| pages).sum(), 4);
        put(ranges.len() as u64, 4);
        put(0, 8);
        for (address, pages) in ranges {
            put(address, 8);
            put(pages, 4);
            put(0, 4);
        }
    }
    bytes
}

/// Makes up to three words of a descriptor wrong, mostly none.
pub(super) fn spoil(bytes: &mut [u8], places: &Places, input: &mut Input<'_>) {
    for _ in 0..input.below(16).saturating_sub(12) {
        let at = usize::from(input.byte()) % bytes.len().max(1);
        let value = input.value(places).to_le_bytes();
        for (to, from) in bytes.iter_mut().skip(at & !3).zip(value).take(4) {
            *to = from;
        }
    }
}
