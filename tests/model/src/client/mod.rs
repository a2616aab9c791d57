// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clients that try everything: what they do next, by chance, mostly near what they did before.
//!
//! | file | what lives there |
//! |---|---|
//! | `mappings` | what is mapped and unmapped |
//! | `guests` | what the hypervisor does for its guests |
//! | `hyp` | what the hypervisor does, or who would like to be it |
//! | `trouble` | what somebody hostile, or hardware, does beside messages |
//! | `places` | domains, streams, addresses and sizes that are worth a try |

mod guests;
mod hyp;
mod mappings;
mod nested;
mod places;
mod trouble;

use crate::machine::Inner;
use crate::random::Random;
use crate::script::{Act, Step};
use iommu_core::policy::{HypRole, Range};
use std::collections::VecDeque;

const K4: u64 = 0x1000;
const M2: u64 = 0x20_0000;
const G1: u64 = 0x4000_0000;
/// Names for domains.
const LABELS: u64 = 10;

/// How hostile an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Nobody touches what is not theirs.
    Peaceful,
    /// SMMUs fail towards the end.
    Failing,
    /// Somebody writes into the pool.
    Tampering,
}

/// The clients of one episode.
#[derive(Debug)]
pub(crate) struct Clients {
    random: Random,
    mood: Mood,
    /// How long an episode is, in steps.
    length: u64,
    /// How far it is.
    step: u64,
    /// Where mappings are made.
    places: Vec<u64>,
    /// Which memory is mapped.
    memory: Vec<u64>,
    /// Where pages moved last.
    moved: u64,
    /// Steps that follow for sure.
    planned: VecDeque<Act>,
}

impl Clients {
    /// Makes the clients of an episode on a machine.
    pub(crate) fn new(seed: u64, length: u64, inner: &Inner) -> Self {
        let mut random = Random::new(seed);
        let mood = match random.below(16) {
            0 => Mood::Tampering,
            1 => Mood::Failing,
            _ => Mood::Peaceful,
        };
        let mut places = vec![0, 1 << 39];
        for device in &inner.policy.devices {
            let Range { base, size } = device.iova;
            places.extend([base, base + size, base.next_multiple_of(M2), base.next_multiple_of(G1)]);
            places.push((base + random.below(size)) & !(M2 - 1));
        }
        let mut memory = Vec::new();
        for range in &inner.policy.managed {
            memory.extend([range.base, range.base + range.size]);
            memory.push((range.base + random.below(range.size)) & !(K4 - 1));
            memory.push((range.base + random.below(range.size)) & !(M2 - 1));
        }
        Self { random, mood, length, step: 0, places, memory, moved: 0, planned: VecDeque::new() }
    }

