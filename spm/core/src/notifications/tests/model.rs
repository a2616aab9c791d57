// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A model that keeps each notification by itself, in the words of §10.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// A receiver, whether its bitmap is that of partitions, and the notification's number.
type Doorbell = (u16, bool, u32);
/// A doorbell that was rung, and the vCPU that it is for, if it is not for all.
type Rung = (Doorbell, Option<u16>);
/// As `Doorbell`, but none that somebody binds: whether it is spm's bitmap.
type Framework = (u16, bool);

#[derive(Debug, Default)]
pub(super) struct Model {
    bitmaps: BTreeSet<u16>,
    stopped: BTreeSet<u16>,
    /// To whom, and whether for single vCPUs.
    bound: BTreeMap<Doorbell, (u16, bool)>,
    pending: BTreeSet<Rung>,
    full: BTreeSet<Framework>,
    /// What the scheduler knows of.
    told: BTreeSet<Rung>,
    told_full: BTreeSet<Framework>,
}

pub(super) const PARTITIONS: [u16; 3] = [ONE, MANY, DEAF];
pub(super) const ENDPOINTS: [u16; 8] = [ONE, MANY, DEAF, NOBODY, 0, VM, OTHER_VM, 0x8000];

const fn is_secure(id: u16) -> bool {
    id >= 0x8000
}

/// How many vCPUs a receiver has.
const fn vcpus(id: u16) -> u16 {
    match id {
        ONE => 1,
        _ => 8,
    }
}

fn bits(bitmap: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| bitmap >> bit & 1 != 0)
}

impl Model {
    /// These have bitmaps, and nothing else is there.
    pub(super) fn new(bitmaps: &[u16]) -> Self {
        Self { bitmaps: bitmaps.iter().copied().collect(), ..Self::default() }
    }

    /// Whether `by`, or the normal world in its place, and `other` may exchange notifications that spm keeps.
    fn addressed(by: u16, own: u16, other: u16) -> bool {
        let speaks = if is_secure(by) { by == own } else { !is_secure(own) };
        speaks && own != other && (is_secure(own) || is_secure(other))
    }

    fn receives(&self, id: u16, without: FfaError) -> Result<(), FfaError> {
        match id {
            DEAF => Err(without),
            ONE | MANY if self.stopped.contains(&id) => Err(FfaError::Aborted),
            ONE | MANY => Ok(()),
            _ if self.bitmaps.contains(&id) => Ok(()),
            0 => Err(without),
            _ => Err(FfaError::InvalidParameters),
        }
    }

    /// Binds, as one of single vCPUs or not, or unbinds.
    pub(super) fn change(
        &mut self,
        by: u16,
        sender: u16,
        receiver: u16,
        bitmap: u64,
        binds: Option<bool>,
    ) -> Result<(), FfaError> {
        if !Self::addressed(by, receiver, sender) || bitmap == 0 {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::NotSupported)?;
        if is_secure(sender) {
            if !PARTITIONS.contains(&sender) {
                return Err(FfaError::InvalidParameters);
            }
            if self.stopped.contains(&sender) {
                return Err(FfaError::Aborted);
            }
        }
        for bit in bits(bitmap) {
            let doorbell = (receiver, is_secure(sender), bit);
            let others = self.bound.get(&doorbell).is_some_and(|bound| bound.0 != sender);
            if others || self.pending.iter().any(|rung| rung.0 == doorbell) {
                return Err(FfaError::Denied);
            }
        }
        for bit in bits(bitmap) {
            let doorbell = (receiver, is_secure(sender), bit);
            match binds {
                Some(per_vcpu) => _ = self.bound.insert(doorbell, (sender, per_vcpu)),
                None => _ = self.bound.remove(&doorbell),
            }
        }
        Ok(())
    }

    /// Returns whether the scheduler is to be interrupted.
    pub(super) fn set(
        &mut self,
        by: u16,
        sender: u16,
        receiver: u16,
        bitmap: u64,
        vcpu: Option<u16>,
    ) -> Result<bool, FfaError> {
        if !Self::addressed(by, sender, receiver) || bitmap == 0 {
            return Err(FfaError::InvalidParameters);
        }
        if is_secure(receiver) && !PARTITIONS.contains(&receiver) {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::Denied)?;
        if vcpu.is_some_and(|vcpu| vcpu >= vcpus(receiver)) {
            return Err(FfaError::InvalidParameters);
        }
        let doorbells: std::vec::Vec<_> =
            bits(bitmap).map(|bit| (receiver, is_secure(sender), bit)).collect();
        let bound: std::vec::Vec<_> = doorbells.iter().map(|doorbell| self.bound.get(doorbell)).collect();
        if bound.iter().any(|bound| bound.is_none_or(|bound| bound.0 != sender)) {
            return Err(FfaError::Denied);
        }
        if bound.iter().flatten().any(|bound| bound.1 != vcpu.is_some()) {
            return Err(FfaError::InvalidParameters);
        }
        self.pending.extend(doorbells.into_iter().map(|doorbell| (doorbell, vcpu)));
        Ok(self.has_news(receiver))
    }

