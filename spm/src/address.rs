// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Addresses as `u64`, which manifests and registers speak, and as `usize`, which pointers speak: the same here.

const _: () = assert!(usize::BITS == u64::BITS, "spm runs on 64-bit machines only");

/// Turns an address or a size into a `usize`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "usize is as wide, see above")]
pub(crate) const fn to_usize(value: u64) -> usize {
    value as usize
}
