// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that clients share with the service by FF-A: rings stand in it. And memory that the hypervisor lends for tables.
//!
//! Nothing of it is looked at before it is found to be what the client may map for its devices: its own pages, in managed memory.
//! They stay pinned like a mapping until the manager has them back, so that none becomes another's meanwhile. How memory
//! is got from the manager and mapped is [`SharedMemory`]'s; here is decided which, and for how long.
//!
//! | file | what lives there |
//! |---|---|
//! | `areas` | the table of areas and their handles |
//! | `loans` | memory that is lent for tables |
//! | `spec` | descriptors of memory transactions |

mod areas;
#[cfg(test)]
pub(crate) mod fake;
mod loans;
pub mod spec;

pub use areas::{Area, Areas, Hold};
pub use loans::{Loans, Unfinished};

use crate::pool::Word;

use core::fmt;
use core::sync::atomic::AtomicU64;
use ffa_abi::{PhysAddr, Status};
use heapless::Vec;

/// Areas that there are at one time.
pub const MAX_AREAS: usize = 8;
/// Pages of an area.
pub const MAX_AREA_PAGES: usize = 4;

/// The pages of an area, in their order.
pub type AreaPages = Vec<PhysAddr, MAX_AREA_PAGES>;

/// Memory that is lent: pages that follow each other, at most [`MAX_CHUNK_PAGES`](crate::pool::MAX_CHUNK_PAGES).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentRange {
    /// The first page.
    pub base: PhysAddr,
    /// How many there are.
    pub pages: u16,
}

/// Who gets memory from the manager, and has a window of [`MAX_AREAS`] places for it, each of [`MAX_AREA_PAGES`] pages. Calls come
/// from several cores at a time, and return within a bound.
pub trait SharedMemory: Sync + fmt::Debug {
    /// Retrieves what an endpoint has shared with the service alone, and touches nothing of it.
    ///
    /// # Errors
    /// [`Status::Denied`] where the manager refuses or it is no such memory, [`Status::OutOfRange`] for more than an area holds,
    /// [`Status::Busy`], [`Status::NotSupported`] where there is no sharing; it is not retrieved then.
    fn retrieve(&self, sender: u16, memory: u64) -> Result<AreaPages, Status>;

    /// Maps pages at a place of the window where nothing is mapped.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    fn map(&self, place: usize, pages: &AreaPages) -> Result<(), Status>;

    /// Calls `use_it` with what is mapped at a place, which may change at any time; or not, where nothing is.
    fn with(&self, place: usize, use_it: &mut dyn FnMut(&[AtomicU64]));

    /// Unmaps a place. On return no core can reach the pages there.
    ///
    /// # Errors
    /// [`Status::Busy`] while somebody uses it.
    fn unmap(&self, place: usize) -> Result<(), Status>;

    /// Retrieves what an endpoint has lent to the service alone, and touches nothing of it.
    ///
    /// # Errors
    /// As [`retrieve`](Self::retrieve); [`Status::OutOfRange`] also for pages that do not follow each other.
    fn retrieve_lent(&self, sender: u16, memory: u64) -> Result<LentRange, Status>;

    /// Maps what is lent at one of [`MAX_CHUNKS`](crate::pool::MAX_CHUNKS) places where nothing is mapped. The words stay there
    /// until the place is unmapped, and nobody uses them after that: the caller sees to it.
    ///
    /// # Errors
    /// [`Status::NoMemory`].
    fn map_lent(&self, place: usize, range: LentRange) -> Result<&'static [Word], Status>;

    /// Unmaps what is lent. On return no core can reach it.
    fn unmap_lent(&self, place: usize);

    /// Gives memory back that is not mapped.
    ///
    /// # Errors
    /// [`Status::Busy`], and [`Status::Denied`] where the manager refuses.
    fn relinquish(&self, memory: u64) -> Result<(), Status>;
}

/// Where no memory can be shared.
#[derive(Clone, Copy, Debug)]
pub struct NoSharedMemory;

impl SharedMemory for NoSharedMemory {
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

    fn retrieve_lent(&self, _sender: u16, _memory: u64) -> Result<LentRange, Status> {
        Err(Status::NotSupported)
    }

    fn map_lent(&self, _place: usize, _range: LentRange) -> Result<&'static [Word], Status> {
        Err(Status::NotSupported)
    }

    fn unmap_lent(&self, _place: usize) {}

    fn relinquish(&self, _memory: u64) -> Result<(), Status> {
        Ok(())
    }
}
