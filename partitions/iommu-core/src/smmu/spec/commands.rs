// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands (IHI 0070, chapter 4): 16 bytes each, as two 64-bit little-endian words.

use ffa_abi::StreamId;
use tock_registers::fields::FieldValue;
use tock_registers::register_bitfields;

/// 64-bit words of a command.
pub(crate) const COMMAND_WORDS: usize = 2;

/// A command as the SMMU reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) [u64; COMMAND_WORDS]);

/// Whose translations a command is about (3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// Those of stage 1 alone with an ASID, in an SMMU without stage 2.
    Asid(u16),
    /// Those of stage 2 with a VMID.
    Vmid(u16),
}

/// How far a range invalidation reaches: `(multiplier_less_one + 1) << scale` pages of 4 KiB (4.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageSpan {
    /// Multiplier, 0 to 31 for 1 to 32.
    pub(crate) multiplier_less_one: u8,
    /// Shift, 0 to 31.
    pub(crate) scale: u8,
    /// Level of the leaves, 1 to 3, or 0 for any.
    pub(crate) level: u8,
}

register_bitfields! {
    u64,
    /// Bits 63:0 of a command.
    pub(crate) COMMAND0 [
        /// Which command (4.1.4).
        OPCODE OFFSET(0) NUMBITS(8) [
            /// 4.3.1.
            CfgiSte = 0x03,
            /// 4.3.2 and 4.3.6.
            CfgiSteRange = 0x04,
            /// 4.3.3.
            CfgiCd = 0x05,
            /// 4.3.4.
            CfgiCdAll = 0x06,
            /// 4.4.2.1.
            TlbiNhAll = 0x10,
            /// 4.4.2.2.
            TlbiNhAsid = 0x11,
            /// 4.4.2.3.
            TlbiNhVa = 0x12,
            /// 4.4.2.4.
            TlbiNhVaa = 0x13,
            /// 4.4.2.
            TlbiEl2All = 0x20,
            /// 4.4.3.2.
            TlbiS12Vmall = 0x28,
            /// 4.4.3.1.
            TlbiS2Ipa = 0x2a,
            /// 4.4.4.1.
            TlbiNsnhAll = 0x30,
            /// 4.7.3.
            Sync = 0x46,
        ],
        /// CMD_SYNC: how completion is signalled besides the consumer index; 0: not at all.
        CS OFFSET(12) NUMBITS(2) [],
        /// Invalidation by range: multiplier less one (4.4.1.1).
        NUM OFFSET(12) NUMBITS(5) [],
        /// Invalidation by range: shift (4.4.1.1).
        SCALE OFFSET(20) NUMBITS(5) [],
        /// Invalidation by VMID.
        VMID OFFSET(32) NUMBITS(16) [],
        /// Invalidation by ASID.
        ASID OFFSET(48) NUMBITS(16) [],
        /// Invalidation by stream ID.
        STREAM OFFSET(32) NUMBITS(32) [],
    ],
    /// Bits 127:64 of a command.
    pub(crate) COMMAND1 [
        /// Only the last level: of the stream table (4.3.1), of tables of context descriptors (4.3.3), or of translation tables (4.4.3.1).
        LEAF OFFSET(0) NUMBITS(1) [],
        /// CMD_CFGI_STE_RANGE: log2 of the number of streams, less one; 31 is all.
        RANGE OFFSET(0) NUMBITS(5) [],
        /// Level of the entries to invalidate; 0: any (4.4.1.1).
        TTL OFFSET(8) NUMBITS(2) [],
        /// Granule of a range invalidation; 0: not by range (4.4.1.1).
        TG OFFSET(10) NUMBITS(2) [
            /// By range, in pages of 4 KiB.
            Granule4K = 1,
        ],
        /// Bits 63:12 of the address.
        ADDRESS OFFSET(12) NUMBITS(52) [],
    ],
}

/// All streams, for `COMMAND1::RANGE` (4.3.6).
const ALL_STREAMS: u64 = 31;
const PAGE_SHIFT: u32 = 12;

const fn command(
    low: FieldValue<u64, COMMAND0::Register>,
    high: FieldValue<u64, COMMAND1::Register>,
) -> Command {
    Command([low.value, high.value])
}

