// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translating an address as a device's would be.

use super::{Found, Level, Table, Tampered, spec::Kind};
use ffa_abi::{Iova, PhysAddr, Protection};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The physical address, offset included.
    pub pa: PhysAddr,
    /// What a device may do there.
    pub protection: Protection,
}

impl Table<'_> {
    /// Looks an address up; `None` where nothing is mapped.
    pub(crate) fn lookup(&self, iova: Iova) -> Result<Option<Translation>, Tampered> {
        if iova.0 >= self.geometry.limit() {
            return Ok(None);
        }
        let Found { level, entry, .. } = self.walk(iova.0, Level::L3)?;
        match entry.kind(level) {
            Kind::Leaf => {
                let mask = level.entry_size() - 1;
                let pa = PhysAddr((entry.address().0 & !mask) | (iova.0 & mask));
                Ok(Some(Translation { pa, protection: entry.protection(self.format) }))
            }
            Kind::Invalid | Kind::Leaving => Ok(None),
            Kind::Table | Kind::Foreign => Err(Tampered),
        }
    }
}
