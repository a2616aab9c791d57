// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How an SMMU is: whether it works, which of its registers were not as the service left them, and what clients say of its
//! power.

use bitflags::bitflags;
use num_enum::{IntoPrimitive, TryFromPrimitive};

bitflags! {
    /// Registers that the service compares with its own copy.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(transparent)]
    pub struct SmmuRegisters: u32 {
        /// Control, or what of it has taken effect.
        const CR0 = 1 << 0;
        /// Memory attributes.
        const CR1 = 1 << 1;
        /// Broadcast maintenance and recording.
        const CR2 = 1 << 2;
        /// What DMA meets while nothing is translated: it has to abort.
        const GBPA = 1 << 3;
        /// Interrupt enables.
        const IRQ_CTRL = 1 << 4;
        /// Where the message of a global error goes: nowhere.
        const GERROR_IRQ_CFG0 = 1 << 5;
        /// Where the stream table stands.
        const STRTAB_BASE = 1 << 6;
        /// Its size and form.
        const STRTAB_BASE_CFG = 1 << 7;
        /// Where the command queue stands.
        const CMDQ_BASE = 1 << 8;
        /// How far the command queue is filled.
        const CMDQ_PROD = 1 << 9;
        /// Where the event queue stands.
        const EVENTQ_BASE = 1 << 10;
        /// Where the message of the event queue goes: nowhere.
        const EVENTQ_IRQ_CFG0 = 1 << 11;
    }
}

/// Whether an SMMU works, bits 7:0 of x4 in the answer to `SMMU_STATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum SmmuState {
    /// It does what it is told.
    Works = 0,
    /// It did not do what it was told in time: it was told to abort all DMA.
    TimedOut = 1,
    /// It reported an error that it cannot go on after: it was told to abort all DMA.
    Error = 2,
    /// Registers were not as the service left them: it was told to abort all DMA.
    Differed = 3,
}

/// What a client says of an SMMU's power, x4 of `SMMU_CHECK`. Nothing rests on it: a difference that was announced is
/// counted as a loss of power, others as tampering, and that is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum PowerHint {
    /// Nothing: registers are to be compared.
    None = 0,
    /// It is about to go.
    Goes = 1,
    /// It is back.
    Returned = 2,
}

/// The answer to `SMMU_STATUS`, x4–x7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmmuReport {
    /// Whether it works.
    pub state: SmmuState,
    /// The global errors for which it was given up (IHI 0070, 6.3.19); zero unless the state says so.
    pub errors: u32,
    /// What differed when a difference was found last.
    pub differed: SmmuRegisters,
    /// Times that it was rebuilt.
    pub rebuilt: u32,
    /// Times that registers differed of which nobody had said that they may be lost.
    pub tampered: u32,
    /// Times that registers differed as announced.
    pub lost: u32,
    /// Commands that it found illegal: somebody else wrote into its queue.
    pub skipped: u32,
}

impl SmmuReport {
    /// Packs a report into x4–x7: state at bits 7:0 and errors at 63:32 of x4; what differed in x5; times it was rebuilt at
    /// 31:0 of x6 and illegal commands at 63:32; tampering at 31:0 of x7 and announced losses at 63:32.
    #[must_use]
    pub fn to_registers(self) -> [u64; 4] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        [
            pair(u8::from(self.state).into(), self.errors),
            self.differed.bits().into(),
            pair(self.rebuilt, self.skipped),
            pair(self.tampered, self.lost),
        ]
    }

    /// Reads a report from x4–x7, or `None` where they hold none.
    #[must_use]
    pub fn from_registers(registers: [u64; 4]) -> Option<Self> {
        let [state, differed, counts, differences] = registers.map(|register| {
            let [a, b, c, d, e, f, g, h] = register.to_le_bytes();
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        });
        Some(Self {
            state: SmmuState::try_from(u8::try_from(state.0).ok()?).ok()?,
            errors: state.1,
            differed: SmmuRegisters::from_bits(differed.0).filter(|_| differed.1 == 0)?,
            rebuilt: counts.0,
            skipped: counts.1,
            tampered: differences.0,
            lost: differences.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reports_round_trip(state in 0u8..4, errors: u32, bits: u32, counts: [u32; 4]) {
            let [rebuilt, tampered, lost, skipped] = counts;
            let report = SmmuReport {
                state: SmmuState::try_from(state).unwrap(),
                errors,
                differed: SmmuRegisters::from_bits_truncate(bits),
                rebuilt,
                tampered,
                lost,
                skipped,
            };
            prop_assert_eq!(SmmuReport::from_registers(report.to_registers()), Some(report));
        }

        #[test]
        fn any_registers_are_read_without_panic(registers: [u64; 4]) {
            let _ = SmmuReport::from_registers(registers);
        }
    }
}
