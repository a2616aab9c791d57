// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an SMMU can do, and why one cannot serve a policy (IHI 0070, 6.3.1 to 6.3.6).

use super::hardware::{Hardware, PoolMapping, Registers};
use super::ring::Ring;
use super::spec::registers::{IDR0, IDR1, IDR3, IDR5};
use super::{BlockChanges, SmmuFeatures};
use crate::table::{Format, Geometry};
use thiserror::Error;

/// What a policy needs from an SMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    /// Bits of the policy's largest stream ID behind this SMMU.
    pub(super) sid_bits: u8,
    /// The highest address that the SMMU puts out or fetches from.
    pub(super) top: u64,
    /// How the pool is mapped.
    pub(super) mapping: PoolMapping,
}

/// Why an SMMU cannot serve a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// Stage 2 is used where it is there, else stage 1.
    #[error("the SMMU has neither stage 1 nor stage 2 (IDR0.S1P, S2P)")]
    NoStage,
    /// Tables have the 64-bit format.
    #[error("the SMMU cannot walk VMSAv8-64 tables (IDR0.TTF)")]
    NoAarch64Tables,
    /// Tables are little-endian.
    #[error("the SMMU walks no little-endian tables (IDR0.TTENDIAN)")]
    BigEndianTables,
    /// Pages have 4 KiB.
    #[error("the SMMU has no 4 KiB granule (IDR5.GRAN4K)")]
    NoGranule4K,
    /// A linear table would need memory for streams that the policy does not name.
    #[error("the SMMU has no two-level stream table (IDR0.ST_LEVEL)")]
    NoTwoLevelStreamTable,
    /// A stalled transaction waits for software that is not there.
    #[error("the SMMU stalls every fault (IDR0.STALL_MODEL)")]
    StallForced,
    /// Tables or queues are in the SMMU's own memory.
    #[error("the SMMU's tables or queues cannot be placed (IDR1.*_PRESET)")]
    Preset,
    /// The pool is mapped cacheable, and the SMMU does not see the caches.
    #[error("the SMMU is not coherent (IDR0.COHACC): map the pool non-cacheable")]
    NotCoherent,
    /// The policy names streams that this SMMU never sees.
    #[error("the policy's stream IDs have {needed} bits, the SMMU's {present} (IDR1.SIDSIZE)")]
    StreamIdBits {
        /// Bits of the policy's largest stream ID.
        needed: u8,
        /// Bits of the SMMU's stream IDs.
        present: u8,
    },
    /// Memory of the policy is out of the SMMU's reach.
    #[error("the policy's memory ends at {top:#x}, the SMMU puts out {bits} bits (IDR5.OAS)")]
    OutputBits {
        /// The highest address in the policy.
        top: u64,
        /// Bits of the SMMU's output addresses.
        bits: u8,
    },
    /// The input of a stage-2 table may not be wider than the output (5.2, S2T0SZ): no domain could be given to a device.
    #[error("the SMMU's stage 2 takes {0} address bits, domains have 39 (IDR5.OAS)")]
    InputBits(u8),
    /// A batch of commands and its CMD_SYNC must fit.
    #[error("the SMMU's command queue has 2^{0} entries, which is too few (IDR1.CMDQS)")]
    CommandQueue(u8),
}

/// The smallest command queue that is of use, as log2.
const MIN_COMMANDS_LOG2: u8 = 3;

/// What an SMMU can do, as far as the driver uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// What the service is told.
    pub(super) features: SmmuFeatures,
    /// STE.S2PS or CD.IPS for the largest output address that 4 KiB tables can name.
    pub(super) output_encoding: u8,
    /// Whether faults of stage 1 stall where its context says so.
    pub(super) stalls: bool,
    /// Whether entries of EL2 are cached and must be invalidated at the start.
    pub(super) hyp: bool,
    /// Whether translated ATS traffic exists and must be checked.
    pub(super) ats: bool,
    /// Whether the normal world's broadcast invalidation arrives and must be ignored.
    pub(super) broadcast: bool,
    /// log2 of the largest command queue.
    pub(super) commands_log2: u8,
    /// log2 of the largest event queue.
    pub(super) events_log2: u8,
}

