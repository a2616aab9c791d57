// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What locks have counted, for an image that tells it.

use crate::sync::{Rank, counts};

/// Kinds of locks that are counted.
pub const LOCKS: u64 = Rank::COUNT as u64;

/// Returns what is known of a kind of lock, by its place in the order: its name, how often it was taken and found taken, and whether
/// all who use an SMMU or the pool share it, whatever domain they are in.
#[must_use]
pub fn read(place: u64) -> Option<(&'static str, [u64; 2], bool)> {
    let rank = *Rank::ALL.get(usize::try_from(place).ok()?)?;
    let (name, shared) = rank.describe();
    Some((name, counts::read(rank), shared))
}
