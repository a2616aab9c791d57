// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FP and SIMD registers of an endpoint, where it can use them.

/// V0 to V31.
pub trait Vectors {
    /// Fills them with values that follow from `word`, and differ from each other.
    fn fill_vectors(&mut self, word: u64);
    /// Returns how many of their 64 halves hold the values of `word`.
    fn vectors_held(&self, word: u64) -> u64;
}
