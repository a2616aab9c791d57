// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets of a receiver's vCPUs, and how many vCPUs can have notifications of their own.

use core::iter;

use crate::partition::MAX_CORES;

/// vCPUs that can have notifications of their own: as many as partitions can have. A VM with more has global ones alone.
pub(super) const MOST_VCPUS: usize = MAX_CORES;
const _: () = assert!(MOST_VCPUS <= u8::BITS as usize, "a set has one bit for each");

/// Some of the vCPUs of a receiver, of the first eight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vcpus(u8);

impl Vcpus {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn where_true(members: [bool; MOST_VCPUS]) -> Self {
        Self(members.into_iter().rev().fold(0, |set, member| set << 1 | u8::from(member)))
    }

    pub(super) fn with(self, vcpu: u16) -> Self {
        Self(self.0 | 1_u8.checked_shl(u32::from(vcpu)).unwrap_or_default())
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns all vCPUs that are not in this set.
    pub(super) const fn others(self) -> Self {
        Self(!self.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the numbers of its vCPUs, the lowest first.
    pub fn numbers(self) -> impl Iterator<Item = u16> {
        let mut rest = self.0;
        iter::from_fn(move || {
            let lowest = (rest != 0).then(|| rest.trailing_zeros())?;
            rest &= rest.wrapping_sub(1);
            u16::try_from(lowest).ok()
        })
    }
}
