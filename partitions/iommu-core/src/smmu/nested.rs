// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a client may have an SMMU forget of a stage 1 of its own (IHI 0070, 4.3 and 4.4): its commands are read field by field,
//! and written anew with the VMID and the stream IDs that are its device's. What is no field that is known is refused.
//!
//! And which VMIDs such a stage 1 was ever in front of: there a translation can come of both stages, and forgetting it by its
//! address in stage 2 does not reach it (4.4.3.1).

use super::Vmid;
use super::spec::commands::{COMMAND_WORDS, COMMAND0, COMMAND1, Command};
use crate::sync::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use tock_registers::LocalRegisterCopy;

use COMMAND0::OPCODE::Value;

/// What a client's command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The context descriptors of its streams are to be forgotten.
    Contexts,
    /// Translations are; the command is whole but for its VMID.
    Translations([u64; COMMAND_WORDS]),
}

impl Wanted {
    /// Reads a command; `None` where it is not one that clients may send.
    pub(super) fn decode([low, high]: [u64; COMMAND_WORDS], ranges: bool) -> Option<Self> {
        let (first, second) = (
            LocalRegisterCopy::<u64, COMMAND0::Register>::new(low),
            LocalRegisterCopy::<u64, COMMAND1::Register>::new(high),
        );
        let opcode = first.read_as_enum::<Value>(COMMAND0::OPCODE)?;
        let asid = COMMAND0::ASID.val(first.read(COMMAND0::ASID));
        let range =
            COMMAND0::NUM.val(first.read(COMMAND0::NUM)) + COMMAND0::SCALE.val(first.read(COMMAND0::SCALE));
        let address = COMMAND1::LEAF.val(second.read(COMMAND1::LEAF))
            + COMMAND1::TTL.val(second.read(COMMAND1::TTL))
            + COMMAND1::TG.val(second.read(COMMAND1::TG))
            + COMMAND1::ADDRESS.val(second.read(COMMAND1::ADDRESS));
        let none = COMMAND1::LEAF::CLEAR;
        let leaf = COMMAND1::LEAF.val(second.read(COMMAND1::LEAF));
        // What the command is made of, and what stands in its place of our own.
        let (low_part, high_part, replaced) = match opcode {
            Value::CfgiCd => (COMMAND0::OPCODE::CfgiCd, leaf, STREAM),
            Value::CfgiCdAll => (COMMAND0::OPCODE::CfgiCdAll, none, STREAM),
            Value::TlbiNhAll => (COMMAND0::OPCODE::TlbiNhAll, none, VMID),
            Value::TlbiNhAsid => (COMMAND0::OPCODE::TlbiNhAsid + asid, none, VMID),
            Value::TlbiNhVa => (COMMAND0::OPCODE::TlbiNhVa + asid + range, address, VMID),
            Value::TlbiNhVaa => (COMMAND0::OPCODE::TlbiNhVaa + range, address, VMID),
            Value::CfgiSte
            | Value::CfgiSteRange
            | Value::TlbiEl2All
            | Value::TlbiS12Vmall
            | Value::TlbiS2Ipa
            | Value::TlbiNsnhAll
            | Value::Sync => return None,
        };
        if low & !replaced != low_part.value || high != high_part.value {
            return None;
        }
        if replaced == STREAM {
            return Some(Self::Contexts);
        }
        let by_range = second.read(COMMAND1::TG) != 0;
        let arguments = range.value | COMMAND1::TTL.val(second.read(COMMAND1::TTL)).value;
        let is_legal = match by_range {
            // Level, multiplier and shift mean something in ranges alone (4.4.1.1).
            false => arguments == 0,
            // One page of any level is reserved, and so are granules that are not there.
            true => ranges && second.matches_all(COMMAND1::TG::Granule4K) && arguments != 0,
        };
        is_legal.then_some(Self::Translations([low_part.value, high]))
    }