impl Capabilities {
    /// Reads what the SMMU can do, and compares it with what is needed.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub(super) fn identify<H: Hardware>(hardware: &H, needs: &Needs) -> Result<Self, Unsupported> {
        let (idr0, idr1) = (hardware.get(IDR0), hardware.get(IDR1));
        let (idr3, idr5) = (hardware.get(IDR3), hardware.get(IDR5));
        let require = |there: bool, what: Unsupported| if there { Ok(()) } else { Err(what) };
        let format = match (idr0.is_set(IDR0::S1P), idr0.is_set(IDR0::S2P)) {
            (_, true) => Format::Stage2,
            (true, false) => Format::Stage1,
            (false, false) => return Err(Unsupported::NoStage),
        };
        require(idr0.is_set(IDR0::TTF_AARCH64), Unsupported::NoAarch64Tables)?;
        let little = idr0.matches_all(IDR0::TTENDIAN::Mixed) || idr0.matches_all(IDR0::TTENDIAN::Little);
        require(little, Unsupported::BigEndianTables)?;
        require(idr5.is_set(IDR5::GRAN4K), Unsupported::NoGranule4K)?;
        require(idr0.matches_all(IDR0::ST_LEVEL::TwoLevel), Unsupported::NoTwoLevelStreamTable)?;
        require(!idr0.matches_all(IDR0::STALL_MODEL::Forced), Unsupported::StallForced)?;
        let preset = idr1.is_set(IDR1::TABLES_PRESET) || idr1.is_set(IDR1::QUEUES_PRESET);
        require(!preset, Unsupported::Preset)?;
        let coherent = idr0.is_set(IDR0::COHACC) || needs.mapping == PoolMapping::NonCacheable;
        require(coherent, Unsupported::NotCoherent)?;
        let present = low_byte(idr1.read(IDR1::SIDSIZE));
        require(needs.sid_bits <= present, Unsupported::StreamIdBits { needed: needs.sid_bits, present })?;
        let (bits, output_encoding) = output(idr5.read(IDR5::OAS));
        require(needs.top >> bits == 0, Unsupported::OutputBits { top: needs.top, bits })?;
        require(Geometry::Bits39.fits(format, bits), Unsupported::InputBits(bits))?;
        let commands_log2 = low_byte(idr1.read(IDR1::CMDQS)).min(Ring::MAX_LOG2);
        require(commands_log2 >= MIN_COMMANDS_LOG2, Unsupported::CommandQueue(commands_log2))?;
        Ok(Self {
            features: SmmuFeatures {
                format,
                nested: idr0.is_set(IDR0::S1P) && idr0.is_set(IDR0::S2P),
                output_bits: bits,
                vmid_bits: if idr0.is_set(IDR0::VMID16) { 16 } else { 8 },
                range_invalidation: idr3.is_set(IDR3::RIL),
                // A value that is reserved promises nothing.
                block_changes: match idr3.read(IDR3::BBML) {
                    1 => BlockChanges::Marked,
                    2 => BlockChanges::Free,
                    _ => BlockChanges::BreakFirst,
                },
            },
            output_encoding,
            stalls: idr0.matches_all(IDR0::STALL_MODEL::Chosen),
            hyp: idr0.is_set(IDR0::HYP),
            ats: idr0.is_set(IDR0::ATS),
            broadcast: idr0.is_set(IDR0::BTM),
            commands_log2,
            events_log2: low_byte(idr1.read(IDR1::EVENTQS)).min(Ring::MAX_LOG2),
        })
    }
}

/// Reads IDR5.OAS: bits of an output address, and the encoding to use for them.
///
/// More than 48 bits are not used: tables with 4 KiB pages name them only with extensions that this service leaves off.
const fn output(encoded: u32) -> (u8, u8) {
    match encoded {
        0 => (32, 0),
        1 => (36, 1),
        2 => (40, 2),
        3 => (42, 3),
        4 => (44, 4),
        _ => (48, 5),
    }
}

const fn low_byte(value: u32) -> u8 {
    let [byte, ..] = value.to_le_bytes();
    byte
}
