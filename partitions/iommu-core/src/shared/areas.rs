// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of areas: each place is used again under a new generation.
//!
//! An area is opened by: retrieve, check, pin, map; and closed by the same backwards: unmap, relinquish, unpin. A close that the
//! manager refuses leaves the area closing: nobody uses it, it keeps its pins, and the client is to ask again.

use super::{AreaPages, MAX_AREA_PAGES, MAX_AREAS, SharedMemory};
use crate::client::Client;
use crate::domain::lock;
use crate::ownership::{Ownership, Pins as _, Refusal};
use crate::sync::{Mutex, Rank, RwLock, RwLockReadGuard};
use crate::table::{LeafSize, PAGE_SIZE};
use core::sync::atomic::AtomicU64;
use ffa_abi::{AreaHandle, PhysAddr, Status};

/// A place for an area.
#[derive(Debug)]
pub struct Area(RwLock<State>);

#[derive(Debug)]
struct State {
    /// Of the present use, or of the last one; zero before the first.
    generation: u32,
    usage: Usage,
}

#[derive(Debug)]
enum Usage {
    /// Can be opened. After the last generation it is so in vain.
    Free,
    /// Mapped, and its pages pinned.
    Open(Opened),
    /// Not mapped any more, and its pages pinned: the manager did not take them back yet.
    Closing(Opened),
}

#[derive(Debug)]
struct Opened {
    client: Client,
    /// The manager's handle.
    memory: u64,
    pages: AreaPages,
}

impl Default for Area {
    fn default() -> Self {
        Self::new()
    }
}

impl Area {
    /// Makes a place that was never used.
    #[must_use]
    pub const fn new() -> Self {
        Self(RwLock::new(Rank::Area, State { generation: 0, usage: Usage::Free }))
    }
}

/// All areas.
#[derive(Debug)]
pub struct Areas<'a> {
    places: &'a [Area; MAX_AREAS],
    memory: &'a dyn SharedMemory,
    /// One is opened at a time, so that no two are of the same memory.
    opening: Mutex<()>,
}

impl<'a> Areas<'a> {
    /// Makes the table of places that were never used.
    #[must_use]
    pub const fn new(places: &'a [Area; MAX_AREAS], memory: &'a dyn SharedMemory) -> Self {
        Self { places, memory, opening: Mutex::new(Rank::Opening, ()) }
    }

    /// Opens memory that the client has shared; returns its handle and its length in bytes.
    ///
    /// # Errors
    /// Those of [`SharedMemory::retrieve`]; [`Status::Denied`] for pages that the client may not map for its devices and for memory
    /// that is open, [`Status::NoMemory`] where all places are taken, [`Status::Saturated`].
    pub fn open(
        &self,
        client: Client,
        memory: u64,
        ownership: &Ownership<'_>,
    ) -> Result<(AreaHandle, u64), Status> {
        let _one_at_a_time = lock::lock(&self.opening)?;
        for place in self.places {
            match &lock::read(&place.0)?.usage {
                // Managers differ in whether they let it be retrieved again; of two areas one would outlive a close.
                Usage::Open(area) | Usage::Closing(area) if area.memory == memory => {
                    return Err(Status::Denied);
                }
                Usage::Free | Usage::Open(_) | Usage::Closing(_) => {}
            }
        }
        let mut outcome = Status::NoMemory;
        for (index, place) in (0..MAX_AREAS).zip(self.places) {
            // Looked at under the shared side first, so that whoever uses the area does not wait for us.
            if place.0.try_read().is_some_and(|state| !matches!(state.usage, Usage::Free)) {
                continue;
            }
            let Some(mut state) = place.0.try_write() else {
                outcome = Status::Busy;
                continue;
            };
            match state.usage {
                Usage::Free => {}
                Usage::Open(_) | Usage::Closing(_) => continue,
            }
            let generation = state.generation.wrapping_add(1);
            let Some(handle) = AreaHandle::new(index, generation) else { continue };
            let pages = self.memory.retrieve(client.endpoint(), memory)?;
            let bytes = (pages.len() as u64).wrapping_mul(PAGE_SIZE);
            let mapped = pin(client, &pages, ownership)
                .and_then(|()| self.memory.map(index, &pages).inspect_err(|_| unpin(&pages, ownership)));
            let opened = Opened { client, memory, pages };
            return match mapped {
                Ok(()) => {
                    *state = State { generation, usage: Usage::Open(opened) };
                    Ok((handle, bytes))
                }
                // Where it is not taken back either, nobody here uses it; the client cannot reclaim it.
                Err(status) => self.memory.relinquish(memory).and(Err(status)),
            };
        }
        Err(outcome)
    }

