// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands (IHI 0070, chapter 4), decoded whole: what a non-secure command queue may hold.

use super::{bit, bits, low};

/// 64-bit words of a command.
pub(crate) const COMMAND_WORDS: u64 = 2;

/// Which cached translations a command targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// CMD_TLBI_NSNH_ALL (4.4.4.1).
    All,
    /// CMD_TLBI_EL2_* (4.4.2.7 and following): nothing of EL1's.
    El2,
    /// CMD_TLBI_S12_VMALL (4.4.3.2): all stages of a VMID.
    Vmid(u16),
    /// CMD_TLBI_NH_ALL (4.4.2.1): stage 1 of a VMID.
    Stage1(u16),
    /// CMD_TLBI_NH_ASID (4.4.2.2).
    Asid(u16, u16),
    /// CMD_TLBI_NH_VA and NH_VAA (4.4.2.3, 4.4.2.4).
    Va(u16, Option<u16>, Addresses),
    /// CMD_TLBI_S2_IPA (4.4.3.1).
    Ipa(u16, Addresses),
}

/// Which addresses (4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// The first.
    pub(crate) first: u64,
    /// Bytes from there on; none for the entry that translates the first.
    pub(crate) length: u64,
    /// Only entries of the last level.
    pub(crate) leaf: bool,
    /// The level of the leaves, or 0 for any.
    pub(crate) level: u32,
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// CMD_PREFETCH_* (4.2): hints.
    Prefetch,
    /// CMD_CFGI_STE (4.3.1).
    ForgetStream {
        /// Whose entry.
        stream: u32,
        /// Whether first-level descriptors may stay.
        leaf: bool,
    },
    /// CMD_CFGI_STE_RANGE (4.3.2): 2^(n+1) streams; with n = 31 it is CMD_CFGI_ALL (4.3.6).
    ForgetStreams {
        /// One of them.
        stream: u32,
        /// log2 of how many, less one.
        range: u32,
    },
    /// CMD_CFGI_CD and CD_ALL (4.3.3, 4.3.4).
    ForgetContexts {
        /// Whose.
        stream: u32,
    },
    /// CMD_TLBI_*.
    Invalidate(Scope),
    /// CMD_SYNC (4.7.3).
    Sync,
}

/// What decides about commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// IDR0.S1P.
    pub(crate) stage1: bool,
    /// IDR0.S2P.
    pub(crate) stage2: bool,
    /// IDR0.Hyp.
    pub(crate) hyp: bool,
    /// IDR3.RIL.
    pub(crate) ranges: bool,
}

/// A command that raises CERROR_ILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Illegal;

impl Command {
    /// Decodes a command.
    pub(crate) fn decode([first, second]: [u64; 2], features: &Features) -> Result<Self, Illegal> {
        // SSec, bit 10: from the non-secure queue it must be 0.
        if bit(first, 10) {
            return Err(Illegal);
        }
        let stream = low(first >> 32);
        let vmid = u16::try_from(bits(first, 47, 32)).map_err(|_| Illegal)?;
        let asid = u16::try_from(bits(first, 63, 48)).map_err(|_| Illegal)?;
        let need = |there: bool| if there { Ok(()) } else { Err(Illegal) };
        let scope = match bits(first, 7, 0) {
            0x01 | 0x02 => return Ok(Self::Prefetch),
            0x03 => return Ok(Self::ForgetStream { stream, leaf: bit(second, 0) }),
            0x04 => return Ok(Self::ForgetStreams { stream, range: low(bits(second, 4, 0)) }),
            0x05 | 0x06 => {
                need(features.stage1)?;
                return Ok(Self::ForgetContexts { stream });
            }
            // CS, bits 13:12: how completion is signalled; 0b11 is reserved.
            0x46 if bits(first, 13, 12) == 0b11 => return Err(Illegal),
            0x46 => return Ok(Self::Sync),
            0x10..=0x13 => {
                need(features.stage1)?;
                match bits(first, 7, 0) {
                    0x10 => Scope::Stage1(vmid),
                    0x11 => Scope::Asid(vmid, asid),
                    0x12 => Scope::Va(vmid, Some(asid), Addresses::decode(first, second, features)?),
                    _ => Scope::Va(vmid, None, Addresses::decode(first, second, features)?),
                }
            }
            0x20..=0x23 => {
                need(features.hyp)?;
                Scope::El2
            }
            0x28 => {
                need(features.stage2)?;
                Scope::Vmid(vmid)
            }
            0x2a => {
                need(features.stage2)?;
                Scope::Ipa(vmid, Addresses::decode(first, second, features)?)
            }
            0x30 => Scope::All,
            _ => return Err(Illegal),
        };
        Ok(Self::Invalidate(scope))
    }
}

