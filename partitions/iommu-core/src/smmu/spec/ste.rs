// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stream table entries and first-level descriptors (IHI 0070, 5.1 and 5.2), as 64-bit little-endian words.
//!
//! Words of an entry that are not here (4 to 7) stay zero: they belong to secure streams, MPAM and vendors.

use tock_registers::register_bitfields;

/// 64-bit words of a stream table entry (5.2).
pub(crate) const STE_WORDS: usize = 8;
/// The word that holds V and Config, written last.
pub(crate) const STE_VALID_WORD: usize = 0;
/// Stream IDs that one second-level table covers, as a power of two: 64 entries fill a 4 KiB page (6.3.25).
pub(crate) const SPLIT: u32 = 6;

register_bitfields! {
    u64,
    /// First-level descriptor (5.1).
    pub(crate) L1STD [
        /// 0: no stream here is valid; n: the second level has 2^(n-1) entries.
        SPAN OFFSET(0) NUMBITS(5) [],
        /// Bits 55:6 of the second level's address.
        L2PTR OFFSET(6) NUMBITS(50) [],
    ],
    /// Bits 63:0 of an entry (5.2).
    pub(crate) STE0 [
        /// 0: transactions are aborted and `C_BAD_STE` is recorded.
        V OFFSET(0) NUMBITS(1) [],
        /// What happens to transactions.
        CONFIG OFFSET(1) NUMBITS(3) [
            /// They are aborted, and nothing is recorded.
            Abort = 0,
            /// Stage 1 translates, stage 2 does not.
            Stage1 = 5,
            /// Stage 1 bypassed, stage 2 translates.
            Stage2 = 6,
            /// Stage 1 translates, then stage 2.
            Both = 7,
        ],
        /// Bits 55:6 of the address of the context descriptor.
        S1CONTEXTPTR OFFSET(6) NUMBITS(50) [],
    ],
    /// Bits 127:64.
    pub(crate) STE1 [
        /// Inner cacheability of context descriptors (bits 67:66).
        S1CIR OFFSET(2) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Outer cacheability of context descriptors (bits 69:68).
        S1COR OFFSET(4) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Shareability of context descriptors (bits 71:70).
        S1CSH OFFSET(6) NUMBITS(2) [
            /// Not shareable.
            NonShareable = 0,
            /// Inner shareable.
            Inner = 3,
        ],
        /// Events of this stream may be merged into one record (bit 83).
        MEV OFFSET(19) NUMBITS(1) [],
        /// Faults of stage 1 never stall, whatever its context says (bit 91).
        S1STALLD OFFSET(27) NUMBITS(1) [],
        /// ATS (bits 93:92); 0 refuses translation requests and translated traffic.
        EATS OFFSET(28) NUMBITS(2) [],
        /// Shareability of incoming transactions (bits 109:108).
        SHCFG OFFSET(44) NUMBITS(2) [
            /// As the device says.
            Incoming = 1,
        ],
    ],
    /// Bits 191:128.
    pub(crate) STE2 [
        /// Tags TLB entries (bits 143:128).
        S2VMID OFFSET(0) NUMBITS(16) [],
        /// 64 minus the width of an IOVA (bits 165:160).
        S2T0SZ OFFSET(32) NUMBITS(6) [],
        /// Level at which walks start (bits 167:166); the encoding depends on the granule.
        S2SL0 OFFSET(38) NUMBITS(2) [
            /// Level 0, with 4 KiB pages.
            Level0 = 2,
            /// Level 1, with 4 KiB pages.
            Level1 = 1,
        ],
        /// Inner cacheability of walks (bits 169:168).
        S2IR0 OFFSET(40) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Outer cacheability of walks (bits 171:170).
        S2OR0 OFFSET(42) NUMBITS(2) [
            /// Not cached.
            NonCacheable = 0,
            /// Write-back, read- and write-allocate.
            WriteBack = 1,
        ],
        /// Shareability of walks (bits 173:172).
        S2SH0 OFFSET(44) NUMBITS(2) [
            /// Not shareable.
            NonShareable = 0,
            /// Inner shareable.
            Inner = 3,
        ],
        /// Granule (bits 175:174).
        S2TG OFFSET(46) NUMBITS(2) [
            /// 4 KiB.
            Granule4K = 0,
        ],
        /// Physical address size (bits 178:176), encoded as in IDR5.OAS.
        S2PS OFFSET(48) NUMBITS(3) [],
        /// `VMSAv8-64` tables (bit 179).
        S2AA64 OFFSET(51) NUMBITS(1) [],
        /// Table walks of stage 1 must not meet device memory (bit 182).
        S2PTW OFFSET(54) NUMBITS(1) [],
        /// Faults stall (bit 185).
        S2S OFFSET(57) NUMBITS(1) [],
        /// Faults are recorded (bit 186).
        S2R OFFSET(58) NUMBITS(1) [],
    ],
    /// Bits 255:192.
    pub(crate) STE3 [
        /// Bits 51:4 of the stage-2 table's address (bits 243:196).
        S2TTB OFFSET(4) NUMBITS(48) [],
    ],
}
