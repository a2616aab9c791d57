// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is told of what a device does.

use crate::policy::{Device, Policy};

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

    /// Returns who is told of a stream: of what the kernel may hold, the kernel; of what only others may hold, the
    /// hypervisor. Streams of nobody, or that the policy does not name, are nobody else's than the kernel's to look after.
    pub(super) fn of(device: Option<&Device>) -> Self {
        match device.map(|device| device.holders) {
            Some(holders) if !holders.host && !holders.is_nobody() => Self::Hyp,
            Some(_) | None => Self::Host,
        }
    }

    /// Returns who is told of a stream behind an SMMU.
    pub(super) fn of_stream(policy: &Policy, smmu: u16, sid: u32) -> Self {
        Self::of(policy.device(smmu, sid).map(|(_, device)| device))
    }

    /// Tells whether somebody may be told of devices behind an SMMU.
    pub(super) fn has_any_behind(self, policy: &Policy, smmu: u16) -> bool {
        let mut devices = policy.devices.iter().filter(|device| u16::from(device.smmu) == smmu);
        self == Self::Host || devices.any(|device| Self::of(Some(device)) == self)
    }

    /// Returns its place among all.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Hyp => 1,
        }
    }
}
