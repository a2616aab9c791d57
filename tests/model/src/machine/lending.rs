// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition manager, as far as memory is lent for tables: what is lent, and where the service reaches it.
//!
//! A handle says which pages it stands for, so that none has to be made: the first page in its upper bits, their number in the lower
//! twelve.

use super::Machine;
use crate::finding::Invariant;
use crate::memory::{CHUNK_PAGES, Place};
use ffa_abi::{PhysAddr, Status};
use iommu_core::pool::Word;
use iommu_core::shared::{AreaPages, LentRange, SharedMemory};
use std::sync::atomic::AtomicU64;

const PAGE: u64 = 4096;

/// Returns the first page that a handle stands for, and how many there are.
pub(crate) const fn pages_of(memory: u64) -> (u64, u64) {
    (memory & !(PAGE - 1), memory & (PAGE - 1))
}

/// See above. Nothing is shared for rings.
#[derive(Debug)]
pub(super) struct Manager;

impl SharedMemory for Manager {
    fn retrieve(&self, _sender: u16, _memory: u64) -> Result<AreaPages, Status> {
        Err(Status::NotSupported)
    }

    fn map(&self, _place: usize, _pages: &AreaPages) -> Result<(), Status> {
        Err(Status::NotSupported)
    }

    fn with(&self, _place: usize, _use_it: &mut dyn FnMut(&[AtomicU64])) {}

    fn unmap(&self, _place: usize) -> Result<(), Status> {
        Ok(())
    }

    fn retrieve_lent(&self, _sender: u16, memory: u64) -> Result<LentRange, Status> {
        let machine = Machine::current().ok_or(Status::Denied)?;
        let mut inner = machine.inner();
        let (base, pages) = pages_of(memory);
        if pages > CHUNK_PAGES {
            return Err(Status::OutOfRange);
        }
        let end = base.saturating_add(pages * PAGE);
        let host_s = |page| inner.around.memory.place(page) == Place::Host;
        let is_lent = |other: &u64| {
            let (first, pages) = pages_of(*other);
            first < end && base < first + pages * PAGE
        };
        let whole = (0..pages).all(|page| host_s(base.saturating_add(page * PAGE)));
        if pages == 0 || !whole || inner.lent.iter().any(is_lent) {
            return Err(Status::Denied);
        }
        inner.lent.insert(memory);
        Ok(LentRange { base: PhysAddr(base), pages: u16::try_from(pages).unwrap_or(0) })
    }

    fn map_lent(&self, place: usize, range: LentRange) -> Result<&'static [Word], Status> {
        let machine = Machine::current().ok_or(Status::NoMemory)?;
        let mut inner = machine.inner();
        if inner.around.random.once_in(16) {
            return Err(Status::NoMemory);
        }
        let odd = inner.around.random.word();
        let mapped = inner.around.memory.map_chunk(place, range.base.0, range.pages.into(), odd);
        if mapped.is_none() {
            inner.note(Invariant::Service, || {
                format!("{range:x?} is mapped where something is, or nothing can be")
            });
        }
        mapped.ok_or(Status::NoMemory)
    }

    fn unmap_lent(&self, place: usize) {
        let Some(machine) = Machine::current() else { return };
        let mut inner = machine.inner();
        if !inner.around.memory.unmap_chunk(place) {
            inner.note(Invariant::Service, || format!("chunk {place} is given back with something in it"));
        }
    }

    fn relinquish(&self, memory: u64) -> Result<(), Status> {
        let machine = Machine::current().ok_or(Status::Denied)?;
        let mut inner = machine.inner();
        if inner.around.random.once_in(8) {
            return Err(Status::Denied);
        }
        if !inner.lent.remove(&memory) {
            inner.note(Invariant::Service, || format!("{memory:#x} is given back, and was not got"));
        }
        Ok(())
    }
}
