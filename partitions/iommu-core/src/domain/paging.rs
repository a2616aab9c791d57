// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Map, unmap and lookup in one domain: table, invalidation and release in the one order that is safe.

use super::Domains;
use super::slot::Held;
use crate::client::Client;
use crate::ownership::{NoPins, Owned, Ownership, PinsOf, Refusal};
use crate::policy::Range;
use crate::pool::Quota;
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, Smmu, TlbRange};
use crate::table::{
    Detached, LeafSize, MapError, Mapping, PAGE_SIZE, Progress, Translation, UnmapError, Unmapped,
};
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{DomainHandle, Iova, Protection, Status};

/// Table entries that one call handles.
pub const ENTRIES_PER_CALL: usize = 512;

/// How far a call got, and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// [`Status::Ok`], or why it ended where it did.
    pub status: Status,
    /// Bytes from the start of the range that are done.
    pub bytes: u64,
    /// Bytes that were mapped before an unmap.
    pub removed: u64,
}

/// What a call works with beside the domain.
#[derive(Debug)]
pub struct Means<'m, S> {
    /// The SMMUs, by their index.
    pub smmus: &'m [S],
    /// The client's share of the pool.
    pub quota: &'m Quota,
    /// Whose memory is whose.
    pub ownership: &'m Ownership<'m>,
}

impl<S> Clone for Means<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Means<'_, S> {}

impl<'m, S> Means<'m, S> {
    /// Returns the accounts of a client's mappings.
    pub(super) const fn pins(&self, client: Client) -> PinsOf<'m> {
        PinsOf::new(self.ownership, client)
    }
}

impl Domains<'_> {
    /// Maps a client's memory. The service has checked alignment.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], [`Status::OutOfRange`] for IOVAs outside the window,
    /// [`Status::NotSupported`] for what the SMMU cannot allow alone; what comes later
    /// stands in the answer.
    pub fn map<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        (iova, memory, protection): (Iova, Owned, Protection),
        means: Means<'_, S>,
    ) -> Result<Done, Status> {
        let Means { smmus, quota, .. } = means;
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        if !domain.window.contains(&Range { base: iova.0, size: memory.size() }) {
            return Err(Status::OutOfRange);
        }
        if !domain.table.format().can_grant(protection) {
            return Err(Status::NotSupported);
        }
        let smmu = smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let mapping = Mapping { iova, pa: memory.base(), size: memory.size(), protection };
        let budget = if seeded(Bug::NoBudget) { usize::MAX } else { ENTRIES_PER_CALL };
        let Progress { bytes, end } = domain.table.map(&mapping, quota, &means.pins(client), budget);
        // Entries go from invalid to valid only, and SMMUs do not cache what is invalid (IHI 0070, 3.21.1): there is
        // nothing to invalidate.
        if !seeded(Bug::MapNotPublished) {
            smmu.publish();
        }
        let status = match end {
            Ok(()) => Status::Ok,
            // As when the budget is used up: the caller goes on from there, and is told then.
            Err(MapError::Leaving | MapError::Pins(_)) if bytes > 0 => Status::Ok,
            Err(error) => map_status(error),
        };
        Ok(Done { status, bytes, removed: 0 })
    }

    /// Unmaps, and returns when no device can use what was mapped any more. The service has checked alignment.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], [`Status::OutOfRange`], [`Status::WouldSplit`], [`Status::Tampered`] with
    /// nothing changed; [`Status::Hardware`] where the SMMU may still use what was mapped.
    pub fn unmap<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        (iova, size): (Iova, u64),
        means: Means<'_, S>,
    ) -> Result<Done, Status> {
        let held = self.hold(client, handle)?;
        let domain = held.domain()?;
        if !domain.window.contains(&Range { base: iova.0, size }) {
            return Err(Status::OutOfRange);
        }
        let smmu = means.smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
        let pins = &means.pins(client);
        let mut unmapped = domain.table.removal(pins);
        let progress = domain.table.unmap((iova, size), ENTRIES_PER_CALL, true, &mut unmapped);
        let is_left = progress.end == Err(UnmapError::Raced) && domain.left.load(Relaxed);
        if progress.bytes != 0 || progress.end != Err(UnmapError::WholeTable) && !is_left {
            return finish(smmu, pins, &held, iova, progress, &unmapped);
        }
        drop(held);
        if is_left {
            let ((progress, unmapped), held) = self.exclusively(client, handle, |domain| {
                let mut unmapped = domain.table.removal_alone(pins);
                let progress = domain.table.unmap((iova, size), ENTRIES_PER_CALL, false, &mut unmapped);
                (progress, unmapped)
            })?;
            return finish(smmu, pins, &held, iova, progress, &unmapped);
        }
        match self.exclusively(client, handle, |domain| domain.table.detach(iova)) {
            Ok((Some(detached), held)) => release(smmu, &held, iova, &detached, means),
            // Another core is inside, or was faster: the table stays, and is emptied.
            Ok((None, _)) | Err(Status::Busy) => {
                let held = self.hold(client, handle)?;
                let mut unmapped = held.domain()?.table.removal(pins);
                let progress =
                    held.domain()?.table.unmap((iova, size), ENTRIES_PER_CALL, false, &mut unmapped);
                finish(smmu, pins, &held, iova, progress, &unmapped)
            }
            Err(status) => Err(status),
        }
    }

    /// Looks an address up.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::Busy`], [`Status::NotMapped`], [`Status::Tampered`].
    pub fn lookup(&self, client: Client, handle: DomainHandle, iova: Iova) -> Result<Translation, Status> {
        let held = self.hold(client, handle)?;
        held.domain()?.table.lookup(iova).map_err(|_| Status::Tampered)?.ok_or(Status::NotMapped)
    }
}

