// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The header of a partition package, SPKG version 2, as TF-A's boot loader leaves it at the load address.
//!
//! Six little-endian words: magic, version, and offset and size of the partition manifest and of the image, both from
//! the start of the package (TF-A, `tools/sptool`). The first page, which holds the header, is later overwritten by
//! the boot information, so manifest and image have to lie behind it.

use core::ops::Range;

use thiserror::Error;

use crate::manifest::MAX_DTB_BYTES;

/// "SPKG" in the byte order of the file.
const MAGIC: [u8; 4] = *b"SPKG";
/// The version of the format that is read.
const VERSION: u32 = 2;
/// Manifest and image start at multiples of this, in bytes.
const ALIGNMENT: usize = 4096;
/// Size of the header, in bytes.
pub const HEADER_BYTES: usize = 24;

/// Where manifest and image of a package lie, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    manifest: Range<usize>,
    image: Range<usize>,
}

/// A package that cannot be used. Whoever built it is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PackageError {
    /// The memory of the partition is smaller than the header.
    #[error("package: no room for its header")]
    Truncated,
    /// It does not start with "SPKG".
    #[error("package: magic is {0:#010x}, not SPKG")]
    WrongMagic(u32),
    /// Another version of the format.
    #[error("package: version {0} is not supported, only 2")]
    WrongVersion(u32),
    /// A part starts at no multiple of a page, or in the page of the header.
    #[error("package: {part} offset {offset:#x} is not a page behind the header")]
    WrongOffset {
        /// Which part.
        part: Part,
        /// Its offset, in bytes.
        offset: u32,
    },
    /// A part is empty, or the manifest is larger than a manifest may be.
    #[error("package: {part} size {size:#x} is not allowed")]
    WrongSize {
        /// Which part.
        part: Part,
        /// Its size, in bytes.
        size: u32,
    },
    /// A part does not lie within the partition's memory.
    #[error("package: {0} does not fit into the partition's memory")]
    OutOfBounds(Part),
    /// Manifest and image have bytes in common.
    #[error("package: manifest and image overlap")]
    Overlap,
}

/// A part of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The partition manifest.
    Manifest,
    /// The image.
    Image,
}

impl core::fmt::Display for Part {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Manifest => "manifest",
            Self::Image => "image",
        })
    }
}

impl Package {
    /// Checks the header at the start of `memory`, which is all memory of the partition.
    ///
    /// # Errors
    /// [`PackageError`] names the field that is wrong.
    pub fn parse(memory: &[u8]) -> Result<Self, PackageError> {
        let header = memory.first_chunk::<HEADER_BYTES>().ok_or(PackageError::Truncated)?;
        let (words, _) = header.as_chunks::<4>();
        let [magic, version, manifest_offset, manifest_size, image_offset, image_size] = words else {
            return Err(PackageError::Truncated);
        };
        if *magic != MAGIC {
            return Err(PackageError::WrongMagic(u32::from_be_bytes(*magic)));
        }
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(PackageError::WrongVersion(version));
        }
        let manifest = part(Part::Manifest, *manifest_offset, *manifest_size, memory.len())?;
        let image = part(Part::Image, *image_offset, *image_size, memory.len())?;
        if manifest.len() > MAX_DTB_BYTES {
            let size = u32::from_le_bytes(*manifest_size);
            return Err(PackageError::WrongSize { part: Part::Manifest, size });
        }
        if manifest.start < image.end && image.start < manifest.end {
            return Err(PackageError::Overlap);
        }
        Ok(Self { manifest, image })
    }

    /// Returns where the manifest lies, in bytes from the load address.
    #[must_use]
    pub fn manifest(&self) -> Range<usize> {
        self.manifest.clone()
    }

    /// Returns where the image lies, in bytes from the load address.
    #[must_use]
    pub fn image(&self) -> Range<usize> {
        self.image.clone()
    }
}

