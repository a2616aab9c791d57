// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The 64 notifications that one kind of sender may set for one receiver: to whom each is bound, which are pending, and
//! which of those the receiver's scheduler knows of (FF-A 1.2 §10.4.2, §10.5).
//!
//! Who may call for whom is decided in [`super::calls`]; everything here checks first and changes afterwards.

use core::mem;

use arm_ffa::FfaError;

use super::vcpus::{MOST_VCPUS, Vcpus};
use crate::endpoint::EndpointId;

/// Notifications that each kind of sender has with a receiver (FF-A 1.3 §10.1, rule 4: 64 before FF-A 1.3).
const COUNT: usize = 64;

/// Notifications as bits: notification *n* is bit *n*.
pub(super) type Bitmap = u64;

/// Whether a notification is for its receiver as a whole, or for one of its vCPUs, which its sender chooses each time
/// (§10.4.2, rule 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Global,
    PerVcpu,
}

/// Whom a sender rings at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Receiver,
    Vcpu(u16),
}

/// What is pending of one kind of notifications.
#[derive(Debug, Default)]
pub(super) struct Pending {
    set: Bitmap,
    /// What the scheduler was told of; it is told once of each time that a notification is set.
    reported: Bitmap,
}

impl Pending {
    const fn new() -> Self {
        Self { set: 0, reported: 0 }
    }

    /// Makes notifications pending, and tells whether one was not. Those that were stay as they are (§10.5, rule 3).
    pub(super) const fn set(&mut self, bitmap: Bitmap) -> bool {
        let fresh = bitmap & !self.set != 0;
        self.set |= bitmap;
        fresh
    }

    /// Returns what is pending, and clears it (§10.5, rule 7).
    pub(super) const fn take(&mut self) -> Bitmap {
        self.reported = 0;
        mem::replace(&mut self.set, 0)
    }

    /// Tells whether something is pending.
    pub(super) const fn is_any(&self) -> bool {
        self.set != 0
    }

    /// Tells whether something is pending of which the scheduler does not know.
    pub(super) const fn is_unreported(&self) -> bool {
        self.set & !self.reported != 0
    }

    /// Notes that the scheduler knows of all that is pending.
    pub(super) const fn report(&mut self) {
        self.reported = self.set;
    }

    const fn forget(&mut self, bitmap: Bitmap) {
        self.set &= !bitmap;
        self.reported &= !bitmap;
    }
}

/// Notifications that are bound to their senders.
#[derive(Debug)]
pub(super) struct Doorbells {
    bound: Bitmap,
    /// Which of the bound ones are for single vCPUs.
    per_vcpu: Bitmap,
    /// Whose each bound one is; means nothing for the others.
    senders: [EndpointId; COUNT],
    pub(super) pending: Pending,
    /// What is pending for each vCPU.
    pub(super) of_vcpus: [Pending; MOST_VCPUS],
}

impl Default for Doorbells {
    fn default() -> Self {
        Self {
            bound: 0,
            per_vcpu: 0,
            senders: [EndpointId(0); COUNT],
            pending: Pending::new(),
            of_vcpus: [const { Pending::new() }; MOST_VCPUS],
        }
    }
}

impl Doorbells {
    /// Gives all of `bitmap` to `sender`. What it has of them already it keeps, as what it binds them as now.
    ///
    /// # Errors
    /// `Denied` if one is another's or is pending; nothing changes then.
    pub(super) fn bind(&mut self, bitmap: Bitmap, sender: EndpointId, kind: Kind) -> Result<(), FfaError> {
        self.check_changeable(bitmap, sender)?;
        self.bound |= bitmap;
        match kind {
            Kind::Global => self.per_vcpu &= !bitmap,
            Kind::PerVcpu => self.per_vcpu |= bitmap,
        }
        for (index, holder) in self.senders.iter_mut().enumerate() {
            if bitmap >> index & 1 != 0 {
                *holder = sender;
            }
        }
        Ok(())
    }

    /// Takes all of `bitmap` back from `sender`. What nobody has stays so.
    ///
    /// # Errors
    /// `Denied` if one is another's or is pending; nothing changes then.
    pub(super) fn unbind(&mut self, bitmap: Bitmap, sender: EndpointId) -> Result<(), FfaError> {
        self.check_changeable(bitmap, sender)?;
        self.bound &= !bitmap;
        self.per_vcpu &= !bitmap;
        Ok(())
    }

    /// Lets `sender` make all of `bitmap` pending, and tells whether one of them was not.
    ///
    /// # Errors
    /// `Denied` if one is not bound to it; `InvalidParameters` if one is not of the target's kind, or if there is no such
    /// vCPU (table 16.21). Nothing changes then.
    pub(super) fn set(
        &mut self,
        bitmap: Bitmap,
        sender: EndpointId,
        target: Target,
    ) -> Result<bool, FfaError> {
        if bitmap & !self.of(sender) != 0 {
            return Err(FfaError::Denied);
        }
        let (pending, of_other_kind) = match target {
            Target::Receiver => (Some(&mut self.pending), self.per_vcpu),
            Target::Vcpu(vcpu) => (self.of_vcpus.get_mut(usize::from(vcpu)), !self.per_vcpu),
        };
        match pending {
            Some(pending) if bitmap & of_other_kind == 0 => Ok(pending.set(bitmap)),
            _ => Err(FfaError::InvalidParameters),
        }
    }

    /// Returns what is pending for the receiver and for this vCPU of it, and clears it (§10.5, rule 7).
    pub(super) fn take(&mut self, vcpu: u16) -> Bitmap {
        self.pending.take() | self.of_vcpus.get_mut(usize::from(vcpu)).map_or(0, Pending::take)
    }

    /// Returns the vCPUs of which `condition` holds.
    pub(super) fn vcpus(&self, condition: fn(&Pending) -> bool) -> Vcpus {
        // Mostly there are none, and all who ask would have to look at all of them.
        if self.per_vcpu == 0 {
            return Vcpus::NONE;
        }
        Vcpus::where_true(self.of_vcpus.each_ref().map(condition))
    }

    /// Takes away whatever `sender` has here: it will set no more, and what it set is gone.
    pub(super) fn forget(&mut self, sender: EndpointId) {
        let theirs = self.of(sender);
        self.bound &= !theirs;
        self.per_vcpu &= !theirs;
        self.pending.forget(theirs);
        for pending in &mut self.of_vcpus {
            pending.forget(theirs);
        }
    }

    fn check_changeable(&self, bitmap: Bitmap, sender: EndpointId) -> Result<(), FfaError> {
        let others = self.bound & !self.of(sender);
        let pending = self.of_vcpus.iter().fold(self.pending.set, |all, pending| all | pending.set);
        if bitmap & (others | pending) == 0 { Ok(()) } else { Err(FfaError::Denied) }
    }

    /// Returns what is bound to `sender`.
    #[inline(never)]
    fn of(&self, sender: EndpointId) -> Bitmap {
        let mut theirs = 0;
        for (index, holder) in self.senders.iter().enumerate() {
            if *holder == sender {
                theirs |= 1 << index;
            }
        }
        theirs & self.bound
    }
}
