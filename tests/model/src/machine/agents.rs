// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices, and who else acts between two accesses of the service.

use super::Inner;
use super::acts::Concerned;
use crate::finding::Invariant;
use crate::memory::Place;
use crate::oracle::Verdict;
use crate::script::Act;
use crate::smmu::{Access, Kind, Outcome, Transaction};
use ffa_abi::DomainHandle;

/// Addresses that are remembered as worth a try.
const MOST_FOCUS: usize = 24;

/// Tells whether something may come while a core is inside of an SMMU's driver: what needs none. Pages that move may need one.
pub(super) const fn may_come(act: &Act, moves_reach_identity: bool) -> bool {
    act.needs_no_driver() && !(matches!(act, Act::Move { .. }) && moves_reach_identity)
}

impl Inner {
    /// Lets others act, if it is their turn.
    pub(super) fn turn(&mut self) {
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        self.left = self.around.random.below(self.gap);
        if self.around.random.once_in(2) {
            self.around.memory.show_one(&mut self.around.random);
        }
        let index = self.around.random.place(self.smmus.len());
        self.step(index);
        self.strike();
        if self.around.random.once_in(8) {
            let Self { smmus, around, .. } = self;
            let landed = smmus.get_mut(index).and_then(|smmu| smmu.land_one(around));
            if let Some(access) = landed {
                self.land(index, access);
            }
        }
    }

    /// Lets an SMMU do something by itself.
    pub(super) fn step(&mut self, index: usize) {
        let Self { smmus, around, .. } = self;
        let Some(smmu) = smmus.get_mut(index) else { return };
        smmu.step(around);
        for access in smmu.land_due() {
            self.land(index, access);
        }
    }

    /// Returns another core's message, if it is its turn.
    pub(super) fn due(&mut self) -> Option<Act> {
        let driver_at_work = self.driver_at_work;
        let moves_reach = self.oracle.moves_reach_identity();
        let (left, act) = self.meanwhile.first_mut()?;
        if driver_at_work && !may_come(act, moves_reach) {
            return None;
        }
        if *left > 0 {
            *left -= 1;
            return None;
        }
        Some(self.meanwhile.remove(0).1)
    }

    /// Has devices try what a request is about, now and in the time to come: before it is sent and after it was answered.
    pub(super) fn attend_to(&mut self, concerned: &[Concerned]) {
        for Concerned { domain, iova, size } in concerned {
            self.attend(*iova, (*size).min(0x4000_0000));
            self.strike_at(*domain, *iova, *size);
        }
    }

    /// Has devices try an address in the time to come.
    fn attend(&mut self, address: u64, size: u64) {
        let inside = self.around.random.below(size.max(1));
        let last = address.wrapping_add(size.saturating_sub(1));
        for address in [address, address.wrapping_add(inside), last] {
            if self.focus.len() >= MOST_FOCUS {
                let place = self.around.random.place(self.focus.len());
                self.focus.swap_remove(place);
            }
            self.focus.push(address);
            self.around.memory.hint(address);
        }
    }

    /// Has a device try something.
    pub(super) fn strike(&mut self) {
        let index = self.around.random.place(self.smmus.len());
        let random = &mut self.around.random;
        let page = random.any(&self.focus) & !0xfff;
        let beside = random.any(&[0, 0, 0, 0, 0, 0x1000, u64::MAX - 0xfff, 0x20_0000, 1 << 39]);
        let address = page.wrapping_add(beside) | random.below(0x1000);
        let (write, translated) = (random.once_in(2), random.once_in(16));
        let kind = if translated { Kind::Translated } else { Kind::Untranslated };
        let stream = self.any_stream(index);
        self.strike_with(index, Transaction { stream, address, write, kind });
    }

    /// Has devices of a domain try pages of a range: what was just unmapped there, or will be.
    fn strike_at(&mut self, handle: DomainHandle, iova: u64, size: u64) {
        for index in 0..self.smmus.len() {
            let smmu = u16::try_from(index).unwrap_or(u16::MAX);
            let streams: Vec<u32> = self.oracle.streams(smmu, handle).collect();
            for stream in streams {
                for _ in 0..3 {
                    let random = &mut self.around.random;
                    let address = iova.wrapping_add(random.below(size.clamp(1, 0x40_0000)));
                    let write = random.once_in(2);
                    self.strike_with(index, Transaction { stream, address, write, kind: Kind::Untranslated });
                }
            }
        }
    }

    pub(super) fn strike_with(&mut self, index: usize, transaction: Transaction) {
        if let Some(access) = self.try_access(index, transaction) {
            let later = self.around.random.once_in(3);
            let now = if later {
                self.smmus.get_mut(index).and_then(|smmu| smmu.delay(access))
            } else {
                Some(access)
            };
            if let Some(access) = now {
                self.land(index, access);
            }
        }
    }

    /// Has a device try something, and returns the access that goes to memory.
    pub(super) fn try_access(&mut self, index: usize, transaction: Transaction) -> Option<Access> {
        self.counts.tried += 1;
        let Self { smmus, around, .. } = self;
        match smmus.get_mut(index)?.issue(transaction, around) {
            Outcome::Aborted => None,
            Outcome::Goes(access) => Some(access),
        }
    }

    /// Returns a stream behind an SMMU: mostly of a device, sometimes of none.
    fn any_stream(&mut self, index: usize) -> u32 {
        let policy = self.policy;
        let here = |device: &&iommu_core::policy::Device| usize::from(device.smmu) == index;
        let count = policy.devices.iter().filter(here).count();
        let random = &mut self.around.random;
        let chosen = policy.devices.iter().filter(here).nth(random.place(count));
        match (chosen, random.below(16)) {
            (Some(device), 1..) => {
                device.first_sid + crate::architecture::low(random.below(device.sids.into()))
            }
            (Some(device), 0) if random.once_in(2) => device.first_sid.wrapping_sub(1),
            (Some(device), 0) if random.once_in(2) => device.first_sid + u32::from(device.sids),
            _ => crate::architecture::low(random.word()) & random.any(&[0x3f, 0xfff, u32::MAX]),
        }
    }

    /// Has an access reach memory, and judges it.
    pub(super) fn land(&mut self, index: usize, access: Access) {
        self.counts.reached += 1;
        let Access { transaction, address, .. } = access;
        let smmu = u16::try_from(index).unwrap_or(u16::MAX);
        let armed = self.armed.get(index).is_some_and(|armed| *armed);
        if !armed || self.oracle.tampered {
            return;
        }
        let Transaction { stream, address: input, write, kind } = transaction;
        let place = self.around.memory.place(address);
        let verdict = match kind {
            Kind::Untranslated => self.oracle.judge(smmu, stream, input, write, address),
            Kind::Translated => Verdict::NotMapped,
        };
        let invariant = match (verdict, place) {
            (_, Place::Pool) => Invariant::Pool,
            (Verdict::Fine, Place::Host) => return,
            (Verdict::StreamReachesNothing, _) => Invariant::Stream,
            (Verdict::Taken, _) => Invariant::Moves,
            (Verdict::Fine | Verdict::NotMapped, _) => Invariant::Reach,
        };
        self.note(invariant, || {
            let what = if write { "wrote" } else { "read" };
            format!(
                "stream {stream:#x} behind SMMU {smmu} {what} {address:#x} ({place:?}) by {kind:?} {input:#x}"
            )
        });
    }
}
