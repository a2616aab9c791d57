// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Translating an address as a device's would be.

use super::{Level, Table, Tampered, spec::Entry};
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
        match self.walk(iova.0, Level::L3)? {
            (_, level, Entry::Leaf(pa, protection)) => {
                let mask = level.entry_size() - 1;
                let pa = PhysAddr((pa.0 & !mask) | (iova.0 & mask));
                Ok(Some(Translation { pa, protection }))
            }
            (_, _, Entry::Invalid) => Ok(None),
            (_, _, Entry::Table(_) | Entry::Foreign) => Err(Tampered),
        }
    }
}