impl Addresses {
    fn decode(first: u64, second: u64, features: &Features) -> Result<Self, Illegal> {
        let address = second & !0xfff;
        let (granule, level) = (bits(second, 11, 10), low(bits(second, 9, 8)));
        let (number, scale) = (bits(first, 16, 12), low(bits(first, 24, 20)));
        let leaf = bit(second, 0);
        match granule {
            0 => Ok(Self { first: address, length: 0, leaf, level: 0 }),
            // Only the 4 KiB granule is there; without RIL the fields are reserved.
            1 if features.ranges => {
                // One page and no level: reserved.
                if number == 0 && scale == 0 && level == 0 {
                    return Err(Illegal);
                }
                Ok(Self { first: address, length: ((number + 1) << scale) << 12, leaf, level })
            }
            _ => Err(Illegal),
        }
    }

    /// Tells whether an entry for `size` bytes from `base` on is among these addresses. A range whose first address is
    /// not aligned to its level's size is unpredictable (4.4.1.1): nothing is sure to be invalidated then.
    pub(crate) fn hit(&self, base: u64, size: u64) -> bool {
        if self.length == 0 {
            return (base..base.saturating_add(size)).contains(&self.first);
        }
        let alignment = match self.level {
            1 => 1 << 30,
            2 => 1 << 21,
            _ => 1 << 12,
        };
        let end = self.first.saturating_add(self.length);
        self.first.is_multiple_of(alignment) && base < end && self.first < base.saturating_add(size)
    }

    /// Tells whether a leaf of a level is targeted.
    pub(crate) const fn takes_leaf(&self, level: u32) -> bool {
        self.level == 0 || self.level == level
    }

    /// Tells whether a cached table descriptor of a level is targeted: those between the start of the walk and the level
    /// before the leaves' (4.4.1.1).
    pub(crate) const fn takes_table(&self, level: u32) -> bool {
        !self.leaf && (self.level == 0 || level < self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: Features = Features { stage1: false, stage2: true, hyp: false, ranges: true };

    #[test]
    fn commands_are_what_the_chapter_says() {
        let decode = |first, second| Command::decode([first, second], &FEATURES);
        assert_eq!(decode(0x46, 0), Ok(Command::Sync));
        assert_eq!(decode(0x3046, 0), Err(Illegal));
        assert_eq!(decode(0x446, 0), Err(Illegal));
        assert_eq!(decode(7 << 32 | 3, 1), Ok(Command::ForgetStream { stream: 7, leaf: true }));
        assert_eq!(decode(4, 31), Ok(Command::ForgetStreams { stream: 0, range: 31 }));
        assert_eq!(decode(5 << 32 | 0x28, 0), Ok(Command::Invalidate(Scope::Vmid(5))));
        assert_eq!(decode(0x20, 0), Err(Illegal));
        assert_eq!(decode(0x10, 0), Err(Illegal));
        assert_eq!(decode(0, 0), Err(Illegal));
    }

    #[test]
    fn ranges_reach_as_far_as_their_formula_says() {
        // NUM 2, SCALE 1, TTL 3, TG 1: six pages.
        let Ok(Command::Invalidate(Scope::Ipa(1, range))) =
            Command::decode([0x2a | 1 << 32 | 2 << 12 | 1 << 20, 0x1000_0701], &FEATURES)
        else {
            panic!("a range")
        };
        assert_eq!((range.first, range.length, range.leaf, range.level), (0x1000_0000, 0x6000, true, 3));
        assert!(range.hit(0x1000_5000, 0x1000) && !range.hit(0x1000_6000, 0x1000));
        assert!(range.takes_leaf(3) && !range.takes_leaf(2) && !range.takes_table(2));
        assert_eq!(Command::decode([0x2a, 0x400], &FEATURES), Err(Illegal));
        let old = Features { ranges: false, ..FEATURES };
        assert_eq!(Command::decode([0x2a, 0x700], &old), Err(Illegal));
    }
}
