// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an SMMU finds where a kernel's own structures stand: context descriptors and tables of stage 1 that nobody ever wrote there.
//! Most of it could be meant; none of it can be trusted. It changes as the kernel goes on, and no SMMU is told.

/// Where such structures lead: addresses that clients were at last.
#[derive(Debug, Default)]
pub(crate) struct Theirs {
    hints: Vec<u64>,
}

/// Addresses that are remembered.
const MOST: usize = 8;

impl Theirs {
    /// Remembers an address.
    pub(crate) fn hint(&mut self, address: u64) {
        if self.hints.len() >= MOST {
            self.hints.remove(0);
        }
        self.hints.push(address & !0xfff);
    }

    /// Returns the word at an address.
    pub(crate) fn word(&self, address: u64) -> u64 {
        let mut mixed = (address / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^= mixed >> 32;
        let count = u64::try_from(self.hints.len()).unwrap_or(0);
        let chosen = usize::try_from((mixed >> 8).checked_rem(count).unwrap_or(0)).unwrap_or(0);
        let hint = self.hints.get(chosen).copied().unwrap_or(0);
        let page = if mixed & 0x40 == 0 { hint } else { hint.wrapping_add((mixed >> 20 & 7) << 12) };
        if (address / 8).is_multiple_of(8) && mixed & 3 != 0 {
            // Word 0 of a context descriptor: T0SZ 25, EPD1, V, IPS, AA64, R, A, one of four ASIDs.
            return 25 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 3 << 45 | (mixed >> 4 & 3) << 48;
        }
        match mixed & 7 {
            0 => 0,
            1 => mixed,
            // A table or a page, or a block: AF, inner shareable, readable and writable or read-only, global or not.
            _ => {
                let kind = if mixed & 0x80 == 0 { 0b11 } else { 0b01 };
                page & 0x0000_ffff_ffff_f000 | 0x740 | kind | (mixed & 8) << 8 | (mixed & 16) << 3
            }
        }
    }
}
