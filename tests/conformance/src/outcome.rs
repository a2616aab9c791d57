// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a step of a case came to. A failure is a line of this crate's source and three words: that much fits the answer of
//! a direct message, by which a partition tells of it.

use core::panic::Location;

/// What was seen where something else had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the case that noticed.
    pub line: u32,
    /// What it saw.
    pub seen: [u64; 3],
}

impl Failure {
    /// Makes a failure of the caller's line.
    #[must_use]
    #[track_caller]
    pub fn here(seen: [u64; 3]) -> Self {
        Self { line: Location::caller().line(), seen }
    }
}

/// What a step of a case comes to.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Requires that something holds; `seen` is what a person needs to understand why it does not.
///
/// # Errors
/// The caller's line.
#[track_caller]
pub fn ensure(holds: bool, seen: [u64; 3]) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::here(seen)) }
}

/// Requires that two values are the same.
///
/// # Errors
/// The caller's line, with what was seen and what was expected.
#[track_caller]
pub fn same(seen: impl Into<u64>, expected: impl Into<u64>) -> Outcome {
    let (seen, expected) = (seen.into(), expected.into());
    ensure(seen == expected, [seen, expected, 0])
}
