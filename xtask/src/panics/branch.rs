// SPDX-License-Identifier: Apache-2.0 OR MIT
//! As much of A64 as says where control goes next, and which addresses code computes (Arm ARM C4.1).

/// What an instruction does to the flow of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Goes there and nowhere else.
    Jump(u64),
    /// Goes there, and perhaps on.
    Branch(u64),
    /// Goes there and comes back.
    Call(u64),
    /// Goes to the address in a register.
    IndirectJump(u32),
    /// Calls the address in a register.
    IndirectCall,
    /// Returns, by RET or ERET, or cannot be executed.
    End,
    /// Goes on.
    Next,
}

/// Bits `low..low + count` of a word.
const fn bits(word: u32, low: u32, count: u32) -> u32 {
    (word >> low) & ((1 << count) - 1)
}

/// An offset of `count` bits, in instructions, from an address.
const fn target(at: u64, word: u32, low: u32, count: u32) -> u64 {
    let field = bits(word, low, count) as i64;
    let offset = (field << (64 - count)) >> (64 - count);
    at.wrapping_add_signed(offset * 4)
}

/// Says where control goes after the instruction `word` at `at`.
pub(super) const fn flow(at: u64, word: u32) -> Flow {
    match word {
        _ if word & 0xfc00_0000 == 0x1400_0000 => Flow::Jump(target(at, word, 0, 26)),
        _ if word & 0xfc00_0000 == 0x9400_0000 => Flow::Call(target(at, word, 0, 26)),
        // B.cond and BC.cond; CBZ and CBNZ.
        _ if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Flow::Branch(target(at, word, 5, 19))
        }
        // TBZ and TBNZ.
        _ if word & 0x7e00_0000 == 0x3600_0000 => Flow::Branch(target(at, word, 5, 14)),
        // Unconditional branch (register): opc 0 is BR, 1 BLR, 2 RET, 4 ERET, 8 and 9 with pointer authentication.
        _ if word & 0xfe00_0000 == 0xd600_0000 => match bits(word, 21, 4) {
            0 | 8 => Flow::IndirectJump(bits(word, 5, 5)),
            1 | 9 => Flow::IndirectCall,
            _ => Flow::End,
        },
        // UDF; BRK, which nothing here comes back from.
        _ if word & 0xffff_0000 == 0 || word & 0xffe0_001f == 0xd420_0000 => Flow::End,
        _ => Flow::Next,
    }
}

/// What an instruction contributes to an address that code computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// ADR: this address, into a register.
    Whole(u64, u32),
    /// ADRP: this page, into a register.
    Page(u64, u32),
    /// ADD (immediate) of a part of a page, to anything but the stack pointer: that points to no page of code.
    Offset(u64),
}

/// Number of the stack pointer, as operand of ADD (immediate).
const STACK_POINTER: u32 = 31;

/// Says what the instruction `word` at `at` contributes to an address, if anything.
pub(super) const fn address(at: u64, word: u32) -> Option<Address> {
    if word & 0x1f00_0000 == 0x1000_0000 {
        let field = ((bits(word, 5, 19) << 2) | bits(word, 29, 2)) as i64;
        let offset = (field << 43) >> 43;
        return Some(if word >> 31 == 0 {
            Address::Whole(at.wrapping_add_signed(offset), bits(word, 0, 5))
        } else {
            Address::Page((at & !0xfff).wrapping_add_signed(offset << 12), bits(word, 0, 5))
        });
    }
    if word & 0xffc0_0000 == 0x9100_0000 && bits(word, 5, 5) != STACK_POINTER {
        return Some(Address::Offset(bits(word, 10, 12) as u64));
    }
    None
}

/// Returns the operand and the result of ADD and SUB (immediate, 64 bits), and what ADD adds of a part of a page.
pub(super) const fn sum(word: u32) -> Option<(u32, u32, Option<u64>)> {
    let (operand, result) = (bits(word, 5, 5), bits(word, 0, 5));
    match word & 0xffc0_0000 {
        0x9100_0000 => Some((operand, result, Some(bits(word, 10, 12) as u64))),
        0x9140_0000 | 0xd100_0000 | 0xd140_0000 => Some((operand, result, None)),
        _ => None,
    }
}

/// Returns the first operand and the result of ADD (extended or shifted register, 64 bits).
pub(super) const fn add(word: u32) -> Option<(u32, u32)> {
    if word & 0xff00_0000 == 0x8b00_0000 { Some((bits(word, 5, 5), bits(word, 0, 5))) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Words and meanings as the assembler has them.
    #[test]
    fn flow_is_told() {
        for (word, flow_) in [
            (0x1400_0041, Flow::Jump(0x83f8)),
            (0x97ff_ffff, Flow::Call(0x82f0)),
            (0x5400_0281, Flow::Branch(0x8344)),
            (0xb4ff_ffe0, Flow::Branch(0x82f0)),
            (0x3600_0040, Flow::Branch(0x82fc)),
            (0xb7f8_0040, Flow::Branch(0x82fc)),
            (0xd61f_0060, Flow::IndirectJump(3)),
            (0xd63f_02a0, Flow::IndirectCall),
            (0xd65f_03c0, Flow::End),
            (0xd69f_03e0, Flow::End),
            (0xd420_0020, Flow::End),
            (0x0000_0000, Flow::End),
            (0xd503_201f, Flow::Next),
            (0x9101_c3ff, Flow::Next),
        ] {
            assert_eq!(flow(0x82f4, word), flow_, "{word:#x}");
        }
    }

    #[test]
    fn addresses_are_told() {
        assert_eq!(address(0x81d8, 0x1000_008d), Some(Address::Whole(0x81e8, 13)));
        assert_eq!(address(0x8300, 0x3006_8ea1), Some(Address::Whole(0x154d5, 1)));
        assert_eq!(address(0x8300, 0x70ff_ffe0), Some(Address::Whole(0x82ff, 0)));
        assert_eq!(address(0x8304, 0xb000_0060), Some(Address::Page(0x15000, 0)));
        assert_eq!(address(0, 0x9101_c000), Some(Address::Offset(0x70)));
        assert_eq!(address(0, 0x9101_c3ff), None, "of the stack");
        assert_eq!(address(0, 0xd503_201f), None);
        assert_eq!(sum(0x9100_c001), Some((0, 1, Some(0x30))));
        assert_eq!(sum(0x9140_0420), Some((1, 0, None)));
        assert_eq!(sum(0xd101_13a8), Some((29, 8, None)));
        assert_eq!(sum(0x8b0e_09ad), None);
        assert_eq!(add(0x8b0e_09ad), Some((13, 13)));
        assert_eq!(add(0x8b0c_096b), Some((11, 11)));
        assert_eq!(add(0x9101_c3ff), None);
    }
}
