// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Event records (IHI 0070, 7.3): 32 bytes each, as four 64-bit little-endian words.

use num_enum::TryFromPrimitive;
use tock_registers::register_bitfields;

/// 64-bit words of a record.
pub(crate) const EVENT_WORDS: usize = 4;

register_bitfields! {
    u64,
    /// Bits 63:0 of a record.
    pub(crate) EVENT0 [
        /// Which event.
        NUMBER OFFSET(0) NUMBITS(8) [],
        /// Who issued the transaction.
        STREAM OFFSET(32) NUMBITS(32) [],
    ],
    /// Bits 127:64 of a record.
    pub(crate) EVENT1 [
        /// 1 for a read (bit 99).
        RNW OFFSET(35) NUMBITS(1) [],
    ],
}

/// The word that holds the input address, in events that have one.
pub(crate) const INPUT_ADDRESS_WORD: usize = 2;

/// Event numbers (7.3.2 and following).
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromPrimitive)]
#[repr(u8)]
pub(crate) enum EventNumber {
    /// A transaction of a kind that the SMMU does not know.
    UnsupportedTransaction = 0x01,
    /// `C_BAD_STREAMID`: the stream is outside of the table.
    BadStreamId = 0x02,
    /// `F_STE_FETCH`: an entry could not be read.
    SteFetch = 0x03,
    /// `C_BAD_STE`: the entry is not valid.
    BadSte = 0x04,
    /// `F_BAD_ATS_TREQ`: a translation request, where ATS is off.
    BadAtsRequest = 0x05,
    /// `F_STREAM_DISABLED`: the entry does not allow transactions without a substream.
    StreamDisabled = 0x06,
    /// `F_TRANSL_FORBIDDEN`: a transaction claims to be translated already.
    TranslatedForbidden = 0x07,
    /// `C_BAD_SUBSTREAMID`: a substream where there is none.
    BadSubstreamId = 0x08,
    /// `F_CD_FETCH`: a context descriptor could not be read.
    CdFetch = 0x09,
    /// `C_BAD_CD`: a context descriptor is not valid.
    BadCd = 0x0a,
    /// `F_WALK_EABT`: a translation table could not be read.
    WalkAbort = 0x0b,
    /// `F_TRANSLATION`: nothing is mapped.
    Translation = 0x10,
    /// `F_ADDR_SIZE`: the address is too wide.
    AddressSize = 0x11,
    /// `F_ACCESS`: the descriptor's access flag is clear.
    Access = 0x12,
    /// `F_PERMISSION`: the mapping does not allow it.
    Permission = 0x13,
    /// `F_TLB_CONFLICT`: two translations for one address.
    TlbConflict = 0x20,
    /// `F_CFG_CONFLICT`: two configurations for one stream.
    ConfigConflict = 0x21,
    /// `E_PAGE_REQUEST`: a hint from a device.
    PageRequest = 0x24,
    /// `F_VMS_FETCH`: a virtual machine structure could not be read.
    VmsFetch = 0x25,
}

impl EventNumber {
    /// Tells whether records of this event carry the input address and the direction.
    #[must_use]
    pub(crate) const fn has_address(self) -> bool {
        match self {
            Self::UnsupportedTransaction
            | Self::TranslatedForbidden
            | Self::WalkAbort
            | Self::Translation
            | Self::AddressSize
            | Self::Access
            | Self::Permission
            | Self::TlbConflict => true,
            Self::BadStreamId
            | Self::SteFetch
            | Self::BadSte
            | Self::BadAtsRequest
            | Self::StreamDisabled
            | Self::BadSubstreamId
            | Self::CdFetch
            | Self::BadCd
            | Self::ConfigConflict
            | Self::PageRequest
            | Self::VmsFetch => false,
        }
    }
}
