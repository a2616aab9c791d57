// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The proof that an SMMU has forgotten something, without which nothing that it could reach is released.

use super::{Smmu, SmmuError, TlbRange, Vmid};

/// Says that an invalidation has completed. Whoever releases a page must hold one.
#[derive(Clone, Copy, Debug)]
pub struct Invalidated(());

impl Invalidated {
    /// Forgets a range of a VMID's translations.
    ///
    /// # Errors
    /// As [`Smmu::invalidate_range`]: there is no proof then, and what was mapped stays taken.
    pub fn range(smmu: &impl Smmu, vmid: Vmid, range: &TlbRange) -> Result<Self, SmmuError> {
        smmu.invalidate_range(vmid, range).map(|()| Self(()))
    }

    /// Forgets some ranges of a VMID's translations.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub fn ranges(
        smmu: &impl Smmu,
        vmid: Vmid,
        ranges: &mut dyn Iterator<Item = TlbRange>,
    ) -> Result<Self, SmmuError> {
        smmu.invalidate_ranges(vmid, ranges).map(|()| Self(()))
    }

    /// Forgets all translations of a VMID.
    ///
    /// # Errors
    /// As [`Smmu::invalidate_vmid`].
    pub fn vmid(smmu: &impl Smmu, vmid: Vmid) -> Result<Self, SmmuError> {
        smmu.invalidate_vmid(vmid).map(|()| Self(()))
    }

    /// For what no SMMU ever saw, because no descriptor that leads to it was ever written.
    pub(crate) const fn never_reachable() -> Self {
        Self(())
    }
}
