// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the policy behind the iommu service's image, where its linker script left room.

use crate::{
    error::{Error, Reason, Result},
    policy::Blob,
};

const PAGE_SIZE: u64 = 4096;

/// Returns the image with the policy at `policy_start`, the offset of the symbol `__policy_start` from the image's
/// start. What lies between is filled with zeroes.
///
/// # Errors
/// [`Reason::Image`] where `policy_start` is not the start of a page behind everything that the file holds.
pub fn with_policy(image: &[u8], policy_start: u64, policy: &Blob) -> Result<Vec<u8>> {
    let start = usize::try_from(policy_start)
        .ok()
        .filter(|start| policy_start.is_multiple_of(PAGE_SIZE) && *start >= image.len())
        .ok_or_else(|| {
            let words = format!(
                "__policy_start is at {policy_start:#x}; it must be the start of a page, and the image ends at {:#x}",
                image.len()
            );
            Error::file("iommu-sp", Reason::Image(words))
        })?;
    let mut whole = image.to_vec();
    whole.resize(start, 0);
    whole.extend_from_slice(&policy.bytes);
    Ok(whole)
}