    /// Has bytes decide what they do from here on.
    pub(crate) fn led_by(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Returns the next step, until the episode is over; the last one finds out whether everything comes back.
    pub(crate) fn next(&mut self, inner: &Inner) -> Option<Step> {
        self.step += 1;
        if self.step > self.length {
            return None;
        }
        let seed = self.random.word();
        let gap = self.random.any(&[1, 2, 4, 16, 100, 1000]);
        let act = if self.step == self.length { Act::Settle } else { self.act(inner) };
        let mut meanwhile = Vec::new();
        // While something is unmapped, others come more often: there is more to get wrong.
        let seldom = if matches!(act, Act::Unmap { .. }) { 2 } else { 4 };
        while act != Act::Settle && self.random.once_in(seldom) && meanwhile.len() < 3 {
            let limit = self.random.any(&[1, 2, 2, 4, 600, 1100]);
            let other = if self.random.once_in(16) {
                self.interrupt()
            } else {
                self.related(inner, &act).unwrap_or_else(|| self.anybody_s(inner))
            };
            meanwhile.push((self.random.below(limit), other));
        }
        Some(Step { seed, gap, act, meanwhile })
    }

    fn act(&mut self, inner: &Inner) -> Act {
        if let Some(act) = self.planned.pop_front() {
            return act;
        }
        let late = self.step * 4 > self.length * 3;
        match (self.mood, self.random.below(400)) {
            (_, 0) => Act::Settle,
            (_, 1) => Act::Storm { smmu: self.smmu(inner) },
            (_, 2..16) => Act::Burst { count: self.random.below(12) },
            (_, 24..28) => self.interrupt(),
            (Mood::Failing, 16..24 | 30..46) if late => self.failure(inner),
            (_, 28) => Act::Check { smmu: self.smmu(inner) },
            (Mood::Tampering, 28..120) if late => self.tampering(inner),
            _ => self.anybody_s(inner),
        }
    }

    /// Returns something that sends a message, the kernel's or the hypervisor's.
    fn anybody_s(&mut self, inner: &Inner) -> Act {
        let there = inner.policy.hyp == HypRole::Required;
        match self.random.below(if there { 4 } else { 60 }) {
            0 if inner.oracle.is_claim_awaited() && self.random.once_in(2) => Act::Claim,
            0 => self.hyp(inner),
            _ => self.message(inner),
        }
    }

    /// Returns something that sends a message of the kernel's.
    fn message(&mut self, inner: &Inner) -> Act {
        let label = self.label(inner);
        if self.random.once_in(12) {
            return self.nested(inner, label);
        }
        match self.random.below(100) {
            0..9 => Act::Alloc { label: self.any_label(), smmu: self.smmu(inner) },
            9..15 => Act::Free { label },
            15..25 => {
                let (smmu, stream) = self.stream(inner, label);
                Act::Attach { smmu, stream, label }
            }
            25..27 => {
                let (smmu, stream) = self.stream(inner, label);
                Act::Identity { smmu, stream }
            }
            27..32 => {
                let (smmu, stream) = self.stream(inner, label);
                Act::Block { smmu, stream }
            }
            32..62 => self.map(inner, label),
            62..84 => self.unmap(inner, label),
            84..90 => {
                let (iova, size) = self.mapped(inner, label).unwrap_or((self.iova(), K4));
                Act::Look { label, iova: iova.wrapping_add(self.random.below(size)) }
            }
            90..95 => Act::Poll,
            95..98 => self.raw(),
            _ => self.nearly(inner),
        }
    }

    /// Returns a message that would be good, but for some bits.
    fn nearly(&mut self, inner: &Inner) -> Act {
        let label = self.label(inner);
        let act = match self.random.below(4) {
            0 => self.unmap(inner, label),
            1 => Act::Free { label },
            _ => self.map(inner, label),
        };
        match inner.message(&act) {
            Some((endpoint, registers)) => Act::Raw { endpoint, registers: self.noisy(registers) },
            None => act,
        }
    }

    /// Changes some registers.
    fn noisy(&mut self, mut registers: [u64; 5]) -> [u64; 5] {
        for register in &mut registers {
            if self.random.once_in(4) {
                let odd = self.random.word();
                let noise = [odd, odd & 0xfff, odd & 0xffff_f000, 1 << (odd & 63), 1 << 63, u64::MAX];
                *register ^= self.random.any(&noise);
            }
        }
        registers
    }

    fn raw(&mut self) -> Act {
        let endpoint = self.random.any(&[0, 0, 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]);
        let operation = self
            .random
            .any(&[1, 2, 3, 4, 6, 0x10, 0x11, 0x12, 0x1c, 0x1d, 0x20, 0x21, 0x22, 0x30, 0, 5, 0x40, 0x8010]);
        let mut registers: [u64; 5] = [operation, 0, 0, 0, 0];
        for register in &mut registers {
            if self.random.once_in(2) {
                let odd = self.random.word();
                let noise = [odd, odd & 0xff, odd & 0xffff_f000, 1 << (odd & 63), u64::MAX];
                *register = register.wrapping_add(self.random.any(&noise));
            }
        }
        Act::Raw { endpoint, registers }
    }
}
