// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations of the kernel with a stage 1 of its own. What it may say of it is decided in `domain` and `smmu`.

use super::{Service, may_hold};
use crate::client::Client;
use crate::domain::{Device, States, Target};
use crate::smmu::Smmu;
use ffa_abi::{DomainHandle, Iova, Response, SmmuIndex, Status, StreamId};

impl<S: Smmu> Service<'_, S> {
    /// Finds a device that a client may hold, what it is set to, and its SMMU.
    fn nestable(
        &self,
        client: Client,
        smmu: SmmuIndex,
        sid: StreamId,
    ) -> Result<(Target<'_>, &Device, &S), Status> {
        let (index, device) = self.streams.find(self.policy, smmu.0, sid.0).ok_or(Status::Denied)?;
        let driver = self.smmus.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        let setting = self.devices.get(index).ok_or(Status::Denied)?;
        if may_hold(client, device) {
            Ok((Target { index, device, smmu }, setting, driver))
        } else {
            Err(Status::Denied)
        }
    }

    pub(super) fn nested_set(
        &self,
        client: Client,
        (smmu, sid): (SmmuIndex, StreamId),
        bounded_by: (Option<DomainHandle>, Iova),
    ) -> Result<Response, Status> {
        let (target, setting, driver) = self.nestable(client, smmu, sid)?;
        let states =
            States { domains: &self.domains, identity: self.identity.as_ref(), ownership: &self.ownership };
        setting.nest(client, target, bounded_by, states, driver)?;
        Ok(Response::status(Status::Ok))
    }

    pub(super) fn nested_invalidate(
        &self,
        client: Client,
        (smmu, sid): (SmmuIndex, StreamId),
        command: [u64; 2],
    ) -> Result<Response, Status> {
        let (target, setting, driver) = self.nestable(client, smmu, sid)?;
        setting.invalidate_nested(target.device, command, driver)?;
        Ok(Response::status(Status::Ok))
    }
}
