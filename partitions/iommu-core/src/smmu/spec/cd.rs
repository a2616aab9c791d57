// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Context descriptors (IHI 0070, 5.4), as 64-bit little-endian words.
//!
//! Words of a descriptor that are not here (2, and 4 to 7) stay zero: they belong to the upper half of addresses, which is off,
//! to auxiliary attributes, MPAM and vendors.

use tock_registers::register_bitfields;

/// 64-bit words of a context descriptor (5.4).
pub(crate) const CD_WORDS: usize = 8;
/// MAIR (bits 255:192): attributes 0 are Normal memory, inner and outer write-back, read- and write-allocate (DDI 0487,
/// MAIR_EL1). No descriptor of this service names others.
pub(crate) const MAIR: u64 = 0xff;

register_bitfields! {
    u64,
    /// Bits 63:0 of a descriptor (5.4).
    pub(crate) CD0 [
        /// 64 minus the width of an IOVA.
        T0SZ OFFSET(0) NUMBITS(6) [],
        /// Granule of the lower half.
        TG0 OFFSET(6) NUMBITS(2) [
            /// 4 KiB.
            Granule4K = 0,
        ],
        /// Inner cacheability of walks.
        IR0 OFFSET(8) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Outer cacheability of walks.
        OR0 OFFSET(10) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Shareability of walks.
        SH0 OFFSET(12) NUMBITS(2) [
            /// Not shareable.
            NonShareable = 0,
            /// Inner shareable.
            Inner = 3,
        ],
        /// The upper half of addresses is not walked: it faults.
        EPD1 OFFSET(30) NUMBITS(1) [],
        /// The descriptor is valid.
        V OFFSET(31) NUMBITS(1) [],
        /// Physical address size, encoded as in IDR5.OAS.
        IPS OFFSET(32) NUMBITS(3) [],
        /// `VMSAv8-64` tables.
        AA64 OFFSET(41) NUMBITS(1) [],
        /// Faults stall.
        S OFFSET(44) NUMBITS(1) [],
        /// Faults are recorded.
        R OFFSET(45) NUMBITS(1) [],
        /// Transactions that fault are aborted; 0 has them read zero and write nothing, where the SMMU can.
        A OFFSET(46) NUMBITS(1) [],
        /// The ASID is none of those that broadcast invalidation means.
        ASET OFFSET(47) NUMBITS(1) [],
        /// Tags TLB entries.
        ASID OFFSET(48) NUMBITS(16) [],
    ],
    /// Bits 127:64.
    pub(crate) CD1 [
        /// Bits 55:4 of the table's address (bits 119:68).
        TTB0 OFFSET(4) NUMBITS(52) [],
    ],
}