/// Invalidates what was removed, if anything was, and lets its memory go. Where there were holes, whatever stood there before was invalidated by
/// whoever removed it: an entry is not invalid before.
fn finish(
    smmu: &impl Smmu,
    pins: &PinsOf<'_>,
    held: &Held<'_, '_>,
    iova: Iova,
    Progress { bytes, end }: Progress<UnmapError>,
    unmapped: &Unmapped<'_>,
) -> Result<Done, Status> {
    if unmapped.bytes > 0 {
        // Behind a block there may have been a hole that no block fills: SMMUs are not to take it for one.
        let fill = |leaf: &LeafSize| (iova.0 | bytes) & leaf.bytes().wrapping_sub(1) == 0;
        let range = TlbRange { iova, size: bytes, leaves: unmapped.leaves.filter(fill), tables: false };
        let domain = held.domain()?;
        if seeded(Bug::SettledEarly) {
            domain.table.settle(unmapped, Invalidated::never_reachable(), pins);
        }
        // Not of a whole table: the message would cost more than it may.
        let early = seeded(Bug::UnpinnedEarly) && bytes <= 448 * PAGE_SIZE;
        if early {
            domain.table.unpin_early(unmapped, pins);
        }
        let proof = Invalidated::range(smmu, domain.vmid, &range).map_err(|_| {
            domain.left.store(true, Relaxed);
            Status::Hardware
        })?;
        if early {
            domain.table.settle(unmapped, proof, &NoPins);
        } else {
            domain.table.settle(unmapped, proof, pins);
        }
    }
    match end {
        // What ended the call early is the next one's first address.
        _ if bytes > 0 => Ok(Done { status: Status::Ok, bytes, removed: unmapped.bytes }),
        Err(error) => Err(unmap_status(error)),
        Ok(()) => Err(Status::Busy),
    }
}

/// Says to a client why mapping ended.
pub(super) const fn map_status(error: MapError) -> Status {
    match error {
        MapError::AlreadyMapped => Status::AlreadyMapped,
        MapError::Leaving | MapError::Pins(Refusal::Moving) => Status::Busy,
        MapError::Pins(Refusal::Denied) => Status::Denied,
        MapError::Pins(Refusal::Saturated) => Status::Saturated,
        MapError::NoMemory => Status::NoMemory,
        MapError::Tampered => Status::Tampered,
    }
}

/// Says to a client why unmapping ended.
pub(super) const fn unmap_status(error: UnmapError) -> Status {
    match error {
        UnmapError::WouldSplit => Status::WouldSplit,
        UnmapError::Tampered => Status::Tampered,
        UnmapError::Raced | UnmapError::WholeTable => Status::Busy,
    }
}

/// Invalidates what a table translated, then gives the table back and lets the memory go.
fn release<S: Smmu>(
    smmu: &S,
    held: &Held<'_, '_>,
    iova: Iova,
    detached: &Detached<'_>,
    means: Means<'_, S>,
) -> Result<Done, Status> {
    let domain = held.domain()?;
    let (quota, pins) = (means.quota, &means.pins(domain.client));
    let bytes = LeafSize::Block2M.bytes();
    // Even a table without leaves may be in a walk cache.
    let range = TlbRange { iova, size: bytes, leaves: Some(LeafSize::Page4K), tables: true };
    let early = Invalidated::never_reachable();
    if seeded(Bug::TableFreedEarly)
        && let Ok(origin) = domain.table.release(detached, early, pins)
    {
        quota.give_back(origin);
    }
    if seeded(Bug::TableUnpinnedEarly) {
        detached.unpin(pins);
    }
    let proof = Invalidated::range(smmu, domain.vmid, &range).map_err(|_| {
        domain.table.put_back(detached);
        Status::Hardware
    })?;
    let removed = detached.bytes();
    if let Ok(origin) = domain.table.release(detached, proof, pins)
        && !seeded(Bug::QuotaKept)
    {
        quota.give_back(origin);
    }
    Ok(Done { status: Status::Ok, bytes, removed })
}

const _: () = assert!(ENTRIES_PER_CALL as u64 * PAGE_SIZE == LeafSize::Block2M.bytes());
