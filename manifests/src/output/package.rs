// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SP packages: what BL2 carries into memory, format SPKG version 2 (TF-A tools/sptool).
//!
//! | offset | content, words little endian |
//! |---|---|
//! | 0 | "SPKG", version, manifest offset, manifest size, image offset, image size |
//! | 0x1000 | SP manifest |
//! | 0x4000 | image |

use crate::{
    error::{Reason, Result},
    platform::Partition,
};

/// Where the manifest stands, as TF-A's own tool has it.
pub const MANIFEST_OFFSET: usize = 0x1000;
/// Where the image stands, as TF-A's own tool has it.
pub const IMAGE_OFFSET: usize = 0x4000;
const VERSION: u32 = 2;
/// The largest package that BL2 of TF-A's QEMU platforms loads, in bytes.
const MAX_SIZE: u64 = 0x40_0000;

/// Makes the package of a partition.
///
/// # Errors
/// [`Reason::TooLarge`] where a part does not fit its place, or the package its partition.
pub fn package(partition: &Partition, manifest: &[u8], image: &[u8]) -> Result<Vec<u8>> {
    let too_large = |what: &str, size: usize, place: u64| {
        partition.error(Reason::TooLarge(format!("{} of {}", what, partition.name), size as u64, place))
    };
    let room = IMAGE_OFFSET - MANIFEST_OFFSET;
    if manifest.len() > room {
        return Err(too_large("manifest", manifest.len(), room as u64));
    }
    let size = IMAGE_OFFSET + image.len();
    let place = partition.memory.size.min(MAX_SIZE);
    if size as u64 > place {
        return Err(too_large("package", size, place));
    }
    let mut package = Vec::with_capacity(size);
    package.extend_from_slice(b"SPKG");
    package.extend_from_slice(&VERSION.to_le_bytes());
    for word in [MANIFEST_OFFSET, manifest.len(), IMAGE_OFFSET, image.len()] {
        let word = u32::try_from(word).map_err(|_| too_large("package", size, place))?;
        package.extend_from_slice(&word.to_le_bytes());
    }
    package.resize(MANIFEST_OFFSET, 0);
    package.extend_from_slice(manifest);
    package.resize(IMAGE_OFFSET, 0);
    package.extend_from_slice(image);
    Ok(package)
}
