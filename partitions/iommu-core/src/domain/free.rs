// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The end of a domain: nothing is attached, nothing is cached, then its pages go back, in steps.

use super::slot::{State, Usage};
use super::{Domains, lock};
use crate::client::Client;
use crate::pool::{Owner, Quota};
use crate::smmu::{Invalidated, Smmu};
use core::sync::atomic::Ordering;
use ffa_abi::{DomainHandle, Status};

/// Pages that one call gives back.
const PAGES_PER_CALL: usize = 512;

impl<'a> Domains<'a> {
    /// Frees a domain that no device uses, in steps.
    ///
    /// # Errors
    /// [`Status::Busy`] while a device uses it, [`Status::Again`] while pages remain, [`Status::Hardware`] where the SMMU
    /// did not forget its translations: its pages stay taken then.
    pub fn free<S: Smmu>(
        &self,
        client: Client,
        handle: DomainHandle,
        smmus: &[S],
        quota: &Quota,
    ) -> Result<(), Status> {
        let slot = self.slots.get(handle.slot()).ok_or(Status::InvalidHandle)?;
        let mut state = lock::write(&slot.state)?;
        if state.generation != handle.generation() {
            return Err(Status::InvalidHandle);
        }
        match core::mem::replace(&mut state.usage, Usage::Free) {
            Usage::Allocated(domain) if domain.client == client => {
                // Acquire: pairs with the release when a device left, after its streams were changed.
                if slot.attached.load(Ordering::Acquire) != 0 {
                    state.usage = Usage::Allocated(domain);
                    return Err(Status::Busy);
                }
                state.usage = Usage::Freeing(domain, None);
            }
            Usage::Freeing(domain, proof) if domain.client == client => {
                state.usage = Usage::Freeing(domain, proof);
            }
            other => {
                state.usage = other;
                return Err(Status::InvalidHandle);
            }
        }
        self.free_step(&mut state, handle, smmus, quota)
    }

    fn free_step<S: Smmu>(
        &self,
        state: &mut State<'a>,
        handle: DomainHandle,
        smmus: &[S],
        quota: &Quota,
    ) -> Result<(), Status> {
        let Usage::Freeing(domain, proof) = &mut state.usage else { return Err(Status::InvalidHandle) };
        let done = match *proof {
            Some(done) => done,
            None => {
                let smmu = smmus.get(usize::from(domain.smmu.0)).ok_or(Status::InvalidHandle)?;
                let done = Invalidated::vmid(smmu, domain.vmid).map_err(|_| Status::Hardware)?;
                *proof = Some(done);
                done
            }
        };
        let owner = Owner::new(handle.slot()).ok_or(Status::InvalidHandle)?;
        for _ in 0..PAGES_PER_CALL {
            if !self.pool.free_any(owner, done) {
                state.usage = if state.generation < DomainHandle::MAX_GENERATION {
                    Usage::Free
                } else {
                    Usage::Retired
                };
                return Ok(());
            }
            quota.give_back();
        }
        Err(Status::Again)
    }
}
