// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stream table entries and first-level descriptors (IHI 0070, 5.1 and 5.2), decoded whole and checked as 5.2 says.

use super::{bit, bits, field, low};

/// 64-bit words of an entry.
pub(crate) const STE_WORDS: usize = 8;

/// A first-level descriptor (5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where the second level stands, aligned to its size.
    pub(crate) base: u64,
    /// log2 of its entries.
    pub(crate) log2: u32,
}

impl Span {
    /// Decodes a descriptor of a table that splits stream IDs at `split` bits; `None` where no stream there is valid.
    pub(crate) fn decode(descriptor: u64, split: u32) -> Option<Self> {
        let span = low(bits(descriptor, 4, 0));
        // 12 and above are reserved and behave as 0; more than the split point is out of bounds (5.1.1).
        if span == 0 || span > 11 || span > split + 1 {
            return None;
        }
        let log2 = span - 1;
        let pointer = descriptor & 0x00ff_ffff_ffff_ffc0;
        Some(Self { base: pointer & !((64 << log2) - 1), log2 })
    }
}

/// What an SMMU has, as far as it decides what is legal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// IDR0.S1P.
    pub(crate) stage1: bool,
    /// IDR0.S2P.
    pub(crate) stage2: bool,
    /// IDR0.ATS.
    pub(crate) ats: bool,
    /// IDR0.VMID16.
    pub(crate) wide_vmid: bool,
    /// IDR0.STALL_MODEL.
    pub(crate) stall_model: u32,
    /// IDR5.OAS, in bits.
    pub(crate) output_bits: u32,
}

/// Where a walk of stage 2 begins and what it may put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stage2 {
    /// S2VMID.
    pub(crate) vmid: u16,
    /// S2TTB, aligned as the walk takes it.
    pub(crate) root: u64,
    /// 64 - S2T0SZ.
    pub(crate) input_bits: u32,
    /// From S2SL0.
    pub(crate) start_level: u32,
    /// The effective S2PS, in bits.
    pub(crate) output_bits: u32,
    /// S2AFFD: descriptors without the access flag do not fault.
    pub(crate) no_access_faults: bool,
    /// S2PTW: walks of stage 1 must not meet device memory.
    pub(crate) protects_walks: bool,
    /// S2S: faults stall.
    pub(crate) stalls: bool,
    /// S2R: faults are recorded.
    pub(crate) records: bool,
}

/// Where stage 1's context descriptors stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contexts {
    /// S1ContextPtr: a physical address, or an IPA where stage 2 translates too.
    pub(crate) pointer: u64,
}

/// What an entry says (5.2, Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    /// Transactions are aborted, silently.
    Abort,
    /// Transactions pass as they are.
    Bypass,
    /// Stage 1 alone.
    Stage1(Contexts),
    /// Stage 2 alone.
    Stage2(Stage2),
    /// Both.
    Nested(Contexts, Stage2),
}

/// A valid entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) config: Config,
    /// EATS, as it is in effect.
    pub(crate) ats: u64,
}

impl Entry {
    /// Decodes an entry; `None` where V is 0 or what it says is ILLEGAL.
    pub(crate) fn decode(words: &[u64; STE_WORDS], features: &Features) -> Option<Self> {
        if field(words, 0, 0) == 0 {
            return None;
        }
        let contexts = Contexts { pointer: field(words, 55, 6) << 6 };
        let config = match field(words, 3, 1) {
            0b100 => Config::Bypass,
            0b101 if features.stage1 => Config::Stage1(contexts),
            0b110 if features.stage2 => Config::Stage2(Stage2::decode(words, features)?),
            0b111 if features.stage1 && features.stage2 => {
                Config::Nested(contexts, Stage2::decode(words, features)?)
            }
            0b101..=0b111 => return None,
            _ => return Some(Self { config: Config::Abort, ats: 0 }),
        };
        let stage1 = matches!(config, Config::Stage1(_) | Config::Nested(..));
        // S1STALLD, bit 91: where the stall model is not configurable it is ILLEGAL.
        if stage1 && field(words, 91, 91) == 1 && features.stall_model != 0 {
            return None;
        }
        let stalls = matches!(config, Config::Stage2(stage2) | Config::Nested(_, stage2) if stage2.stalls);
        let ats = match (features.ats, config, field(words, 93, 92)) {
            (false, ..) | (_, Config::Bypass, _) => 0,
            (_, _, 0b01) if stalls => return None,
            // Split-stage ATS: nested streams only.
            (_, config, 0b10) if stalls || !matches!(config, Config::Nested(..)) => return None,
            // Device permission tables are not there: reserved, behaves as 0.
            (_, _, 0b11) => 0,
            (_, _, ats) => ats,
        };
        Some(Self { config, ats })
    }
}

