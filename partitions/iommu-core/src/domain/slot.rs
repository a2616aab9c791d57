// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The table of domains: a fixed number of slots, each used again under a new generation.

use super::lock;
use crate::client::Client;
use crate::ownership::Holder;
use crate::policy::Range;
use crate::pool::{MAX_OWNERS, Owner, Pool, Quota};
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, StreamConfig, Vmid};
use crate::sync::{AtomicBool, AtomicU32, Rank, RwLock, RwLockReadGuard};
use crate::table::{Format, Geometry, Table};
use core::sync::atomic::Ordering;
use ffa_abi::{DomainHandle, SmmuIndex, Status};

/// Domains that exist at one time, over all SMMUs.
///
/// Each slot has a VMID of its own, so fewer than the 256 of an SMMU with 8-bit VMIDs: a VMID comes into use again only
/// with its slot, which is after all that was cached under it is gone.
pub const MAX_DOMAINS: usize = 128;
const _: () =
    assert!(MAX_DOMAINS < 256 && MAX_DOMAINS <= MAX_OWNERS && MAX_DOMAINS <= DomainHandle::MAX_SLOTS);

/// One address space.
#[derive(Debug)]
pub struct Domain<'a> {
    /// Who made it, and alone may name it.
    pub client: Client,
    /// The SMMU whose devices it is for.
    pub smmu: SmmuIndex,
    /// The tag of its translations.
    pub vmid: Vmid,
    /// The IOVAs that can be mapped: those that all devices allow which the client may hold behind this SMMU.
    pub window: Range,
    /// What is mapped.
    pub table: Table<'a>,
    /// Whether an unmap ended because the SMMU failed: what it removed may still be marked as leaving.
    pub(super) left: AtomicBool,
}

/// A place for a domain.
#[derive(Debug)]
pub struct Slot<'a> {
    /// Devices of which a stream may still use the domain. Grows only under the shared side of `state`.
    pub(super) attached: AtomicU32,
    pub(super) state: RwLock<State<'a>>,
}

#[derive(Debug)]
pub(super) struct State<'a> {
    /// Of the present use, or of the last one; zero before the first.
    pub(super) generation: u32,
    pub(super) usage: Usage<'a>,
}

#[derive(Debug)]
pub(super) enum Usage<'a> {
    /// Can be allocated.
    Free,
    /// In use.
    Allocated(Domain<'a>),
    /// On its way to be free: no operation but freeing finds it.
    Freeing(Domain<'a>, Freeing),
    /// All generations were used: a handle of this slot could be confused with an old one.
    Retired,
}

/// How far a domain is on its way to be free.
#[derive(Clone, Copy, Debug)]
pub(super) enum Freeing {
    /// SMMUs may know its translations.
    Known,
    /// They have forgotten; its memory is pinned from this IOVA on.
    Pinned(Invalidated, u64),
}

impl Default for Slot<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Slot<'_> {
    /// Makes a slot that was never used.
    #[must_use]
    pub const fn new() -> Self {
        let state = State { generation: 0, usage: Usage::Free };
        Self { attached: AtomicU32::new(0), state: RwLock::new(Rank::Slot, state) }
    }
}

#[cfg(test)]
impl Slot<'_> {
    /// Lets a slot have been used so often.
    pub(crate) fn skip_to_generation(&self, generation: u32) {
        self.state.try_write().unwrap().generation = generation;
    }
}

/// What a domain is made of.
#[derive(Clone, Copy, Debug)]
pub struct Allocation {
    /// For whom.
    pub client: Client,
    /// The SMMU whose devices it is for.
    pub smmu: SmmuIndex,
    /// The IOVAs that can be mapped.
    pub window: Range,
    /// What that SMMU's tables are made of.
    pub format: Format,
}

/// All domains.
#[derive(Debug)]
pub struct Domains<'a> {
    pub(super) slots: &'a [Slot<'a>; MAX_DOMAINS],
    pub(super) pool: &'a Pool<'a>,
    /// Slots that are the kernel's; those behind are for the hypervisor and its guests.
    for_the_kernel: usize,
}

/// Slots that the kernel has where others can have domains, too: it cannot use theirs up.
const FOR_THE_KERNEL: usize = MAX_DOMAINS - MAX_DOMAINS / 4;

