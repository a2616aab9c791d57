// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clients that try everything: what they do next, by chance, mostly near what they did before.

use crate::architecture::low;
use crate::architecture::registers::{CMDQ_ERR, EVENTQ_ABT_ERR, SFM_ERR};
use crate::machine::Inner;
use crate::random::Random;
use crate::script::{Act, Step};
use iommu_core::policy::Range;

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
        Self { random, mood, length, step: 0, places, memory }
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
        while act != Act::Settle && self.random.once_in(4) && meanwhile.len() < 3 {
            let limit = self.random.any(&[1, 2, 2, 4, 600, 1100]);
            let other = self.related(inner, &act).unwrap_or_else(|| self.message(inner));
            meanwhile.push((self.random.below(limit), other));
        }
        Some(Step { seed, gap, act, meanwhile })
    }

    fn act(&mut self, inner: &Inner) -> Act {
        let late = self.step * 4 > self.length * 3;
        match (self.mood, self.random.below(400)) {
            (_, 0) => Act::Settle,
            (_, 1..16) => Act::Burst { count: self.random.below(12) },
            (Mood::Failing, 16..24) if late => self.failure(inner),
            (Mood::Tampering, 16..120) if late => self.tampering(inner),
            _ => self.message(inner),
        }
    }

    /// Returns what another core may do to the same range meanwhile.
    fn related(&mut self, inner: &Inner, act: &Act) -> Option<Act> {
        let (label, first, length) = match *act {
            Act::Map { label, iova, size, .. } | Act::Unmap { label, iova, size } => (label, iova, size),
            _ => return None,
        };
        let inside = self.random.below(length.clamp(1, M2)) & !(K4 - 1);
        let (iova, size) = self.random.any(&[
            (first, length),
            (first, K4),
            (first.wrapping_add(inside), K4),
            (first & !(M2 - 1), M2),
            (first.wrapping_add(inside), length),
        ]);
        match self.random.below(6) {
            0 => Some(Act::Unmap { label, iova, size }),
            // Beside it, so that a table is needed and filled.
            5 => {
                let beside = (first & !(M2 - 1)).wrapping_add(M2 * (1 + self.random.below(4)));
                let other = self.label(inner);
                let (label, pa) = (self.random.any(&[label, other]), self.memory() | K4);
                Some(Act::Map { label, iova: beside, pa, size: M2 - K4, access: 3 })
            }
            1 => Some(Act::Map { label, iova, pa: self.memory(), size, access: self.random.below(3) + 1 }),
            // Elsewhere, so that it needs tables.
            2 => Some(Act::Map { label, iova: self.iova(), pa: self.memory(), size: K4, access: 3 }),
            3 => {
                let label = self.label(inner);
                Some(Act::Map { label, iova: self.iova(), pa: self.memory(), size: M2 - K4, access: 3 })
            }
            _ => None,
        }
    }

    fn failure(&mut self, inner: &Inner) -> Act {
        let smmu = self.smmu(inner);
        match self.random.below(4) {
            0 => Act::Wedge { smmu },
            1 if self.power_is_safe(inner, smmu) => Act::Power { smmu },
            _ => Act::Error { smmu, error: self.random.any(&[CMDQ_ERR, EVENTQ_ABT_ERR, SFM_ERR, 0x3fd]) },
        }
    }

    /// An SMMU that lets DMA pass after reset must not lose its power: the policy says so.
    fn power_is_safe(&self, inner: &Inner, smmu: u16) -> bool {
        inner.smmus.get(usize::from(smmu)).is_some_and(|smmu| smmu.features().resets_to_abort)
    }

    fn tampering(&mut self, inner: &Inner) -> Act {
        let pool = inner.policy.pool;
        let word = self.random.below(pool.size / 8);
        let table = pool.base + self.random.below(pool.size / K4) * K4;
        let value = match self.random.below(8) {
            0 => 0,
            1..4 => table | 3,
            4 => self.memory() | 0x7fd,
            5 => self.memory() | 1,
            6 => self.random.word() & !1,
            _ => self.random.word(),
        };
        Act::Tamper { word, value }
    }

    /// Returns something that sends a message.
    fn message(&mut self, inner: &Inner) -> Act {
        let label = self.label(inner);
        match self.random.below(100) {
            0..9 => Act::Alloc { label: self.any_label(), smmu: self.smmu(inner) },
            9..15 => Act::Free { label },
            15..27 => {
                let (smmu, stream) = self.stream(inner, label);
                Act::Attach { smmu, stream, label }
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
            _ => self.raw(),
        }
    }

    fn map(&mut self, inner: &Inner, label: u8) -> Act {
        let (mut iova, mut size) = (self.iova(), self.size());
        // Next to what is there, or on it.
        if let Some((first, length)) = self.mapped(inner, label)
            && self.random.once_in(2)
        {
            iova = self.random.any(&[first + length, first, first.wrapping_sub(size)]);
        }
        let mut pa = self.memory();
        if self.random.once_in(2) {
            // So that blocks are possible.
            let unit = self.random.any(&[M2, G1]);
            (iova, pa) = (iova & !(unit - 1), pa & !(unit - 1));
            size = self.random.any(&[unit, 2 * unit, unit + K4, M2]);
        }
        if self.random.once_in(40) {
            let foreign =
                [inner.policy.pool.base, 0xe000_0000, 0x5_0000_0000, 0, inner.policy.pool.base - K4];
            pa = self.random.any(&foreign);
        }
        if self.random.once_in(40) {
            let odd = self.random.any(&[1, 8, 0x800]);
            (iova, pa, size) = (iova | odd, pa, size.wrapping_sub(odd));
        }
        Act::Map { label, iova, pa, size, access: self.random.below(3) + 1 }
    }

    fn unmap(&mut self, inner: &Inner, label: u8) -> Act {
        let (iova, size) = match self.mapped(inner, label) {
            Some((iova, size)) if !self.random.once_in(8) => {
                let skip = self.random.any(&[0, 0, K4, size / 2]) & !(K4 - 1);
                match self.random.below(6) {
                    0 => (iova + skip, size.saturating_sub(skip).max(K4)),
                    1 => (iova + skip, K4),
                    2 => (iova & !(M2 - 1), M2),
                    3 => (iova & !(M2 - 1), size.next_multiple_of(M2) + self.random.any(&[0, M2, G1])),
                    _ => (iova, size),
                }
            }
            _ => (self.iova(), self.size()),
        };
        Act::Unmap { label, iova, size }
    }

    fn raw(&mut self) -> Act {
        let endpoint = self.random.any(&[0, 0, 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff]);
        let operation =
            self.random.any(&[1, 2, 3, 4, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x30, 0, 5, 0x40, 0xffff]);
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

    fn smmu(&mut self, inner: &Inner) -> u16 {
        let count = u64::try_from(inner.smmus.len()).unwrap_or(0);
        let beyond = u64::from(self.random.once_in(50));
        u16::try_from(self.random.below(count) + beyond).unwrap_or(0)
    }

    fn any_label(&mut self) -> u8 {
        u8::try_from(self.random.below(LABELS)).unwrap_or(0)
    }

    /// Returns a domain, mostly one that exists.
    fn label(&mut self, inner: &Inner) -> u8 {
        for _ in 0..6 {
            let label = self.any_label();
            if inner.domain_of(label).is_some() {
                return label;
            }
        }
        self.any_label()
    }

    /// Returns a stream, mostly behind the domain's SMMU.
    fn stream(&mut self, inner: &Inner, label: u8) -> (u16, u32) {
        let strict = !self.random.once_in(8);
        let wanted = inner.domain_of(label).map(|domain| domain.smmu).filter(|_| strict);
        for _ in 0..6 {
            if let Some(device) = self.random.pick(&inner.policy.devices).cloned()
                && wanted.is_none_or(|smmu| smmu == u16::from(device.smmu))
            {
                let stream = device.first_sid + low(self.random.below(device.sids.into()));
                return (device.smmu.into(), stream);
            }
        }
        (self.smmu(inner), low(self.random.below(0x200)))
    }

    fn iova(&mut self) -> u64 {
        let place = self.random.any(&self.places);
        let near = self.random.any(&[0, 0, K4, 3 * K4, M2 - K4, M2, 5 * M2, G1]);
        if self.random.once_in(4) { place.wrapping_sub(near) } else { place.wrapping_add(near) }
    }

    fn memory(&mut self) -> u64 {
        let place = self.random.any(&self.memory);
        let near = self.random.any(&[0, 0, K4, 7 * K4, M2]);
        if self.random.once_in(3) { place.wrapping_sub(near) } else { place.wrapping_add(near) }
    }

    fn size(&mut self) -> u64 {
        let unit = self.random.any(&[K4, K4, K4, M2]);
        let count = self.random.any(&[1, 1, 2, 3, 9, 40, 600]);
        self.random.any(&[unit * count, unit * count, unit * count, unit + K4, M2 - K4, 0, G1, !(K4 - 1)])
    }

    /// Returns something that is mapped in a domain.
    fn mapped(&mut self, inner: &Inner, label: u8) -> Option<(u64, u64)> {
        let space = &inner.domain_of(label)?.space;
        let place = self.random.place(space.all().count());
        space.all().nth(place).map(|(iova, extent)| (iova, extent.size))
    }
}