impl Stage2 {
    fn decode(words: &[u64; STE_WORDS], features: &Features) -> Option<Self> {
        let vmid = u16::try_from(field(words, 143, 128)).ok()?;
        if !features.wide_vmid && vmid > 0xff {
            return None;
        }
        let size = low(field(words, 165, 160));
        // Without IDR3.STT at most 39; for a 4 KiB granule at least 16 and 64 - IAS, which is OAS without AArch32.
        if size > 39 || size < 16.max(64 - features.output_bits) {
            return None;
        }
        let input_bits = 64 - size;
        let start_level = start_level(field(words, 167, 166), input_bits)?;
        // S2TG: only the 4 KiB granule is there. S2AA64: only VMSAv8-64. S2ENDI: only little-endian. S2HD and S2HA: no
        // hardware update of flags.
        let wrong = field(words, 175, 174) != 0
            || field(words, 179, 179) == 0
            || field(words, 180, 180) == 1
            || field(words, 184, 183) != 0;
        if wrong {
            return None;
        }
        let stalls = field(words, 185, 185) == 1;
        // Bit 57 of word 2, S2S: where faults never stall it is ILLEGAL, where they always do its absence is.
        if stalls && features.stall_model == 0b01 || !stalls && features.stall_model == 0b10 {
            return None;
        }
        let output_bits = physical_bits(field(words, 178, 176)).min(features.output_bits);
        let pointer = field(words, 243, 196) << 4;
        if pointer >> output_bits.min(48) != 0 {
            return None;
        }
        // The first table may be up to sixteen in a row; it is aligned to its size.
        let entries = 1_u64 << (input_bits - (39 - 9 * start_level));
        Some(Self {
            vmid,
            root: pointer & !((entries * 8).max(64) - 1),
            input_bits,
            start_level,
            output_bits,
            no_access_faults: bit(words.get(2).copied()?, 53),
            protects_walks: bit(words.get(2).copied()?, 54),
            stalls,
            records: bit(words.get(2).copied()?, 58),
        })
    }
}

/// Returns the level at which a walk of a 4 KiB granule begins, or `None` where S2SL0 and the input size contradict
/// each other (DDI 0487, VTCR_EL2.SL0: at most sixteen first tables).
fn start_level(encoded: u64, input_bits: u32) -> Option<u32> {
    let level = match encoded {
        0b00 => 2,
        0b01 => 1,
        0b10 => 0,
        _ => return None,
    };
    let entry_bits = 39 - 9 * level;
    // A start level needs at least two entries, and no more than sixteen tables of 512.
    let index_bits = input_bits.checked_sub(entry_bits)?;
    let most = if level == 0 { 9 } else { 9 + 4 };
    (1..=most).contains(&index_bits).then_some(level)
}

/// Returns how many bits S2PS and IDR5.OAS stand for (5.2, S2PS); 48 is the most here.
pub(crate) const fn physical_bits(encoded: u64) -> u32 {
    match encoded {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: Features =
        Features { stage1: true, stage2: true, ats: true, wide_vmid: false, stall_model: 0, output_bits: 44 };

    /// V, Config = 0b110; VMID 7, T0SZ 25, SL0 1, S2PS 4, S2AA64, S2R; a root.
    fn stage2() -> [u64; 8] {
        [0b1101, 0, 7 | 25 << 32 | 1 << 38 | 4 << 48 | 1 << 51 | 1 << 58, 0x9000_1000, 0, 0, 0, 0]
    }

    #[test]
    fn a_stage_2_entry_says_where_its_walk_begins() {
        let Some(Entry { config: Config::Stage2(stage2), ats: 0 }) = Entry::decode(&stage2(), &FEATURES)
        else {
            panic!("not decoded")
        };
        assert_eq!((stage2.vmid, stage2.root), (7, 0x9000_1000));
        assert_eq!((stage2.input_bits, stage2.start_level, stage2.output_bits), (39, 1, 44));
        assert!(stage2.records && !stage2.stalls);
    }

    #[test]
    fn what_contradicts_itself_is_illegal() {
        for (word, flip) in
            [(0, 1), (2, 1 << 39), (2, 1 << 46), (2, 1 << 51), (2, 1 << 52), (2, 1 << 15), (3, 1 << 50)]
        {
            let mut words = stage2();
            words[word] ^= flip;
            assert_eq!(Entry::decode(&words, &FEATURES), None, "word {word} bit {flip:#x}");
        }
        let without = Features { stage2: false, ..FEATURES };
        assert_eq!(Entry::decode(&stage2(), &without), None);
    }

    #[test]
    fn aborting_entries_have_nothing_else() {
        let entry = Entry::decode(&[1, u64::MAX, u64::MAX, 0, 0, 0, 0, 0], &FEATURES).unwrap();
        assert_eq!(entry, Entry { config: Config::Abort, ats: 0 });
    }

    #[test]
    fn spans_are_aligned_and_bounded() {
        assert_eq!(Span::decode(0x9000_0fc7, 6), Some(Span { base: 0x9000_0000, log2: 6 }));
        assert_eq!(Span::decode(0x9000_0000, 6), None);
        assert_eq!(Span::decode(0x9000_0008, 6), None);
        assert_eq!(Span::decode(0x9000_000c, 10), None);
    }
}
