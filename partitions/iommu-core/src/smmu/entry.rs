// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What stream table entries and context descriptors hold (IHI 0070, 5.2 and 5.4). Where they stand is not known here.

use super::hardware::PoolMapping;
use super::spec::cd::{CD_WORDS, CD0, CD1, MAIR};
use super::spec::ste::{STE_WORDS, STE0, STE1, STE2, STE3};
use super::{Nested, Stage1, Stage2, StreamConfig};
use crate::seeded::{Bug, seeded};
use crate::table::{Format, Geometry};
use ffa_abi::PhysAddr;
use tock_registers::fields::FieldValue;

/// What all entries of an SMMU have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes {
    /// How the SMMU has to access the pool.
    pub(super) mapping: PoolMapping,
    /// STE.S2PS or CD.IPS.
    pub(super) output_encoding: u8,
    /// Bits of an output address: no stage-2 table's input may be wider (5.2, S2T0SZ).
    pub(super) output_bits: u8,
    /// The stage that translates.
    pub(super) format: Format,
    /// Whether faults of stage 1 stall where its context says so.
    pub(super) stalls: bool,
}

impl Attributes {
    /// Returns what an entry holds; `None` where the SMMU would find it illegal. `context` is where the device's context
    /// descriptor stands.
    pub(super) fn entry(&self, config: &StreamConfig, context: Option<PhysAddr>) -> Option<[u64; STE_WORDS]> {
        match (config, self.format) {
            (StreamConfig::Abort, _) => Some([0; STE_WORDS]),
            (StreamConfig::Silent, _) => {
                let valid = STE0::V::SET + STE0::CONFIG::Abort;
                Some([valid.value, 0, 0, 0, 0, 0, 0, 0])
            }
            (StreamConfig::Stage1(_), Format::Stage1) => Some(self.stage1(context?)),
            (StreamConfig::Stage2(stage2), Format::Stage2) => self.stage2(stage2),
            (StreamConfig::Nested(nested), Format::Stage2) => self.nested(nested),
            (StreamConfig::Nested(_), Format::Stage1) => None,
            (StreamConfig::Stage1(_), Format::Stage2) | (StreamConfig::Stage2(_), Format::Stage1) => None,
        }
    }

    /// Returns what a device's context descriptor holds, where its streams have one.
    pub(super) fn context(&self, config: &StreamConfig) -> Option<[u64; CD_WORDS]> {
        let StreamConfig::Stage1(Stage1 { asid, root, geometry }) = *config else { return None };
        let walks = match self.mapping {
            PoolMapping::WriteBack => CD0::IR0::WriteBack + CD0::OR0::WriteBack + CD0::SH0::Inner,
            PoolMapping::NonCacheable => {
                CD0::IR0::NonCacheable + CD0::OR0::NonCacheable + CD0::SH0::NonShareable
            }
        };
        // S stays 0: no fault stalls. So do HA and HD: the SMMU writes in no table.
        let how = CD0::T0SZ.val(u64::from(u64::BITS.saturating_sub(geometry.input_bits().into())))
            + CD0::TG0::Granule4K
            + walks
            + CD0::EPD1::SET
            + CD0::V::SET
            + CD0::IPS.val(u64::from(self.output_encoding))
            + CD0::AA64::SET
            + CD0::R::SET
            + CD0::A::SET
            + CD0::ASET::SET
            + CD0::ASID.val(u64::from(asid.0));
        let table = CD1::TTB0.val(root.0 >> 4);
        Some([how.value, table.value, 0, MAIR, 0, 0, 0, 0])
    }

    /// Stage 1 alone, with one context descriptor: S1CDMax stays 0.
    fn stage1(&self, context: PhysAddr) -> [u64; STE_WORDS] {
        let valid = STE0::V::SET + STE0::CONFIG::Stage1 + STE0::S1CONTEXTPTR.val(context.0 >> 6);
        let fetches = match self.mapping {
            PoolMapping::WriteBack => STE1::S1CIR::WriteBack + STE1::S1COR::WriteBack + STE1::S1CSH::Inner,
            PoolMapping::NonCacheable => {
                STE1::S1CIR::NonCacheable + STE1::S1COR::NonCacheable + STE1::S1CSH::NonShareable
            }
        };
        [valid.value, (incoming() + fetches).value, 0, 0, 0, 0, 0, 0]
    }

    /// A client's stage 1 in front of stage 2. Where its one context descriptor stands is all that is the client's: it is fetched
    /// by stage 2, as the tables are, from memory that is cached.
    fn nested(&self, nested: &Nested) -> Option<[u64; STE_WORDS]> {
        let [_, incoming, tables, root, ..] = self.stage2(&nested.stage2)?;
        let both = if seeded(Bug::Stage2Bypassed) { STE0::CONFIG::Stage1 } else { STE0::CONFIG::Both };
        let valid = STE0::V::SET + both + STE0::S1CONTEXTPTR.val(nested.context.0 >> 6);
        let mut fetches = STE1::S1CIR::WriteBack + STE1::S1COR::WriteBack + STE1::S1CSH::Inner;
        if self.stalls {
            fetches += STE1::S1STALLD::SET;
        }
        Some([valid.value, incoming | fetches.value, tables, root, 0, 0, 0, 0])
    }

    fn stage2(&self, stage2: &Stage2) -> Option<[u64; STE_WORDS]> {
        let geometry = stage2.geometry;
        if !geometry.fits(self.format, self.output_bits) {
            return None;
        }
        let walks = match self.mapping {
            PoolMapping::WriteBack => STE2::S2IR0::WriteBack + STE2::S2OR0::WriteBack + STE2::S2SH0::Inner,
            PoolMapping::NonCacheable => {
                STE2::S2IR0::NonCacheable + STE2::S2OR0::NonCacheable + STE2::S2SH0::NonShareable
            }
        };
        let start = match geometry {
            Geometry::Bits39 => STE2::S2SL0::Level1,
            Geometry::FromLevel0(_) => STE2::S2SL0::Level0,
        };
        let valid = STE0::V::SET + STE0::CONFIG::Stage2;
        // S2S stays 0: no fault stalls. With S2PTW walks of a client's stage 1 meet no device memory.
        let tables = STE2::S2VMID.val(u64::from(stage2.vmid.0))
            + STE2::S2T0SZ.val(u64::from(u64::BITS.saturating_sub(geometry.input_bits().into())))
            + start
            + walks
            + STE2::S2TG::Granule4K
            + STE2::S2PS.val(u64::from(self.output_encoding))
            + STE2::S2AA64::SET
            + STE2::S2PTW::SET
            + STE2::S2R::SET;
        let root = STE3::S2TTB.val(stage2.root.0 >> 4);
        Some([valid.value, incoming().value, tables.value, root.value, 0, 0, 0, 0])
    }
}

/// What entries say of transactions as they come in. EATS stays 0: no translated traffic, no translation requests. Events are
/// not merged: each counts.
fn incoming() -> FieldValue<u64, STE1::Register> {
    let incoming = STE1::SHCFG::Incoming;
    if seeded(Bug::AtsOn) { incoming + STE1::EATS.val(1) } else { incoming }
}
