// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The policy as it travels: behind the image in the signed package, because an SP manifest may be limited to 4 KiB.
//!
//! | offset | content |
//! |---|---|
//! | 0 | [`MAGIC`] |
//! | 4 | length of the payload in bytes, little endian |
//! | 8 | payload: postcard, first byte [`FORMAT_VERSION`] |
//!
//! The SP manifest carries the SHA-256 of the payload.

use super::{FORMAT_VERSION, Policy, PolicyError};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The first four bytes of a blob.
pub const MAGIC: [u8; 4] = *b"SGP1";
/// Bytes in front of the payload.
pub const HEADER_SIZE: usize = 8;
/// What an image reserves for its policy, header included.
pub const MAX_BLOB_SIZE: usize = 64 * 1024;
/// Bytes of a digest.
pub const DIGEST_SIZE: usize = 32;

/// SHA-256 of a policy's payload.
pub type Digest = [u8; DIGEST_SIZE];

/// Why a blob is no policy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlobError {
    /// There is no policy behind the image.
    #[error("no policy: magic is missing")]
    Magic,
    /// The length does not fit what is there.
    #[error("length of {0} bytes does not fit")]
    Length(u32),
    /// The payload is not the one that the manifest names.
    #[error("digest differs from the manifest's")]
    Digest,
    /// The payload has another format.
    #[error("format {0}, this service reads format {FORMAT_VERSION}")]
    Version(u8),
    /// The payload is not a policy, or has bytes behind it.
    #[error("payload cannot be decoded")]
    Encoding,
    /// The policy contradicts itself or this service's limits.
    #[error("policy refused: {0}")]
    Policy(#[from] PolicyError),
}

/// Returns the digest of a payload, as an SP manifest carries it.
#[must_use]
pub fn digest(payload: &[u8]) -> Digest {
    Sha256::digest(payload).into()
}

/// Reads a policy out of a blob, which may have unused bytes behind it.
///
/// # Errors
/// The digest is compared before anything is decoded; what decodes is checked whole before it is returned.
pub fn decode(blob: &[u8], expected: &Digest) -> Result<Policy, BlobError> {
    let mut policy = Policy::EMPTY;
    decode_into(&mut policy, blob, expected)?;
    Ok(policy)
}

/// Reads a policy as [`decode`] does, but in its place: a partition's stack is no room for copies of it.
///
/// # Errors
/// As [`decode`]; the policy is in no state to be used then.
pub fn decode_into(policy: &mut Policy, blob: &[u8], expected: &Digest) -> Result<(), BlobError> {
    let (magic, rest) = blob.split_first_chunk::<4>().ok_or(BlobError::Magic)?;
    if *magic != MAGIC {
        return Err(BlobError::Magic);
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(BlobError::Length(0))?;
    let length = u32::from_le_bytes(*length);
    let payload = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length))
        .ok_or(BlobError::Length(length))?;
    if digest(payload) != *expected {
        return Err(BlobError::Digest);
    }
    match payload.first() {
        Some(&FORMAT_VERSION) => {}
        Some(&version) => return Err(BlobError::Version(version)),
        None => return Err(BlobError::Encoding),
    }
    read(policy, payload).map_err(|Malformed| BlobError::Encoding)?;
    Ok(policy.check()?)
}

/// The payload is not a policy.
struct Malformed;

/// Reads the fields in their order, each as postcard writes it: what `take_from_bytes::<Policy>` would return.
fn read(policy: &mut Policy, mut payload: &[u8]) -> Result<(), Malformed> {
    let rest = &mut payload;
    policy.version = field(rest)?;
    policy.guard = field(rest)?;
    policy.hyp = field(rest)?;
    list(&mut policy.managed, rest)?;
    policy.accounts = field(rest)?;
    policy.pool = field(rest)?;
    list(&mut policy.smmus, rest)?;
    list(&mut policy.devices, rest)?;
    list(&mut policy.unprotected, rest)?;
    policy.fault_rate = field(rest)?;
    if rest.is_empty() { Ok(()) } else { Err(Malformed) }
}

fn field<'b, T: Deserialize<'b>>(rest: &mut &'b [u8]) -> Result<T, Malformed> {
    let (value, behind) = postcard::take_from_bytes(rest).map_err(|_| Malformed)?;
    *rest = behind;
    Ok(value)
}

fn list<'b, T: Deserialize<'b>, const N: usize>(
    list: &mut heapless::Vec<T, N>,
    rest: &mut &'b [u8],
) -> Result<(), Malformed> {
    list.clear();
    for _ in 0..field::<usize>(rest)? {
        list.push(field(rest)?).map_err(|_| Malformed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
