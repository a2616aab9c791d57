// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is told of what a device does.

use crate::domain;
use crate::policy::{Device, MAX_DEVICES, Policy};

/// Somebody who polls for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// The kernel.
    Host,
    /// The hypervisor, for itself and its guests.
    Hyp,
}

impl Recipient {
    /// All of them, in the order of their places.
    pub(super) const ALL: [Self; 2] = [Self::Host, Self::Hyp];

    /// Returns its place among all.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Hyp => 1,
        }
    }
}

/// What decides who is told: who may hold each device, and who has it now.
#[derive(Clone, Copy, Debug)]
pub struct Audience<'a> {
    /// Who may hold it.
    pub policy: &'a Policy,
    /// Who has it, by the place of the device in the policy.
    pub devices: &'a [domain::Device; MAX_DEVICES],
}

impl Audience<'_> {
    /// Returns who is told of a device: the hypervisor of what it or a guest has, or of what only they may hold; the kernel of all
    /// else. What is nobody's is nobody else's to look after.
    pub(super) fn of(&self, index: usize, device: &Device) -> Recipient {
        let is_held = self.devices.get(index).is_some_and(|now| now.holder().is_some());
        let holders = device.holders;
        if is_held || !holders.host && !holders.is_nobody() { Recipient::Hyp } else { Recipient::Host }
    }

    /// Tells whether somebody is told of devices behind an SMMU.
    pub(super) fn has_any_behind(&self, recipient: Recipient, smmu: u16) -> bool {
        let mut devices = self.policy.devices.iter().enumerate();
        recipient == Recipient::Host
            || devices
                .any(|(index, device)| u16::from(device.smmu) == smmu && self.of(index, device) == recipient)
    }
}
