// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole sequences of messages to the service, on the model machine: bytes are what its clients decide by (`tests/model`).

use model::episode;

/// What a machine's service borrows is never given back: so many runs of a process take more than a gigabyte.
pub const MOST_RUNS: u64 = 40_000;

/// Has clients do what bytes make them, on the machine that the first bytes name. After each step its invariants have to hold.
pub fn target(data: &[u8]) {
    let episode = episode::of_bytes(data);
    if let Some(finding) = &episode.finding {
        // What is made smaller are bytes; the steps that they stand for say what happened.
        assert!(episode.script.is_empty(), "{finding}\n{}", episode.script);
    }
}

/// Returns bytes without any meaning: the decisions of clients are by chance then.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut random = model::Random::new(0);
    (0..16).map(|_| (0..100).flat_map(|_| random.word().to_le_bytes()).collect()).collect()
}
