// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boot information for a partition (FF-A 1.3 §5.4): a header and at most one descriptor, which names the manifest.
//!
//! The layout is that of FF-A 1.1 and later, for partitions of 1.0 too, as Hafnium passes it.
//! The manifest stays where the boot loader put it, behind the blob in the partition's memory. `arm-ffa`'s writer
//! copies what a descriptor names into the blob and asserts that it fits, so the few words are written here;
//! reading them back with `arm-ffa` is this module's test.

use arm_ffa::Version;
use thiserror::Error;

/// Table 5.9, signature.
const SIGNATURE: u32 = 0x0ffa;
/// Size of the header (table 5.9), in bytes.
const HEADER_BYTES: usize = 32;
/// Size of a descriptor (table 5.8), in bytes.
const DESCRIPTOR_BYTES: usize = 32;
/// Room that a blob needs, in bytes.
pub const BLOB_BYTES: usize = HEADER_BYTES + DESCRIPTOR_BYTES;
/// Table 5.8, type: standard, flattened device tree. Contents are an address, the name is a string: all bits zero.
const TYPE_FDT: u8 = 0;

/// Where the manifest lies for the partition that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestLocation {
    /// Its distance from the start of the blob, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
}

/// Why the blob cannot be written. spm itself is to blame: the package's checks exclude all of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BootInfoError {
    /// The page is smaller than the blob.
    #[error("boot information: no room")]
    NoRoom,
    /// The manifest overlaps the blob, or its end overflows.
    #[error("boot information: the manifest is misplaced")]
    Misplaced,
}

/// Writes the boot information to the start of `page`, which the partition sees at `address`. `version` is the one that
/// the partition is written for (§5.4.2, item 2).
///
/// # Errors
/// [`BootInfoError`]; `page` is unchanged then.
pub fn write(
    page: &mut [u8],
    address: u64,
    version: Version,
    manifest: Option<ManifestLocation>,
) -> Result<(), BootInfoError> {
    let blob = page.first_chunk_mut::<BLOB_BYTES>().ok_or(BootInfoError::NoRoom)?;
    let mut words = Words { bytes: [0; BLOB_BYTES], at: 0 };
    // Table 5.9: the size covers the blob, what it names, and the padding between.
    let (size, count) = match manifest {
        None => (to_u32(HEADER_BYTES), 0),
        Some(place) if place.offset < to_u32(BLOB_BYTES) => return Err(BootInfoError::Misplaced),
        Some(place) => (place.offset.checked_add(place.size).ok_or(BootInfoError::Misplaced)?, 1),
    };
    for word in [SIGNATURE, version.into(), size, to_u32(DESCRIPTOR_BYTES), count, to_u32(HEADER_BYTES), 0, 0]
    {
        words.put(&word.to_le_bytes());
    }
    if let Some(place) = manifest {
        let contents = address.checked_add(u64::from(place.offset)).ok_or(BootInfoError::Misplaced)?;
        words.put(b"FF-A manifest\0\0\0");
        words.put(&[TYPE_FDT, 0, 0, 0]);
        words.put(&place.size.to_le_bytes());
        words.put(&contents.to_le_bytes());
    }
    *blob = words.bytes;
    Ok(())
}

/// A blob that is filled from its start.
struct Words {
    bytes: [u8; BLOB_BYTES],
    at: usize,
}

impl Words {
    fn put(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.at).zip(bytes) {
            *to = *from;
        }
        self.at += bytes.len();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "constants of this module, all below 100")]
const fn to_u32(bytes: usize) -> u32 {
    bytes as u32
}

#[cfg(test)]
mod tests {
    use arm_ffa::boot_info::{
        BootInfo, BootInfoContents, BootInfoIterator, BootInfoName, BootInfoStdId, BootInfoType,
    };

    use super::*;

    #[test]
    fn arm_ffa_reads_the_manifest_back() {
        let mut memory = vec![0xee; 0x2000];
        memory[0x1000..0x1005].copy_from_slice(b"hello");
        let address = memory.as_ptr() as u64;
        write(&mut memory, address, Version(1, 2), Some(ManifestLocation { offset: 0x1000, size: 5 }))
            .unwrap();
        assert_eq!(BootInfo::get_blob_size(Version(1, 2), &memory), Ok(0x1005));
        let found: Vec<_> =
            BootInfoIterator::new(Version(1, 2), &memory[..0x1005]).unwrap().map(Result::unwrap).collect();
        assert_eq!(
            found,
            [BootInfo {
                name: BootInfoName::NullTermString(c"FF-A manifest"),
                typ: BootInfoType::Std(BootInfoStdId::Fdt),
                contents: BootInfoContents::Address { content_buf: b"hello" },
            }]
        );
        assert_eq!(memory[BLOB_BYTES], 0xee, "nothing behind the blob is touched");
    }

    #[test]
    fn the_blob_has_its_partitions_version() {
        for (version, word) in
            [(Version(1, 0), [0, 0, 1, 0]), (Version(1, 1), [1, 0, 1, 0]), (Version(1, 2), [2, 0, 1, 0])]
        {
            let mut page = [0xee; 0x2000];
            let address = page.as_ptr() as u64;
            write(&mut page, address, version, Some(ManifestLocation { offset: 0x1000, size: 5 })).unwrap();
            assert_eq!(page[4..8], word);
            // arm-ffa reads the layout of 1.1 for no partition of 1.0, Hafnium's do.
            if version > Version(1, 0) {
                assert_eq!(BootInfo::get_blob_size(version, &page), Ok(0x1005));
                assert_eq!(BootInfoIterator::new(version, &page[..0x1005]).unwrap().count(), 1);
            }
        }
    }

    #[test]
    fn without_a_manifest_there_is_no_descriptor() {
        let mut page = [0xee; 4096];
        write(&mut page, 0x4000, Version(1, 2), None).unwrap();
        assert_eq!(BootInfo::get_blob_size(Version(1, 2), &page), Ok(32));
        assert_eq!(BootInfoIterator::new(Version(1, 2), &page).unwrap().count(), 0);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut page = [0xee; 4096];
        let place = |offset, size| Some(ManifestLocation { offset, size });
        assert_eq!(write(&mut page[..63], 0, Version(1, 2), None), Err(BootInfoError::NoRoom));
        assert_eq!(write(&mut page, 0, Version(1, 2), place(63, 1)), Err(BootInfoError::Misplaced));
        assert_eq!(write(&mut page, 0, Version(1, 2), place(!0, 1)), Err(BootInfoError::Misplaced));
        assert_eq!(write(&mut page, !0, Version(1, 2), place(0x1000, 1)), Err(BootInfoError::Misplaced));
        assert_eq!(page, [0xee; 4096]);
    }
}
