// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service as a hypervisor calls it: each message with the key that the claim gave.

use crate::iommu::{Iommu, IommuError};
use ffa_abi::{HypRequest, Key, Request, Response, Status};

/// The hypervisor's side of the service.
#[derive(Clone, Copy, Debug)]
pub struct Hyp {
    iommu: Iommu,
    key: Key,
}

impl Hyp {
    /// Claims the role. Once in a system's life.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn claim(iommu: Iommu) -> Result<Self, IommuError> {
        let [low, high, ..] = iommu.request(Request::Claim)?;
        Ok(Self { iommu, key: Key::from_registers([low, high]) })
    }

    /// Speaks with a key, right or wrong.
    #[must_use]
    pub const fn with_key(iommu: Iommu, key: Key) -> Self {
        Self { iommu, key }
    }

    /// Returns the key.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Sends a request, and returns x4–x7 of a successful answer.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn request(&self, request: HypRequest) -> Result<[u64; 4], IommuError> {
        match self.iommu.raw(request.encode(self.key))? {
            Response { status: Status::Ok, values } => Ok(values),
            Response { status, .. } => Err(IommuError::Status(status)),
        }
    }

    /// Asks how many messages came with a wrong key since boot.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn wrong_keys(&self) -> Result<u64, IommuError> {
        self.request(HypRequest::Statistics).map(|[wrong, ..]| wrong)
    }
}
