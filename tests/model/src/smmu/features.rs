// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an SMMU has: its identification registers (IHI 0070, 6.3.1 to 6.3.6), and how it behaves where it may choose.

use crate::architecture::registers::{IDR0, IDR1, IDR3, IDR5};
use crate::architecture::stream_table::physical_bits;
use crate::architecture::{command, stream_table};
use crate::random::Random;

/// What an SMMU has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    /// IDR0.S1P.
    stage1: bool,
    /// IDR0.S2P.
    stage2: bool,
    /// IDR0.Hyp.
    hyp: bool,
    /// IDR0.ATS.
    pub(crate) ats: bool,
    /// IDR0.BTM.
    broadcast: bool,
    /// IDR0.VMID16.
    wide_vmid: bool,
    /// IDR0.STALL_MODEL: 0 or 1.
    stall_model: u32,
    /// IDR3.RIL.
    ranges: bool,
    /// IDR3.BBML.
    pub(crate) block_changes: u32,
    /// IDR1.CMDQS.
    commands_log2: u32,
    /// IDR1.EVENTQS.
    events_log2: u32,
    /// IDR1.SIDSIZE.
    sid_bits: u32,
    /// IDR5.OAS, encoded.
    output: u32,
    /// Whether GBPA has DMA aborted after reset.
    pub(crate) resets_to_abort: bool,
    /// Cached translations that it keeps.
    pub(crate) tlb_size: usize,
}

impl Features {
    /// Makes some that the service can work with, with stage 2 or with stage 1 alone.
    pub(crate) fn choose(random: &mut Random, stage2: bool) -> Self {
        let mut coin = || random.once_in(2);
        let (stage1, hyp, ats, broadcast, wide_vmid) = (coin(), coin(), coin(), coin(), coin());
        let (stall_model, ranges, resets_to_abort) = (u32::from(coin()), coin(), coin());
        Self {
            stage1: stage1 || !stage2,
            stage2,
            hyp,
            ats,
            broadcast,
            wide_vmid,
            stall_model,
            ranges,
            // Level 1 or 2 is mandatory with SMMUv3.2, as ranges are.
            block_changes: if ranges { random.any(&[1, 2]) } else { 0 },
            commands_log2: random.any(&[3, 4, 8, 19]),
            events_log2: random.any(&[1, 3, 7, 19]),
            sid_bits: random.any(&[9, 16, 32]),
            output: random.any(&[2, 4, 5]),
            resets_to_abort,
            tlb_size: random.any(&[6, 24, 64]),
        }
    }

    /// An SMMU that has what the service does not use.
    #[cfg(test)]
    pub(crate) fn with_both_stages() -> Self {
        let mut random = Random::new(3);
        Self {
            stage1: true,
            stall_model: 0,
            ranges: true,
            commands_log2: 8,
            events_log2: 7,
            sid_bits: 16,
            output: 4,
            tlb_size: 24,
            ..Self::choose(&mut random, true)
        }
    }

    /// Returns what an identification register reads.
    pub(crate) fn register(&self, offset: usize) -> u32 {
        match offset {
            // TTF AArch64, COHACC, TTENDIAN little, ST_LEVEL two levels.
            IDR0 => {
                u32::from(self.stage2)
                    | 0b10 << 2
                    | 1 << 4
                    | 0b10 << 21
                    | 0b01 << 27
                    | u32::from(self.stage1) << 1
                    | u32::from(self.broadcast) << 5
                    | u32::from(self.hyp) << 9
                    | u32::from(self.ats) << 10
                    | u32::from(self.wide_vmid) << 18
                    | self.stall_model << 24
            }
            IDR1 => self.sid_bits | self.events_log2 << 16 | self.commands_log2 << 21,
            IDR3 => u32::from(self.ranges) << 10 | self.block_changes << 11,
            // GRAN4K.
            IDR5 => self.output | 1 << 4,
            _ => 0,
        }
    }

    /// Tells whether a client's stage 1 can stand in front of stage 2.
    pub(crate) const fn has_both_stages(&self) -> bool {
        self.stage1 && self.stage2
    }

    /// Returns how many bits of a stream ID there are.
    pub(crate) const fn sid_bits(&self) -> u32 {
        self.sid_bits
    }

    /// Returns the width of output addresses.
    pub(crate) fn output_bits(&self) -> u32 {
        physical_bits(self.output.into())
    }

    /// Tells whether CR0.ATSCHK is there.
    pub(crate) const fn has_ats(&self) -> bool {
        self.ats
    }

    /// Returns what is writable of CR2.
    pub(crate) fn recording(&self) -> u32 {
        1 << 1 | u32::from(self.broadcast) << 2 | u32::from(self.hyp)
    }

    /// Returns what decides about commands.
    pub(crate) const fn of_commands(&self) -> command::Features {
        command::Features { stage1: self.stage1, stage2: self.stage2, hyp: self.hyp, ranges: self.ranges }
    }

    /// Returns what decides about entries.
    pub(crate) fn of_entries(&self) -> stream_table::Features {
        stream_table::Features {
            stage1: self.stage1,
            stage2: self.stage2,
            ats: self.ats,
            wide_vmid: self.wide_vmid,
            stall_model: self.stall_model,
            output_bits: self.output_bits(),
        }
    }
}
