// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A policy in the form in which it travels; the form itself is told in `iommu_core::policy`.

use crate::error::{Error, Reason, Result};
use iommu_core::policy::{self, Digest, HEADER_SIZE, MAGIC, MAX_BLOB_SIZE, Policy};

/// A policy, encoded, and the digest that the SP manifest carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Header and payload, as they stand behind the image.
    pub bytes: Vec<u8>,
    /// SHA-256 of the payload.
    pub digest: Digest,
}

impl Blob {
    /// Encodes a policy, and reads it back as the service will.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] where the image has no room for it, [`Reason::Image`] where it does not read back.
    pub fn encode(policy: &Policy) -> Result<Self> {
        let refused = |reason| Error::file("policy.bin", reason);
        let payload =
            postcard::to_allocvec(policy).map_err(|error| refused(Reason::Image(error.to_string())))?;
        let size = HEADER_SIZE + payload.len();
        let length =
            u32::try_from(payload.len()).ok().filter(|_| size <= MAX_BLOB_SIZE).ok_or_else(|| {
                refused(Reason::TooLarge("policy".to_owned(), size as u64, MAX_BLOB_SIZE as u64))
            })?;
        let bytes = [MAGIC.as_slice(), length.to_le_bytes().as_slice(), payload.as_slice()].concat();
        let digest = policy::digest(&payload);
        match policy::decode(&bytes, &digest) {
            Ok(back) if back == *policy => Ok(Self { bytes, digest }),
            Ok(_) => Err(refused(Reason::Image("policy does not read back as it was written".to_owned()))),
            Err(error) => Err(refused(Reason::Image(error.to_string()))),
        }
    }
}