impl<'a> Domains<'a> {
    /// Makes the table of slots that were never used. `others` says whether the kernel leaves some to them.
    #[must_use]
    pub const fn new(slots: &'a [Slot<'a>; MAX_DOMAINS], pool: &'a Pool<'a>, others: bool) -> Self {
        Self { slots, pool, for_the_kernel: if others { FOR_THE_KERNEL } else { MAX_DOMAINS } }
    }

    /// Returns how many domains the kernel can have at one time.
    #[must_use]
    pub const fn for_the_kernel(&self) -> usize {
        self.for_the_kernel
    }

    /// Returns for whom the hypervisor made a domain.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`] for one that is the kernel's or nobody's, [`Status::Busy`].
    pub(crate) fn holder(&self, handle: DomainHandle) -> Result<Holder, Status> {
        let slot = self.slots.get(handle.slot()).ok_or(Status::InvalidHandle)?;
        let state = lock::read(&slot.state)?;
        let (Usage::Allocated(domain) | Usage::Freeing(domain, _)) = &state.usage else {
            return Err(Status::InvalidHandle);
        };
        match domain.client {
            Client::Held(holder) if state.generation == handle.generation() => Ok(holder),
            Client::Held(_) | Client::Host => Err(Status::InvalidHandle),
        }
    }

    /// Makes an empty domain.
    ///
    /// # Errors
    /// [`Status::NoMemory`] where slots, pool or the client's share are used up, [`Status::Busy`] where a slot may be
    /// free soon.
    pub fn allocate(&self, wanted: &Allocation, quota: &Quota) -> Result<DomainHandle, Status> {
        let mut outcome = Status::NoMemory;
        let theirs = match wanted.client {
            Client::Host => 0..self.for_the_kernel,
            Client::Held(_) => self.for_the_kernel..MAX_DOMAINS,
        };
        let slots = self.slots.get(theirs.clone()).unwrap_or_default();
        for (index, slot) in theirs.zip(slots) {
            // Looked at under the shared side first, so that whoever uses the slot does not wait for us.
            if slot.state.try_read().is_some_and(|state| !matches!(state.usage, Usage::Free)) {
                continue;
            }
            let Some(mut state) = slot.state.try_write() else {
                outcome = Status::Busy;
                continue;
            };
            match state.usage {
                Usage::Free => {}
                Usage::Allocated(_) | Usage::Freeing(..) | Usage::Retired => continue,
            }
            let generation = state.generation.wrapping_add(1);
            let generation = if seeded(Bug::SameGeneration) { 1 } else { generation };
            let handle = DomainHandle::new(index, generation).ok_or(Status::NoMemory)?;
            let domain = self.domain(index, wanted, quota)?;
            *state = State { generation, usage: Usage::Allocated(domain) };
            return Ok(handle);
        }
        Err(outcome)
    }

    fn domain(&self, index: usize, wanted: &Allocation, quota: &Quota) -> Result<Domain<'a>, Status> {
        let owner = Owner::new(index).ok_or(Status::NoMemory)?;
        // Zero is left out: it is what a stream-table entry that was never written holds.
        let vmid = u16::try_from(index + 1).map(Vmid).map_err(|_| Status::NoMemory)?;
        let table = Table::new(self.pool, (owner, quota), Geometry::Bits39, wanted.format);
        let table = table.ok_or(Status::NoMemory)?;
        let Allocation { client, smmu, window, .. } = *wanted;
        Ok(Domain { client, smmu, vmid, window, table, left: AtomicBool::new(false) })
    }

    /// Finds a client's domain and keeps it from being freed while the answer lives.
    pub(super) fn hold(&self, client: Client, handle: DomainHandle) -> Result<Held<'_, 'a>, Status> {
        let slot = self.slots.get(handle.slot()).ok_or(Status::InvalidHandle)?;
        let state = lock::read(&slot.state)?;
        Held::new(slot, state, client, handle)
    }

    /// Calls `change` with a client's domain while no other core uses it, then goes on as [`hold`](Self::hold).
    pub(super) fn exclusively<R>(
        &self,
        client: Client,
        handle: DomainHandle,
        change: impl FnOnce(&mut Domain<'a>) -> R,
    ) -> Result<(R, Held<'_, 'a>), Status> {
        let slot = self.slots.get(handle.slot()).ok_or(Status::InvalidHandle)?;
        let mut state = slot.state.try_write().ok_or(Status::Busy)?;
        let generation = state.generation;
        let result = match &mut state.usage {
            Usage::Allocated(domain)
                if (generation == handle.generation() || seeded(Bug::AnyGeneration))
                    && domain.client == client =>
            {
                change(domain)
            }
            _ => return Err(Status::InvalidHandle),
        };
        Ok((result, Held::new(slot, state.downgrade(), client, handle)?))
    }

    /// Counts a device into a client's domain, and returns what its streams are to be set to.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], and [`Status::InvalidParameters`] where the device is behind another SMMU
    /// or does not allow all of the domain's IOVAs.
    pub(super) fn attach(
        &self,
        client: Client,
        handle: DomainHandle,
        smmu: SmmuIndex,
        window: &Range,
    ) -> Result<StreamConfig, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        if (domain.smmu != smmu && !seeded(Bug::AnySmmu)) || !window.contains(&domain.window) {
            return Err(Status::InvalidParameters);
        }
        held.slot.attached.fetch_add(1, Ordering::Relaxed);
        Ok(StreamConfig::translated(domain.vmid, &domain.table))
    }

    /// Counts a device out. Its streams were changed before, and the SMMU has forgotten what they were.
    pub(super) fn detach(&self, slot: usize) {
        if let Some(slot) = self.slots.get(slot) {
            let before = slot.attached.fetch_sub(1, Ordering::Release);
            debug_assert!(before > 0, "a device left a domain that it was not in");
        }
    }
}

/// A domain that is not freed while this lives.
#[derive(Debug)]
pub(super) struct Held<'s, 'a> {
    slot: &'s Slot<'a>,
    state: RwLockReadGuard<'s, State<'a>>,
}

impl<'s, 'a> Held<'s, 'a> {
    fn new(
        slot: &'s Slot<'a>,
        state: RwLockReadGuard<'s, State<'a>>,
        client: Client,
        handle: DomainHandle,
    ) -> Result<Self, Status> {
        let held = Self { slot, state };
        let stale = held.state.generation != handle.generation() && !seeded(Bug::AnyGeneration);
        if stale || held.domain()?.client != client {
            return Err(Status::InvalidHandle);
        }
        Ok(held)
    }

    pub(super) fn domain(&self) -> Result<&Domain<'a>, Status> {
        match &self.state.usage {
            Usage::Allocated(domain) => Ok(domain),
            Usage::Free | Usage::Freeing(..) | Usage::Retired => Err(Status::InvalidHandle),
        }
    }
}
