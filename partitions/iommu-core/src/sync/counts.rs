// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How often locks were taken, and found taken: for an image that is tested with emulated cores which really run at once. No
//! other image counts.

use super::Rank;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the locks of one rank have counted.
struct Counts {
    taken: AtomicU64,
    found_taken: AtomicU64,
}

static COUNTS: [Counts; Rank::COUNT] =
    [const { Counts { taken: AtomicU64::new(0), found_taken: AtomicU64::new(0) } }; Rank::COUNT];

/// Counts a try. Each one that found the lock taken counts, also where the same core tries again.
pub(super) fn note(rank: Rank, taken: bool) {
    if let Some(counts) = COUNTS.get(rank as usize) {
        let count = if taken { &counts.taken } else { &counts.found_taken };
        count.fetch_add(1, Relaxed);
    }
}

/// Returns how often locks of a rank were taken, and how often they were found taken.
pub(crate) fn read(rank: Rank) -> [u64; 2] {
    COUNTS
        .get(rank as usize)
        .map_or([0; 2], |Counts { taken, found_taken }| [taken.load(Relaxed), found_taken.load(Relaxed)])
}