    /// Returns a command that forgets translations, for a VMID.
    pub(super) fn with_vmid([low, high]: [u64; COMMAND_WORDS], vmid: Vmid) -> Command {
        Command([low | COMMAND0::VMID.val(vmid.0.into()).value, high])
    }
}

/// Where commands have what is replaced.
const VMID: u64 = COMMAND0::VMID.mask << COMMAND0::VMID.shift;
const STREAM: u64 = COMMAND0::STREAM.mask << COMMAND0::STREAM.shift;

/// VMIDs, a bit each. Those of this service have eight bits.
#[derive(Debug, Default)]
pub(super) struct Vmids([AtomicU32; 8]);

impl Vmids {
    fn place(&self, Vmid(number): Vmid) -> Option<(&AtomicU32, u32)> {
        Some((self.0.get(usize::from(number / 32))?, 1 << (number % 32)))
    }

    /// Notes one.
    pub(super) fn add(&self, vmid: Vmid) {
        if let Some((word, bit)) = self.place(vmid) {
            word.fetch_or(bit, Relaxed);
        }
    }

    /// Tells whether it was noted; of one that cannot be, it is said that it was.
    pub(super) fn has(&self, vmid: Vmid) -> bool {
        self.place(vmid).is_none_or(|(word, bit)| word.load(Relaxed) & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(low: u64, high: u64) -> Option<Wanted> {
        Wanted::decode([low, high], true)
    }

    #[test]
    fn what_is_a_client_s_to_forget_is_taken_for_its_own_vmid() {
        for (low, high) in [
            (0x10, 0),
            (5 << 48 | 0x11, 0),
            (5 << 48 | 0x12, 0x1234_5001),
            (5 << 48 | 0x12 | 3 << 12 | 2 << 20, 0x1234_5701),
            (0x13, 0x1234_5000),
        ] {
            for vmid in [0, 7, 0xffff] {
                let wanted = decode(low | vmid << 32, high);
                assert_eq!(wanted, Some(Wanted::Translations([low, high])), "{low:#x} {high:#x}");
            }
            assert_eq!(Wanted::with_vmid([low, high], Vmid(9)), Command([low | 9 << 32, high]));
        }
        for stream in [0, 0x10, 0xffff_ffff] {
            assert_eq!(decode(stream << 32 | 0x05, 1), Some(Wanted::Contexts));
            assert_eq!(decode(stream << 32 | 0x06, 0), Some(Wanted::Contexts));
        }
    }

    #[test]
    fn nothing_else_is() {
        // All opcodes but those six: prefetching, streams, EL2, stage 2, ATS, resuming, CMD_SYNC and what does not exist.
        for opcode in (0..=0xff).filter(|opcode| !matches!(opcode, 0x05 | 0x06 | 0x10..=0x13)) {
            assert_eq!(decode(opcode, 0), None, "{opcode:#x}");
        }
        for (low, high) in [
            // SSec; a substream and its validity.
            (0x411, 0),
            (0x1005, 1),
            (0x805, 1),
            // An ASID where there is none, and other bits.
            (5 << 48 | 0x10, 0),
            (5 << 48 | 0x13, 0),
            (0x11, 1),
            (0x10, 0x1000),
            (0x06, 1),
            (0x05, 2),
            // A level, multiplier or shift without a range; one page of any level; other granules; other bits.
            (0x12, 0x100),
            (0x1012, 0),
            (0x10_0012, 0),
            (0x12, 0x400),
            (0x1012, 0x800),
            (0x1012, 0xc00),
            (0x1012, 0x402),
            (0x0200_0012, 0),
        ] {
            assert_eq!(decode(low, high), None, "{low:#x} {high:#x}");
        }
        assert_eq!(Wanted::decode([0x1012, 0x400], false), None, "an SMMU without ranges");
        assert!(Wanted::decode([0x1012, 0x400], true).is_some());
    }
}
