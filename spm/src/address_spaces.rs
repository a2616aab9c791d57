// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions' address spaces and memory, as memory management changes them.

use spm_core::hardware::MapFailed;
use spm_core::manifest::AddressRange;
use spm_core::manifest::region::Security;
use spm_core::memory::AddressSpaces;
use spm_core::stage2::{Grain, NoTables, Rights};

use crate::machine::Machine;
use crate::mmu::{self, Use};
use crate::stage2::Stage2;
use crate::world::WORLD;

/// Does `work` on the stage 2 of the partition at a place.
fn with_stage2<R>(partition: usize, work: impl FnOnce(&Stage2) -> R) -> Option<R> {
    WORLD.get()?.stage2.get(partition).map(work)
}

impl AddressSpaces for Machine {
    fn prepare(
        &self,
        partition: usize,
        security: Security,
        range: AddressRange,
        grain: Grain,
    ) -> Result<(), NoTables> {
        with_stage2(partition, |stage2| stage2.prepare(security, range, grain)).unwrap_or(Err(NoTables))
    }

    fn map(&self, partition: usize, security: Security, range: AddressRange, grain: Grain, rights: Rights) {
        with_stage2(partition, |stage2| stage2.map(security, range, grain, rights));
    }

    fn unmap(&self, partition: usize, security: Security, range: AddressRange) {
        with_stage2(partition, |stage2| stage2.unmap(security, range));
    }

    fn trim(&self, partition: usize, security: Security, range: AddressRange) {
        with_stage2(partition, |stage2| stage2.trim(security, range));
    }

    fn publish(&self, partition: usize) {
        with_stage2(partition, Stage2::publish);
    }

    fn zero(&self, security: Security, range: AddressRange) -> Result<(), MapFailed> {
        let what = match security {
            Security::Secure => Use::ReadWrite,
            Security::NonSecure => Use::NormalWorld,
        };
        mmu::zero(range, what)
    }
}