const fn nothing() -> FieldValue<u64, COMMAND1::Register> {
    COMMAND1::LEAF::CLEAR
}

fn by_address(tag: Tag) -> FieldValue<u64, COMMAND0::Register> {
    match tag {
        Tag::Vmid(vmid) => COMMAND0::OPCODE::TlbiS2Ipa + COMMAND0::VMID.val(vmid.into()),
        Tag::Asid(asid) => COMMAND0::OPCODE::TlbiNhVa + COMMAND0::ASID.val(asid.into()),
    }
}

impl Command {
    /// `CMD_SYNC` without a signal (4.7.3): when it is consumed, what stood before it is complete.
    pub(crate) const SYNC: Self = command(COMMAND0::OPCODE::Sync, nothing());
    /// `CMD_TLBI_NSNH_ALL` (4.4.4.1): all translations of non-secure EL1 and EL0.
    pub(crate) const INVALIDATE_ALL: Self = command(COMMAND0::OPCODE::TlbiNsnhAll, nothing());
    /// `CMD_TLBI_EL2_ALL` (4.4.2): all translations of EL2.
    pub(crate) const INVALIDATE_EL2: Self = command(COMMAND0::OPCODE::TlbiEl2All, nothing());

    /// Returns `CMD_CFGI_ALL` (4.3.6): all cached stream table entries and descriptors.
    #[must_use]
    pub(crate) fn forget_all_streams() -> Self {
        command(COMMAND0::OPCODE::CfgiSteRange, COMMAND1::RANGE.val(ALL_STREAMS))
    }

    /// Returns `CMD_CFGI_STE` (4.3.1) for one entry; first-level descriptors never change after bring-up.
    #[must_use]
    pub(crate) fn forget_stream(stream: StreamId) -> Self {
        command(COMMAND0::OPCODE::CfgiSte + COMMAND0::STREAM.val(u64::from(stream.0)), COMMAND1::LEAF::SET)
    }

    /// Returns `CMD_CFGI_CD` (4.3.3) for a stream's context descriptor: there are no substreams, and no tables of them.
    #[must_use]
    pub(crate) fn forget_context(stream: StreamId) -> Self {
        command(COMMAND0::OPCODE::CfgiCd + COMMAND0::STREAM.val(u64::from(stream.0)), COMMAND1::LEAF::SET)
    }

    /// Returns `CMD_TLBI_S12_VMALL` (4.4.3.2) or `CMD_TLBI_NH_ASID` (4.4.2.2): all translations with a tag.
    #[must_use]
    pub(crate) fn invalidate_tag(tag: Tag) -> Self {
        let whose = match tag {
            Tag::Vmid(vmid) => COMMAND0::OPCODE::TlbiS12Vmall + COMMAND0::VMID.val(vmid.into()),
            Tag::Asid(asid) => COMMAND0::OPCODE::TlbiNhAsid + COMMAND0::ASID.val(asid.into()),
        };
        command(whose, nothing())
    }

    /// Returns `CMD_TLBI_S2_IPA` (4.4.3.1) or `CMD_TLBI_NH_VA` (4.4.2.3) for what translates one address; `leaf` spares cached
    /// table descriptors.
    #[must_use]
    pub(crate) fn invalidate_address(tag: Tag, address: u64, leaf: bool) -> Self {
        command(
            by_address(tag),
            COMMAND1::LEAF.val(u64::from(leaf)) + COMMAND1::ADDRESS.val(address >> PAGE_SHIFT),
        )
    }

    /// As [`invalidate_address`](Self::invalidate_address) in the range form (4.4.1.1), for SMMUs with IDR3.RIL.
    #[must_use]
    pub(crate) fn invalidate_range(tag: Tag, address: u64, leaf: bool, span: PageSpan) -> Self {
        command(
            by_address(tag)
                + COMMAND0::NUM.val(u64::from(span.multiplier_less_one))
                + COMMAND0::SCALE.val(u64::from(span.scale)),
            COMMAND1::LEAF.val(u64::from(leaf))
                + COMMAND1::TTL.val(u64::from(span.level))
                + COMMAND1::TG::Granule4K
                + COMMAND1::ADDRESS.val(address >> PAGE_SHIFT),
        )
    }
}
