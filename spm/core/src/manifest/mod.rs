// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests: what the integrator and each partition's author wrote down, read from device-tree blobs and checked.
//!
//! Bytes come in, owned values of checked types go out, so that nothing points into memory that is reused later.
//! [`spmc`] reads the SPMC manifest (TOS_FW_CONFIG), [`partition`] a partition manifest, [`fields`] lists which
//! properties are read, ignored and refused, `offered` which values, [`layout`] checks one manifest against the other.
//! Nothing here maps memory.

pub mod actions;
mod cells;
pub mod fdt;
pub mod fields;
pub mod interrupt;
pub mod layout;
mod layout_error;
pub mod messaging;
mod offered;
pub mod partition;
pub mod range;
pub mod region;
pub mod services;
pub mod spmc;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use core::fmt;

use thiserror::Error;

pub use partition::PartitionManifest;
pub use range::AddressRange;
pub use spmc::SpmcManifest;

/// Largest device-tree blob that is read, in bytes. Bounds the time that a hostile blob can cost.
pub const MAX_DTB_BYTES: usize = 16 * 1024;
/// Most properties a single node may have.
pub const MAX_PROPERTIES: usize = 64;
/// Most partitions that an SPMC manifest may list.
pub const MAX_PARTITIONS: usize = 8;
/// Most memory ranges of all kinds that an SPMC manifest may list.
pub const MAX_MEMORY_RANGES: usize = 24;
/// Most memory regions, and most device regions, that a partition manifest may list.
pub const MAX_REGIONS: usize = 16;
/// Most services (UUIDs) that a partition may offer.
pub const MAX_SERVICES: usize = 4;

/// A short name out of a manifest: a node's or a partition's. What does not fit is cut off.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name(heapless::String<32>);

impl Name {
    /// Copies `text`, up to 32 bytes of it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut name = heapless::String::new();
        let kept = text.get(..text.floor_char_boundary(name.capacity()));
        // It was cut, between characters, to what there is room for.
        _ = name.push_str(kept.unwrap_or_default());
        Self(name)
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A manifest that cannot be used: where it is wrong, and why. The author of the manifest is to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// The bytes are no well-formed device-tree blob.
    #[error("not a device-tree blob: {0}")]
    Blob(BlobFault),
    /// A node as a whole is wrong.
    #[error("node {node}: {reason}")]
    Node {
        /// The node's name; `/` for the root.
        node: Name,
        /// What is wrong with it.
        reason: Reason,
    },
    /// A property of a node is wrong.
    #[error("node {node}, property {property}: {reason}")]
    Property {
        /// The node's name; `/` for the root.
        node: Name,
        /// The property's name.
        property: Name,
        /// What is wrong with it.
        reason: Reason,
    },
}

/// Why bytes are no device-tree blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlobFault {
    /// Shorter than its header, or than the header says.
    #[error("it is shorter than it says")]
    Truncated,
    /// Larger than [`MAX_DTB_BYTES`].
    #[error("it has {0} bytes, the limit is 16384")]
    TooLarge(u32),
    /// The parser found header, structure or strings damaged.
    #[error("its structure is damaged")]
    Malformed,
}

/// What is wrong with a node or a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// It must be there.
    #[error("missing")]
    Missing,
    /// It is there more than once, or beside another one that says the same thing.
    #[error("given more than once")]
    Duplicate,
    /// The value has a length that its type does not have.
    #[error("the value has the wrong length")]
    WrongLength,
    /// The value is no printable text.
    #[error("the value is not text")]
    NotText,
    /// The value is no UUID.
    #[error("the value is not a UUID")]
    NotUuid,
    /// The value is outside what the binding defines.
    #[error("the value {0:#x} is out of range")]
    OutOfRange(u64),
    /// An address or size is no multiple of 4096.
    #[error("{0:#x} is not aligned to 4 KiB")]
    Unaligned(u64),
    /// A range is empty or runs past the end of the address space.
    #[error("the range at {0:#x} is empty or overflows")]
    BadRange(u64),
    /// More entries than fit.
    #[error("more than {0} entries")]
    TooMany(usize),
    /// The `compatible` property does not name the binding.
    #[error("compatible is not {0}")]
    WrongCompatible(&'static str),
    /// Two ranges that have to be apart overlap.
    #[error("overlaps another range at {0:#x}")]
    Overlap(u64),
    /// The property is known, but what it asks for is not offered.
    #[error("not supported: {0}")]
    NotSupported(&'static str),
    /// The property is in no list: ignoring it could change what the partition means.
    #[error("not known")]
    Unknown,
}

impl ManifestError {
    pub(crate) fn node(node: &str, reason: Reason) -> Self {
        Self::Node { node: Name::new(node), reason }
    }

    pub(crate) fn property(node: &str, property: &str, reason: Reason) -> Self {
        Self::Property { node: Name::new(node), property: Name::new(property), reason }
    }
}
