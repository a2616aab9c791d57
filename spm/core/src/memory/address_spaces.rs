// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What memory management needs from the machine: partitions' stage 2, and memory itself.
//!
//! Partitions are named by their places in spm's list. All calls come under the one lock of [`super::Memory`].

use crate::hardware::MapFailed;
use crate::manifest::AddressRange;
use crate::manifest::region::Security;
use crate::stage2::{Grain, NoTables, Rights};

/// Partitions' stage 2, and memory.
pub trait AddressSpaces {
    /// Brings in what [`AddressSpaces::map`] needs for `range`. The partition sees no change.
    ///
    /// # Errors
    /// [`NoTables`]; then, and if nothing is mapped after all, [`AddressSpaces::trim`] gives back what was brought in.
    fn prepare(
        &self,
        partition: usize,
        security: Security,
        range: AddressRange,
        grain: Grain,
    ) -> Result<(), NoTables>;

    /// Maps `range` as normal memory. It is prepared by the same grain, and nothing is mapped there.
    fn map(&self, partition: usize, security: Security, range: AddressRange, grain: Grain, rights: Rights);

    /// Unmaps `range`, whatever of it is mapped.
    fn unmap(&self, partition: usize, security: Security, range: AddressRange);

    /// Gives back tables around `range` that map nothing.
    fn trim(&self, partition: usize, security: Security, range: AddressRange);

    /// Completes all changes so far: when it returns, the partition sees them on all cores, and no TLB knows what was.
    fn publish(&self, partition: usize);

    /// Writes zeros, which reach memory itself, so that nobody sees anything else, by whatever attributes. The memory's owner
    /// may access it at the same time.
    ///
    /// # Errors
    /// [`MapFailed`]; part of it may be zero.
    fn zero(&self, security: Security, range: AddressRange) -> Result<(), MapFailed>;
}
