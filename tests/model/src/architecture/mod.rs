// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMUv3 architecture (Arm IHI 0070) and the translation tables of VMSAv8-64 (Arm DDI 0487), as a machine sees them.
//!
//! Everything here was read in the specifications and shares nothing with the service: a bit that is wrong on both sides
//! could not be noticed. Nothing here has a state.
//!
//! | file | what lives there |
//! |---|---|
//! | `registers` | offsets and fields of the non-secure interface (IHI 0070, chapter 6) |
//! | `stream_table` | stream table entries and their first level (5.1, 5.2) |
//! | `context` | context descriptors (5.4) |
//! | `command` | commands (chapter 4) |
//! | `event` | event records (7.3) |
//! | `descriptor` | translation table descriptors (DDI 0487, D8.3) |

pub(crate) mod command;
pub(crate) mod context;
pub(crate) mod descriptor;
pub(crate) mod event;
pub(crate) mod registers;
pub(crate) mod stream_table;

/// Returns bits `high:low` of a word.
pub(crate) const fn bits(word: u64, high: u32, low: u32) -> u64 {
    let width = high - low + 1;
    let mask = if width >= u64::BITS { u64::MAX } else { (1 << width) - 1 };
    (word >> low) & mask
}

/// Returns a bit of a word.
pub(crate) const fn bit(word: u64, place: u32) -> bool {
    bits(word, place, place) == 1
}

/// Returns the bits of a structure of 64-bit words, counted over all of it, as the specifications do; within one word.
pub(crate) fn field(words: &[u64], high: usize, low: usize) -> u64 {
    let word = words.get(low / 64).copied().unwrap_or(0);
    let within = |place: usize| u32::try_from(place % 64).unwrap_or(0);
    bits(word, within(high), within(low))
}

/// Returns the lower half of a word.
pub(crate) fn low(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_as_the_specifications_do() {
        assert_eq!(bits(0xabcd, 11, 4), 0xbc);
        assert_eq!(bits(u64::MAX, 63, 0), u64::MAX);
        assert_eq!(field(&[0, 0, 0x5_0000_0000], 165, 160), 5);
        assert_eq!(low(0x1_8000_0002), 0x8000_0002);
    }
}
