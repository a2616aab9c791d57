// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Context descriptors (IHI 0070, 5.4), decoded whole and checked as 5.4 says. Substreams are not there: a stream with a
//! stage 1 has one descriptor.

use super::stream_table::physical_bits;
use super::{field, low};

/// 64-bit words of a descriptor.
pub(crate) const CD_WORDS: usize = 8;

/// Where a walk of stage 1 begins, for one half of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Half {
    /// TTB0 or TTB1, aligned as the walk takes it.
    pub(crate) root: u64,
    /// 64 - TxSZ.
    pub(crate) input_bits: u32,
}

/// A valid descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) asid: u16,
    /// Inputs whose upper bits are all zero; none where EPD0 is set.
    pub(crate) lower: Option<Half>,
    /// Inputs whose upper bits are all one; none where EPD1 is set.
    pub(crate) upper: Option<Half>,
    /// The effective IPS, in bits.
    pub(crate) output_bits: u32,
    /// AFFD: descriptors without the access flag do not fault.
    pub(crate) no_access_faults: bool,
    /// S: faults stall.
    pub(crate) stalls: bool,
    /// R: faults are recorded.
    pub(crate) records: bool,
    /// A: what faults is aborted, and not ignored.
    pub(crate) aborts: bool,
    /// MAIR: eight attributes of eight bits.
    pub(crate) attributes: u64,
}

impl Context {
    /// Decodes a descriptor for an SMMU with the 4 KiB granule only, little-endian, with 8-bit ASIDs and outputs of
    /// `largest` bits; `None` where it is not valid or what it says is ILLEGAL.
    pub(crate) fn decode(words: &[u64; CD_WORDS], largest: u32) -> Option<Self> {
        let wrong = field(words, 31, 31) == 0
            // ENDI, not AA64, HD and HA.
            || field(words, 15, 15) == 1
            || field(words, 41, 41) == 0
            || field(words, 43, 42) != 0;
        let asid = u16::try_from(field(words, 63, 48)).ok().filter(|asid| *asid <= 0xff)?;
        if wrong {
            return None;
        }
        let output_bits = physical_bits(field(words, 34, 32)).min(largest);
        // TG0: 0b00 is 4 KiB; TG1: 0b10 is.
        let lower = Self::half(words, (field(words, 14, 14), 0), (5, 7, 0b00), output_bits)?;
        let upper = Self::half(words, (field(words, 30, 30), 1), (21, 23, 0b10), output_bits)?;
        let no_access_faults = field(words, 35, 35) == 1;
        let flag = |bit| field(words, bit, bit) == 1;
        let (stalls, records, aborts) = (flag(44), flag(45), flag(46));
        let attributes = field(words, 255, 192);
        Some(Self { asid, lower, upper, output_bits, no_access_faults, stalls, records, aborts, attributes })
    }

    /// Decodes one half; `None` outside where it is ILLEGAL, inside where it is disabled.
    fn half(
        words: &[u64; CD_WORDS],
        (disabled, number): (u64, usize),
        (size_high, granule_high, granule): (usize, usize, u64),
        output_bits: u32,
    ) -> Option<Option<Half>> {
        if disabled == 1 {
            return Some(None);
        }
        let size = low(field(words, size_high, size_high - 5));
        let pointer = field(words, 115 + 64 * number, 68 + 64 * number) << 4;
        let good = field(words, granule_high, granule_high - 1) == granule
            && (16..=39).contains(&size)
            && pointer >> output_bits == 0;
        if !good {
            return None;
        }
        let input_bits = 64 - size;
        // The first table is aligned to its size.
        let entries = 1_u64 << ((input_bits - 12 - 1) % 9 + 1);
        Some(Some(Half { root: pointer & !((entries * 8).max(64) - 1), input_bits }))
    }
}

impl Half {
    /// Returns the level at which a walk begins (DDI 0487, D8.2): nine bits a level, the first may have fewer.
    pub(crate) const fn start_level(self) -> u32 {
        4 - (self.input_bits - 12).div_ceil(9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V, AA64, T0SZ 25, EPD1, IPS 4, ASID 5; a root.
    const WORDS: [u64; 8] =
        [25 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 5 << 48, 0x9000_3000, 0, 0, 0, 0, 0, 0];

    #[test]
    fn a_descriptor_says_where_its_walk_begins() {
        let context = Context::decode(&WORDS, 48).unwrap();
        let half = context.lower.unwrap();
        assert_eq!((half.root, half.input_bits, half.start_level()), (0x9000_3000, 39, 1));
        assert_eq!((context.asid, context.output_bits, context.upper), (5, 44, None));
        assert_eq!(Half { root: 0, input_bits: 48 }.start_level(), 0);
        assert_eq!(Half { root: 0, input_bits: 25 }.start_level(), 2);
    }

    #[test]
    fn what_contradicts_itself_is_illegal() {
        for (word, flip) in
            [(0, 1 << 31), (0, 1 << 41), (0, 1 << 15), (0, 1 << 6), (0, 1 << 63), (0, 32), (1, 1 << 46)]
        {
            let mut words = WORDS;
            words[word] ^= flip;
            assert_eq!(Context::decode(&words, 48), None, "word {word} bit {flip:#x}");
        }
    }
}