    fn has_news(&self, receiver: u16) -> bool {
        self.news(receiver).next().is_some() || self.is_newly_full(receiver)
    }

    /// The vCPUs for which there is something new, or none where it is for all.
    fn news(&self, receiver: u16) -> impl Iterator<Item = Option<u16>> {
        let news = self.pending.difference(&self.told);
        news.filter(move |rung| rung.0.0 == receiver).map(|rung| rung.1)
    }

    fn is_newly_full(&self, receiver: u16) -> bool {
        self.full.difference(&self.told_full).any(|full| full.0 == receiver)
    }

    pub(super) fn get(
        &mut self,
        by: u16,
        receiver: u16,
        vcpu: u16,
        flags: u64,
    ) -> Result<[u64; 4], FfaError> {
        let speaks = if is_secure(by) { by == receiver } else { !is_secure(receiver) };
        if !speaks {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::NotSupported)?;
        if vcpu >= vcpus(receiver) {
            return Err(FfaError::InvalidParameters);
        }
        let mut got = [0; 4];
        for (kind, from_partitions) in [(0, true), (1, false)] {
            if flags >> kind & 1 != 0 {
                for bit in 0..64 {
                    for of in [None, Some(vcpu)] {
                        let rung = ((receiver, from_partitions, bit), of);
                        if self.pending.remove(&rung) {
                            self.told.remove(&rung);
                            got[kind] |= 1 << bit;
                        }
                    }
                }
            }
            if flags >> (kind + 2) & 1 != 0 && self.full.remove(&(receiver, from_partitions)) {
                self.told_full.remove(&(receiver, from_partitions));
                got[kind + 2] = 1;
            }
        }
        Ok(got)
    }

    pub(super) fn fill(&mut self, sender: u16, receiver: u16) -> bool {
        let takes = self.receives(receiver, FfaError::NotSupported).is_ok();
        takes && {
            self.full.insert((receiver, is_secure(sender)));
            self.has_news(receiver)
        }
    }

    /// Who has something new, and for which vCPUs.
    pub(super) fn info(&mut self) -> BTreeMap<u16, BTreeSet<u16>> {
        let ids = self.bitmaps.iter().chain(&PARTITIONS).copied();
        let news =
            ids.filter(|id| self.has_news(*id)).map(|id| (id, self.news(id).flatten().collect())).collect();
        self.told = self.pending.clone();
        self.told_full = self.full.clone();
        news
    }

    pub(super) fn create(&mut self, id: u16) -> Result<(), FfaError> {
        match id {
            id if is_secure(id) => Err(FfaError::InvalidParameters),
            id if self.bitmaps.insert(id) => Ok(()),
            _ => Err(FfaError::Denied),
        }
    }

    pub(super) fn destroy(&mut self, id: u16) -> Result<(), FfaError> {
        if is_secure(id) {
            return Err(FfaError::InvalidParameters);
        }
        let pending = self.pending.iter().any(|rung| rung.0.0 == id);
        if pending || self.full.iter().any(|full| full.0 == id) || !self.bitmaps.remove(&id) {
            return Err(FfaError::Denied);
        }
        self.bound.retain(|doorbell, _| doorbell.0 != id);
        Ok(())
    }

    pub(super) fn stop(&mut self, id: u16) {
        self.stopped.insert(id);
        let gone: BTreeSet<_> =
            self.bound.iter().filter(|(at, by)| at.0 == id || by.0 == id).map(|(at, _)| *at).collect();
        self.bound.retain(|doorbell, _| !gone.contains(doorbell));
        self.pending.retain(|rung| !gone.contains(&rung.0));
        self.told.retain(|rung| !gone.contains(&rung.0));
        self.full.retain(|full| full.0 != id);
        self.told_full.retain(|full| full.0 != id);
    }
}
