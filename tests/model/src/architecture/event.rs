// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Event records (IHI 0070, 7.3).

/// 64-bit words of a record.
pub(crate) const EVENT_WORDS: usize = 4;

/// Why a transaction was stopped; the number is the event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// C_BAD_STREAMID (7.3.3).
    BadStreamId = 0x02,
    /// F_STE_FETCH (7.3.4).
    SteFetch = 0x03,
    /// C_BAD_STE (7.3.5).
    BadSte = 0x04,
    /// F_TRANSL_FORBIDDEN (7.3.8).
    TranslatedForbidden = 0x07,
    /// F_CD_FETCH (7.3.10).
    CdFetch = 0x09,
    /// C_BAD_CD (7.3.11).
    BadCd = 0x0a,
    /// F_WALK_EABT (7.3.12).
    WalkAbort = 0x0b,
    /// F_TRANSLATION (7.3.13).
    Translation = 0x10,
    /// F_ADDR_SIZE (7.3.14).
    AddressSize = 0x11,
    /// F_ACCESS (7.3.15).
    Access = 0x12,
    /// F_PERMISSION (7.3.16).
    Permission = 0x13,
    /// F_TLB_CONFLICT (7.3.17).
    TlbConflict = 0x20,
}

/// Makes a record: number in bits 7:0, StreamID in 63:32, RnW in bit 99, S2 in bit 103, InputAddr in 191:128.
pub(crate) fn record(kind: Kind, stream: u32, input: u64, write: bool) -> [u64; EVENT_WORDS] {
    let has_address =
        !matches!(kind, Kind::BadStreamId | Kind::SteFetch | Kind::BadSte | Kind::CdFetch | Kind::BadCd);
    let second = if has_address { u64::from(!write) << 35 | 1 << 39 } else { 0 };
    [u64::from(kind as u8) | u64::from(stream) << 32, second, if has_address { input } else { 0 }, 0]
}
