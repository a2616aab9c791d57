// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two pages that can become this partition's buffers for messages.

use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of each.
pub(crate) const PAGE: usize = 4096;
const WORDS: usize = PAGE / size_of::<u64>();

/// Pages that others read and write, too.
#[repr(C, align(4096))]
struct Pages([[AtomicU64; WORDS]; 2]);

static BUFFERS: Pages = Pages([const { [const { AtomicU64::new(0) }; WORDS] }; 2]);

/// Returns their addresses: for RX, and for TX.
pub(crate) fn addresses() -> (u64, u64) {
    let base = BUFFERS.0.as_ptr() as u64;
    (base, base + PAGE as u64)
}

/// Writes words to the start of the TX buffer.
pub(crate) fn write(words: &[u64]) {
    let [_, send] = &BUFFERS.0;
    for (place, word) in send.iter().zip(words) {
        place.store(*word, Ordering::Relaxed);
    }
}

/// Reads a word of the RX buffer.
pub(crate) fn word(index: usize) -> u64 {
    let [receive, _] = &BUFFERS.0;
    receive.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
}
