// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SMMUv3 as its specification (IHI 0070) describes it, doing everything that it may do at the worst moment.
//!
//! | file | what lives there |
//! |---|---|
//! | `features` | what one has: its identification registers |
//! | `registers` | the non-secure interface, with updates that take a while |
//! | `commands` | consuming commands, whose effects come later |
//! | `events` | the event queue |
//! | `interrupts` | what raises an interrupt |
//! | `configuration` | stream table entries and their caches, word by word |
//! | `tlb` | cached translations and table descriptors |
//! | `walk` | translation table walks |
//! | `stage1` | context descriptors, and stage 1 in front of stage 2 |
//! | `transaction` | what becomes of a device's access |
//!
//! Caches keep what was not invalidated. A command's effect comes at a moment of the SMMU's choice before the CMD_SYNC
//! behind it completes, and accesses that were translated before it are under way until then.

mod commands;
mod configuration;
mod events;
mod features;
mod interrupts;
mod registers;
mod stage1;
mod tlb;
mod transaction;
mod walk;

pub(crate) use features::Features;
pub(crate) use transaction::{Access, Kind, Outcome, Transaction};
pub(crate) use walk::Leaves;

use crate::finding::Findings;
use crate::memory::Memory;
use crate::random::Random;
use commands::Effect;
use configuration::Configurations;
use registers::Registers;
use tlb::Tlb;

/// What an SMMU works in.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) memory: Memory,
    pub(crate) random: Random,
    pub(crate) findings: Findings,
}

/// One SMMU.
#[derive(Debug)]
pub(crate) struct Smmu {
    features: Features,
    registers: Registers,
    configurations: Configurations,
    tlb: Tlb,
    /// Commands that were consumed and whose effect is still to come.
    begun: Vec<Effect>,
    /// Accesses that were translated and have not reached memory yet.
    under_way: Vec<Access>,
    /// Accesses that have to reach memory before the next CMD_SYNC completes.
    due: Vec<Access>,
    /// Whether the SMMU does nothing any more.
    wedged: bool,
}

impl Smmu {
    /// Makes one as it comes out of reset, or out of a boot loader's hands.
    pub(crate) fn new(features: Features, random: &mut Random) -> Self {
        Self {
            registers: Registers::reset(&features, random),
            features,
            configurations: Configurations::unknown(random),
            tlb: Tlb::unknown(random),
            begun: Vec::new(),
            under_way: Vec::new(),
            due: Vec::new(),
            wedged: false,
        }
    }

    /// Returns what it has.
    pub(crate) const fn features(&self) -> &Features {
        &self.features
    }

    /// Lets it stop doing anything.
    pub(crate) const fn wedge(&mut self) {
        self.wedged = true;
    }

    /// Takes its power away and gives it back: registers and caches are as after reset.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        *self = Self::new(self.features, random);
    }

    /// Does one thing that it might do now by itself.
    pub(crate) fn step(&mut self, around: &mut Surroundings) {
        if self.wedged {
            return;
        }
        match around.random.below(4) {
            0 => self.registers.step(),
            1 => self.finish_one(around),
            _ => self.consume(around),
        }
    }

    /// Hands an access that is under way to memory.
    pub(crate) fn land_one(&mut self, around: &mut Surroundings) -> Option<Access> {
        let place = around.random.place(self.under_way.len());
        (place < self.under_way.len()).then(|| self.under_way.remove(place))
    }

    /// Hands those accesses to memory that a CMD_SYNC waits for.
    pub(crate) fn land_due(&mut self) -> Vec<Access> {
        std::mem::take(&mut self.due)
    }
}

#[cfg(test)]
mod tests;
