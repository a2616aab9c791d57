// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boot information (FF-A 1.2 §5.4): what the partition manager says about this partition when it starts.
//!
//! Its header has the version that the partition is written for, and its layout is the same in all of them. `arm-ffa` reads
//! it for one version that it is told, and none before 1.1, so the few fields are read here.
#![expect(unsafe_code, reason = "the boot information is found by its address")]

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node as _, Property as _};

use crate::ffa::EndpointId;
use crate::mmu::{self, PAGE_SIZE};
use crate::{image, log};

/// Largest boot information that is read, in bytes: a page for the blob, and a manifest.
const MAX_BLOB: usize = 64 * 1024;

/// This partition's manifest, if it asked for it.
#[derive(Clone, Copy)]
pub struct Manifest(Option<Fdt<'static>>);

impl Manifest {
    /// Reads the boot information at `address`; 0 if there is none.
    pub(crate) fn read(address: u64) -> Self {
        let manifest = if address == 0 { None } else { find_manifest(address) };
        Self(manifest.and_then(|bytes| Fdt::new(bytes).ok()))
    }

    /// Returns the bytes of a property of its root.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static [u8]> {
        let found = self.0?.root().properties().find(|property| property.name() == name)?;
        found.value_as().ok()
    }
}

/// What a partition knows when it starts.
#[derive(Clone, Copy)]
pub struct BootInfo {
    id: EndpointId,
    manifest: Manifest,
}

impl BootInfo {
    /// Puts together what is known.
    pub(crate) const fn new(id: EndpointId, manifest: Manifest) -> Self {
        Self { id, manifest }
    }

    /// Returns this partition's ID.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// Returns this partition's manifest, if it asked for it.
    #[must_use]
    pub fn manifest(&self) -> Option<Fdt<'static>> {
        self.manifest.0
    }

    /// Returns the bytes of a property of the manifest's root.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&'static [u8]> {
        self.manifest.property(name)
    }

    /// Returns what was appended to the image where the linker script left room for it; empty if it left none.
    #[must_use]
    pub fn policy(&self) -> &'static [u8] {
        image::policy_bytes()
    }

    /// Tells how many vCPUs the manifest promises.
    pub(crate) fn contexts(&self) -> Option<u32> {
        let bytes = self.property("execution-ctx-count")?;
        bytes.try_into().ok().map(u32::from_be_bytes)
    }
}

/// Maps the blob and returns the manifest that it names.
fn find_manifest(address: u64) -> Option<&'static [u8]> {
    let first = map(address, PAGE_SIZE)?;
    let size = blob_size(first)?;
    let pages = size.checked_next_multiple_of(PAGE_SIZE)?;
    if pages > MAX_BLOB {
        log!("boot information of {size} bytes is too large");
        return None;
    }
    let rest = address.checked_add(PAGE_SIZE as u64)?;
    if pages > PAGE_SIZE {
        map(rest, pages - PAGE_SIZE)?;
    }
    let start = core::ptr::with_exposed_provenance::<u8>(usize::try_from(address).ok()?);
    // SAFETY: 1. `map` mapped all pages of these `size` bytes, readable, for ever; they are one stretch of RAM. 2. The
    // partition manager wrote them before this partition began, and nobody does later. 3. Any byte is a valid `u8`.
    let blob = unsafe { core::slice::from_raw_parts(start, size) };
    manifest_in(blob, address)
}

/// The header's signature (table 5.9).
const SIGNATURE: usize = 0x0ffa;

/// Reads a word of four bytes.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// Returns the size that the header gives, with all that descriptors name (table 5.9).
fn blob_size(header: &[u8]) -> Option<usize> {
    if word(header, 0)? == SIGNATURE { word(header, 8) } else { None }
}

/// Finds the manifest in a blob, which lies at `address`: what the descriptor of a flattened device tree names by its
/// address (table 5.8).
fn manifest_in(blob: &[u8], address: u64) -> Option<&[u8]> {
    let (size, count, array) = (word(blob, 12)?, word(blob, 16)?, word(blob, 20)?);
    let mut descriptors = blob.get(array..)?.chunks_exact(size.max(1)).take(count);
    descriptors.find_map(|descriptor| {
        // Standard type 0; bits 3-2 of the flags: contents are an address.
        let [kind, _, flags, _] = descriptor.get(16..)?.first_chunk()?;
        if *kind != 0 || flags & 0b1100 != 0 {
            return None;
        }
        let contents = u64::from_le_bytes(*descriptor.get(24..)?.first_chunk()?);
        let start = usize::try_from(contents.checked_sub(address)?).ok()?;
        blob.get(start..)?.get(..word(descriptor, 20)?)
    })
}

fn map(address: u64, size: usize) -> Option<&'static [u8]> {
    match mmu::map_constant(address, size as u64) {
        Ok(range) => {
            let first = core::ptr::with_exposed_provenance::<u8>(range.start);
            // SAFETY: 1. The pages are mapped, readable, for ever. 2. They are outside the image, and nobody writes
            // them any more. 3. Any byte is a valid `u8`.
            Some(unsafe { core::slice::from_raw_parts(first, size) })
        }
        Err(error) => {
            log!("boot information at {address:#x}: {error}");
            None
        }
    }
}
