// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a domain: nothing is attached, nothing is cached, then its pages go back, in steps.

use super::slot::{Freeing, State, Usage};
use super::{Domain, Domains, ENTRIES_PER_CALL, Means, lock};
use crate::client::Client;
use crate::ownership::{Pins as _, PinsOf};
use crate::pool::Owner;
use crate::seeded::{Bug, seeded};
use crate::smmu::{Invalidated, Smmu};
use core::sync::atomic::Ordering;
use ffa_abi::{DomainHandle, Iova, Status};

/// Pages that one call gives back.
const PAGES_PER_CALL: usize = 512;

impl<'a> Domains<'a> {
    /// Frees a domain that no device uses, in steps: SMMUs forget it, then what it mapped is unpinned, then its pages go back.
    ///
    /// # Errors
    /// [`Status::Busy`] while a device uses it, [`Status::Again`] while mappings or pages remain, [`Status::Hardware`] where the
    /// SMMU did not forget its translations: its pages stay taken and its memory pinned then.
    pub fn free<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        means: Means<'_, S>,
    ) -> Result<(), Status> {
        let slot = self.slots.get(handle.slot()).ok_or(Status::InvalidHandle)?;
        let mut state = lock::write(&slot.state)?;
        if state.generation != handle.generation() && !seeded(Bug::AnyGeneration) {
            return Err(Status::InvalidHandle);
        }
        match core::mem::replace(&mut state.usage, Usage::Free) {
            Usage::Allocated(domain) if domain.client == client => {
                // Acquire: pairs with the release when a device left, after its streams were changed.
                if slot.attached.load(Ordering::Acquire) != 0 && !seeded(Bug::FreedInUse) {
                    state.usage = Usage::Allocated(domain);
                    return Err(Status::Busy);
                }
                state.usage = Usage::Freeing(domain, Freeing::Known);
            }
            Usage::Freeing(domain, so_far) if domain.client == client => {
                state.usage = Usage::Freeing(domain, so_far);
            }
            other => {
                state.usage = other;
                return Err(Status::InvalidHandle);
            }
        }
        self.free_step(&mut state, handle, means)
    }

    fn free_step<S: Smmu>(
        &self,
        state: &mut State<'a>,
        handle: DomainHandle,
        means: Means<'_, S>,
    ) -> Result<(), Status> {
        let Means { smmus, quota, .. } = means;
        let Usage::Freeing(domain, so_far) = &mut state.usage else { return Err(Status::InvalidHandle) };
        let pins = means.pins(domain.client);
        let end = domain.window.end().unwrap_or(domain.window.base);
        let (done, at) = match *so_far {
            Freeing::Pinned(done, at) => (done, at),
            Freeing::Known if seeded(Bug::VmidUsedAgain) => (Invalidated::never_reachable(), end),
            Freeing::Known => {
                let smmu = smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
                let done = Invalidated::vmid(smmu, domain.vmid).map_err(|_| Status::Hardware)?;
                (done, if pins.counts() { domain.window.base } else { end })
            }
        };
        if at < end {
            *so_far = Freeing::Pinned(done, unpin(domain, at, end, done, &pins));
            return Err(Status::Again);
        }
        *so_far = Freeing::Pinned(done, end);
        let owner = Owner::new(handle.slot()).ok_or(Status::InvalidHandle)?;
        for _ in 0..PAGES_PER_CALL {
            let freed = self.pool.free_any(owner, done).filter(|_| !seeded(Bug::PagesKept));
            let Some(origin) = freed else {
                state.usage = if state.generation < DomainHandle::MAX_GENERATION {
                    Usage::Free
                } else {
                    Usage::Retired
                };
                return Ok(());
            };
            quota.give_back(origin);
        }
        Err(Status::Again)
    }
}

/// Unpins some of what a domain mapped, and returns from where on it is to be called again. Nobody else is in the domain, and
/// SMMUs have forgotten it.
///
/// Where a table is not what was written there, what it mapped is not known: it stays pinned, and so where it is.
fn unpin(domain: &Domain<'_>, at: u64, end: u64, done: Invalidated, pins: &PinsOf<'_>) -> u64 {
    let mut unmapped = domain.table.removal_alone(pins);
    let range = (Iova(at), end.saturating_sub(at));
    let progress = domain.table.unmap(range, ENTRIES_PER_CALL, false, &mut unmapped);
    if !seeded(Bug::FreeKeepsPins) {
        domain.table.settle(&unmapped, done, pins);
    }
    match progress.end {
        Err(_) if progress.bytes == 0 => end,
        _ => at.saturating_add(progress.bytes),
    }
}
