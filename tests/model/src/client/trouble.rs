// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What somebody hostile, or hardware, does beside messages.

use super::{Clients, K4};
use crate::architecture::low;
use crate::architecture::registers::{CMDQ_ERR, EVENTQ_ABT_ERR, SFM_ERR};
use crate::machine::{FIRST_WIRE, Inner};
use crate::script::Act;

impl Clients {
    pub(super) fn failure(&mut self, inner: &Inner) -> Act {
        let smmu = self.smmu(inner);
        match self.random.below(6) {
            0 => Act::Wedge { smmu },
            2 | 3 => {
                self.planned.extend(self.random.once_in(2).then_some(Act::Check { smmu }));
                Act::Meddle { smmu, register: self.random.any(&[0, 1, 2]) }
            }
            1 if self.power_is_safe(inner, smmu) => {
                // Nothing tells of it: somebody has to ask.
                self.planned.extend(self.random.once_in(2).then_some(Act::Check { smmu }));
                Act::Power { smmu }
            }
            _ => Act::Error { smmu, error: self.random.any(&[CMDQ_ERR, EVENTQ_ABT_ERR, SFM_ERR, 0x3fd]) },
        }
    }

    /// Returns an interrupt that nobody raised.
    pub(super) fn interrupt(&mut self) -> Act {
        let near = FIRST_WIRE.wrapping_sub(1) + low(self.random.below(8));
        Act::Interrupt { intid: self.random.any(&[near, near, near, near, 0, u32::MAX]) }
    }

    /// An SMMU that lets DMA pass after reset must not lose its power: the policy says so.
    pub(super) fn power_is_safe(&self, inner: &Inner, smmu: u16) -> bool {
        inner.smmus.get(usize::from(smmu)).is_some_and(|smmu| smmu.features().resets_to_abort)
    }

    pub(super) fn tampering(&mut self, inner: &Inner) -> Act {
        let pool = inner.policy.pool;
        let word = self.random.below(pool.size / 8);
        let table = pool.base + self.random.below(pool.size / K4) * K4;
        let value = match self.random.below(8) {
            0 => 0,
            1..4 => table | 3,
            4 => self.memory(inner) | 0x7fd,
            5 => self.memory(inner) | 1,
            6 => self.random.word() & !1,
            _ => self.random.word(),
        };
        Act::Tamper { word, value }
    }
}
