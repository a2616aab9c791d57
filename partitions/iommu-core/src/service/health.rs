// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How SMMUs are: compared when somebody asks, rebuilt when they have failed.
//!
//! What clients say of an SMMU's power is a reason to look, and nothing more: what is true is what its registers hold.

use super::Service;
use crate::client::Client;
use crate::role::Hyp;
use crate::smmu::{Differences, Rebuilt, Smmu, SmmuError};
use ffa_abi::{PowerHint, Response, SmmuIndex, SmmuRegisters, Status};

impl<S: Smmu> Service<'_, S> {
    pub(super) fn smmu_status(&self, client: Client, index: SmmuIndex) -> Result<Response, Status> {
        Ok(status(self.smmu_of(client, index)?))
    }

    pub(super) fn smmu_check(
        &self,
        client: Client,
        index: SmmuIndex,
        hint: PowerHint,
    ) -> Result<Response, Status> {
        Ok(check(self.smmu_of(client, index)?, hint))
    }

    pub(super) fn hyp_smmu_status(&self, Hyp { .. }: Hyp, index: SmmuIndex) -> Result<Response, Status> {
        Ok(status(self.smmu(index)?))
    }

    pub(super) fn hyp_smmu_check(
        &self,
        Hyp { .. }: Hyp,
        index: SmmuIndex,
        hint: PowerHint,
    ) -> Result<Response, Status> {
        Ok(check(self.smmu(index)?, hint))
    }

    fn smmu(&self, index: SmmuIndex) -> Result<&S, Status> {
        self.smmus.get(usize::from(index.0)).ok_or(Status::InvalidParameters)
    }

    /// Finds an SMMU behind which the client may hold a device: how others are is nothing to it.
    fn smmu_of(&self, client: Client, index: SmmuIndex) -> Result<&S, Status> {
        let smmu = self.smmu(index)?;
        let holds = self.held(client).any(|device| u16::from(device.smmu) == index.0);
        if holds { Ok(smmu) } else { Err(Status::Denied) }
    }

    /// Does a part of the rebuilding of an SMMU that has failed, if there is one for which that was not in vain.
    pub(super) fn rebuild_one(&self) {
        let broken = |smmu: &&S| smmu.check_errors().is_err() && !smmu.is_beyond_repair();
        if let Some(smmu) = self.smmus.iter().find(broken) {
            // Whoever asks next learns what came of it.
            let _: Result<Rebuilt, SmmuError> = smmu.rebuild();
        }
    }
}

fn status(smmu: &impl Smmu) -> Response {
    Response { status: Status::Ok, values: smmu.report().to_registers() }
}

fn check(smmu: &impl Smmu, hint: PowerHint) -> Response {
    let errors = smmu.check_errors();
    let differed = match errors.and_then(|()| smmu.compare(hint)) {
        Ok(()) => return Response::status(Status::Ok),
        Err(SmmuError::Differed(Differences(registers))) => SmmuRegisters::from_bits_truncate(registers),
        Err(SmmuError::Timeout | SmmuError::Global(_) | SmmuError::Stream(_)) => SmmuRegisters::empty(),
    };
    let status = match smmu.rebuild() {
        Ok(Rebuilt::Done) => Status::Ok,
        Ok(Rebuilt::Again) => Status::Again,
        Err(_) => Status::Hardware,
    };
    Response { status, ..Response::value(differed.bits().into()) }
}
