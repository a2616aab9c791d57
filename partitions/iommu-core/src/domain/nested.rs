// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stage 1 of the kernel's own for a device, in front of a domain or identity (IHI 0070, 3.3.2). Where its context descriptor
//! stands is all that the kernel says; the SMMU fetches that and the tables by stage 2, so whatever they hold, the device reaches
//! what the domain has.

use super::device::{Device, Setting, States, Target, change, found};
use super::lock;
use crate::client::Client;
use crate::policy;
use crate::smmu::{Nested, NestedError, Smmu, StreamConfig};
use ffa_abi::{DomainHandle, Iova, Status, StreamId};

/// Bytes of a context descriptor, to which it is aligned (IHI 0070, 5.4).
const CONTEXT_BYTES: u64 = 64;

impl Device {
    /// Has a device that the client may hold translated by a stage 1 of its own.
    ///
    /// # Errors
    /// [`Status::Denied`] where the policy does not say so of it, and while another has it; [`Status::NotSupported`] where its SMMU
    /// has not both stages; [`Status::Misaligned`] and [`Status::OutOfRange`] for where the context descriptor stands; those of
    /// [`set`](Self::set).
    pub fn nest<S: Smmu>(
        &self,
        client: Client,
        Target { index, device, smmu }: Target<'_>,
        (handle, context): (Option<DomainHandle>, Iova),
        States { domains, identity, ownership }: States<'_, '_>,
        driver: &S,
    ) -> Result<(), Status> {
        if !device.nested {
            return Err(Status::Denied);
        }
        if !driver.features().nested {
            return Err(Status::NotSupported);
        }
        if !context.0.is_multiple_of(CONTEXT_BYTES) {
            return Err(Status::Misaligned);
        }
        let mut setting = lock::lock(self.setting())?;
        if self.holder().is_some() {
            return Err(Status::Denied);
        }
        found(&mut setting, device, domains, driver)?;
        let outer = match handle {
            Some(handle) => domains.attach(client, handle, smmu, &device.iova)?,
            None => {
                let identity = identity.filter(|_| device.identity).ok_or(Status::Denied)?;
                identity.enter(smmu, index, ownership)?
            }
        };
        let slot = handle.map(DomainHandle::slot);
        let after = Setting::Nested(slot, context);
        let refuse = |status| {
            slot.into_iter().for_each(|slot| domains.detach(slot));
            Err(status)
        };
        let StreamConfig::Stage2(stage2) = outer else { return refuse(Status::NotSupported) };
        if context.0 >= stage2.geometry.limit() {
            return refuse(Status::OutOfRange);
        }
        let config = StreamConfig::Nested(Nested { context, stage2 });
        change(&mut setting, after, &config, device, domains, driver)?;
        if let Some(identity) = identity.filter(|_| slot.is_some()) {
            identity.leave(smmu, index, ownership, driver);
        }
        Ok(())
    }

    /// Has the SMMU forget something of the stage 1 of a device that the client may hold.
    ///
    /// # Errors
    /// [`Status::Denied`] where the device has none, and while another has it; [`Status::NotSupported`] for a command that is not a
    /// client's; [`Status::Busy`] while another call sets the device; [`Status::Hardware`].
    pub fn invalidate_nested<S: Smmu>(
        &self,
        device: &policy::Device,
        command: [u64; 2],
        driver: &S,
    ) -> Result<(), Status> {
        let setting = lock::lock(self.setting())?;
        if self.holder().is_some() || !matches!(*setting, Setting::Nested(..)) {
            return Err(Status::Denied);
        }
        driver.invalidate_nested(StreamId(device.first_sid), device.sids, command).map_err(
            |error| match error {
                NestedError::NotNested | NestedError::Smmu(_) => Status::Hardware,
                NestedError::Refused => Status::NotSupported,
            },
        )
    }
}