fn part(part: Part, offset: [u8; 4], size: [u8; 4], available: usize) -> Result<Range<usize>, PackageError> {
    let (raw_offset, raw_size) = (u32::from_le_bytes(offset), u32::from_le_bytes(size));
    let out_of_bounds = PackageError::OutOfBounds(part);
    let start = usize::try_from(raw_offset).map_err(|_| out_of_bounds)?;
    let length = usize::try_from(raw_size).map_err(|_| out_of_bounds)?;
    if start < ALIGNMENT || !start.is_multiple_of(ALIGNMENT) {
        return Err(PackageError::WrongOffset { part, offset: raw_offset });
    }
    if length == 0 {
        return Err(PackageError::WrongSize { part, size: raw_size });
    }
    match start.checked_add(length) {
        Some(end) if end <= available => Ok(start..end),
        _ => Err(out_of_bounds),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(words: [u32; 6]) -> [u8; 0x8000] {
        let mut memory = [0; 0x8000];
        for (index, word) in words.into_iter().enumerate() {
            memory[index * 4..index * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        memory
    }

    const SPKG: u32 = u32::from_le_bytes(MAGIC);

    #[test]
    fn reads_a_good_header() {
        let package = Package::parse(&header([SPKG, 2, 0x1000, 0x345, 0x4000, 0x4000])).unwrap();
        assert_eq!(package.manifest(), 0x1000..0x1345);
        assert_eq!(package.image(), 0x4000..0x8000);
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        let manifest = Part::Manifest;
        let image = Part::Image;
        let cases = [
            ([0x5350_4b47, 2, 0x1000, 1, 0x4000, 1], PackageError::WrongMagic(0x474b_5053)),
            ([SPKG, 1, 0x1000, 1, 0x4000, 1], PackageError::WrongVersion(1)),
            ([SPKG, 2, 0, 1, 0x4000, 1], PackageError::WrongOffset { part: manifest, offset: 0 }),
            ([SPKG, 2, 0x1004, 1, 0x4000, 1], PackageError::WrongOffset { part: manifest, offset: 0x1004 }),
            ([SPKG, 2, 0x1000, 1, 0x18, 1], PackageError::WrongOffset { part: image, offset: 0x18 }),
            ([SPKG, 2, 0x1000, 0, 0x4000, 1], PackageError::WrongSize { part: manifest, size: 0 }),
            ([SPKG, 2, 0x1000, 0x4001, 0x6000, 1], PackageError::WrongSize { part: manifest, size: 0x4001 }),
            ([SPKG, 2, 0x1000, 1, 0x4000, 0], PackageError::WrongSize { part: image, size: 0 }),
            ([SPKG, 2, 0x1000, 1, 0x4000, 0x4001], PackageError::OutOfBounds(image)),
            ([SPKG, 2, 0x1000, 1, 0xffff_f000, 0xffff_ffff], PackageError::OutOfBounds(image)),
            ([SPKG, 2, 0x9000, 1, 0x4000, 1], PackageError::OutOfBounds(manifest)),
            ([SPKG, 2, 0x1000, 0x1001, 0x2000, 0x1000], PackageError::Overlap),
            ([SPKG, 2, 0x5000, 0x10, 0x4000, 0x2000], PackageError::Overlap),
        ];
        for (words, error) in cases {
            assert_eq!(Package::parse(&header(words)), Err(error), "{words:x?}");
        }
        assert_eq!(Package::parse(&[0; 23]), Err(PackageError::Truncated));
    }

    proptest! {
        #[test]
        fn what_is_accepted_lies_inside_and_apart(words in prop::array::uniform4(0u32..0x9000), mask in prop::sample::select(vec![!0u32, !0xfff])) {
            let [a, b, c, d] = words;
            let memory = header([SPKG, 2, a & mask, b, c & mask, d]);
            if let Ok(package) = Package::parse(&memory) {
                let (manifest, image) = (package.manifest(), package.image());
                prop_assert!(manifest.start >= 0x1000 && image.start >= 0x1000);
                prop_assert!(manifest.end <= memory.len() && image.end <= memory.len());
                prop_assert!(!manifest.is_empty() && !image.is_empty());
                prop_assert!(manifest.end <= image.start || image.end <= manifest.start);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Package::parse(&bytes);
        }
    }
}
