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

/// Returns how often locks of a rank, by its place in the order, were taken, and how often they were found taken.
pub(crate) fn read(rank: usize) -> Option<[u64; 2]> {
    let Counts { taken, found_taken } = COUNTS.get(rank)?;
    Some([taken.load(Relaxed), found_taken.load(Relaxed)])
}