    /// Closes an area: on return the client can reclaim its memory.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], [`Status::Denied`] where the manager does not take it back.
    pub fn close(&self, client: Client, handle: AreaHandle, ownership: &Ownership<'_>) -> Result<(), Status> {
        let place = self.places.get(handle.place()).ok_or(Status::InvalidHandle)?;
        let mut state = lock::write(&place.0)?;
        if state.generation != handle.generation() {
            return Err(Status::InvalidHandle);
        }
        match core::mem::replace(&mut state.usage, Usage::Free) {
            Usage::Open(area) if area.client == client => {
                if let Err(status) = self.memory.unmap(handle.place()) {
                    state.usage = Usage::Open(area);
                    return Err(status);
                }
                state.usage = Usage::Closing(area);
            }
            Usage::Closing(area) if area.client == client => state.usage = Usage::Closing(area),
            other => {
                state.usage = other;
                return Err(Status::InvalidHandle);
            }
        }
        if let Usage::Closing(area) = &state.usage {
            self.memory.relinquish(area.memory)?;
            unpin(&area.pages, ownership);
        }
        state.usage = Usage::Free;
        Ok(())
    }

    /// Finds a client's area and keeps it from being closed while the answer lives.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`].
    pub fn hold(&self, client: Client, handle: AreaHandle) -> Result<Hold<'_>, Status> {
        let place = self.places.get(handle.place()).ok_or(Status::InvalidHandle)?;
        let state = lock::read(&place.0)?;
        match &state.usage {
            Usage::Open(area) if state.generation == handle.generation() && area.client == client => {
                Ok(Hold { _state: state, place: handle.place(), memory: self.memory })
            }
            Usage::Free | Usage::Open(_) | Usage::Closing(_) => Err(Status::InvalidHandle),
        }
    }
}

/// An area that is not closed while this lives.
#[derive(Debug)]
pub struct Hold<'s> {
    _state: RwLockReadGuard<'s, State>,
    place: usize,
    memory: &'s dyn SharedMemory,
}

impl Hold<'_> {
    /// Returns what `use_it` makes of the area's words, which others may write at any time.
    ///
    /// # Errors
    /// What `use_it` answers; [`Status::Busy`] where it was not called.
    pub fn with<R>(&self, use_it: impl FnOnce(&[AtomicU64]) -> Result<R, Status>) -> Result<R, Status> {
        let mut use_it = Some(use_it);
        let mut outcome = Err(Status::Busy);
        self.memory.with(self.place, &mut |words| {
            if let Some(use_it) = use_it.take() {
                outcome = use_it(words);
            }
        });
        outcome
    }
}

/// Pins all pages or none: each is managed, and the client's to map.
fn pin(client: Client, pages: &AreaPages, ownership: &Ownership<'_>) -> Result<(), Status> {
    for (index, page) in (0..MAX_AREA_PAGES).zip(pages) {
        let pinned = match ownership.check(client, *page, PAGE_SIZE) {
            None => Err(Status::Denied),
            Some(_) => {
                ownership.pin(*page, LeafSize::Page4K, 1).map(|_| ()).map_err(|refusal| match refusal {
                    Refusal::Denied => Status::Denied,
                    Refusal::Moving => Status::Busy,
                    Refusal::Saturated => Status::Saturated,
                })
            }
        };
        if pinned.is_err() {
            pages.iter().take(index).for_each(|page| unpin_one(*page, ownership));
            return pinned;
        }
    }
    Ok(())
}

fn unpin(pages: &AreaPages, ownership: &Ownership<'_>) {
    pages.iter().for_each(|page| unpin_one(*page, ownership));
}

fn unpin_one(page: PhysAddr, ownership: &Ownership<'_>) {
    ownership.unpin(page, LeafSize::Page4K, 1);
}
