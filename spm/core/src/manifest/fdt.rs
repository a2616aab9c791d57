// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device tree whose bytes are not trusted: size and property limits, and typed reads that name node and property.
//!
//! `dtoolkit` walks the whole structure once when it is opened and refuses what is damaged; its later walks cannot
//! fail on a tree that passed. What it does not bound is their cost, so this module bounds the input.

use dtoolkit::fdt::{Fdt, FdtNode, FdtProperty};
use dtoolkit::{Node as _, Property as _};

use super::{BlobFault, MAX_DTB_BYTES, MAX_PROPERTIES, ManifestError, Reason};

/// Bytes of a blob's header that tell its size: magic and `totalsize` (Devicetree Specification 0.4, §5.2).
const SIZE_PREFIX: usize = 8;

/// A blob that passed the checks.
#[derive(Clone, Copy)]
pub struct Tree<'a>(Fdt<'a>);

impl<'a> Tree<'a> {
    /// Opens the blob at the start of `bytes`; what lies behind its `totalsize` is not looked at.
    ///
    /// # Errors
    /// [`ManifestError::Blob`] if it is truncated, too large or damaged, or a node has too many properties or one twice.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        let size = total_size(bytes)?;
        let blob = bytes.get(..size).ok_or(ManifestError::Blob(BlobFault::Truncated))?;
        let fdt = Fdt::new(blob).map_err(|_| ManifestError::Blob(BlobFault::Malformed))?;
        Ok(Self(fdt))
    }

    /// Returns the root node.
    ///
    /// # Errors
    /// [`ManifestError`] as for [`Node::children`].
    pub fn root(self) -> Result<Node<'a>, ManifestError> {
        Node::new(self.0.root())
    }
}

/// Returns the size in bytes of the blob that starts at `bytes`, of which the first 8 suffice.
///
/// # Errors
/// [`ManifestError::Blob`] if fewer than 8 bytes are there, the magic is wrong, or it is larger than [`MAX_DTB_BYTES`].
pub fn total_size(bytes: &[u8]) -> Result<usize, ManifestError> {
    let prefix = bytes.first_chunk::<SIZE_PREFIX>().ok_or(ManifestError::Blob(BlobFault::Truncated))?;
    let [m0, m1, m2, m3, s0, s1, s2, s3] = *prefix;
    if [m0, m1, m2, m3] != [0xd0, 0x0d, 0xfe, 0xed] {
        return Err(ManifestError::Blob(BlobFault::Malformed));
    }
    let total = u32::from_be_bytes([s0, s1, s2, s3]);
    match usize::try_from(total) {
        Ok(size) if size <= MAX_DTB_BYTES => Ok(size),
        _ => Err(ManifestError::Blob(BlobFault::TooLarge(total))),
    }
}

/// A node, none of whose properties is there twice.
#[derive(Clone, Copy)]
pub struct Node<'a>(FdtNode<'a>);

impl<'a> Node<'a> {
    fn new(node: FdtNode<'a>) -> Result<Self, ManifestError> {
        let checked = Self(node);
        for (index, property) in node.properties().enumerate() {
            if index >= MAX_PROPERTIES {
                return Err(checked.wrong(Reason::TooMany(MAX_PROPERTIES)));
            }
            if node.properties().take(index).any(|earlier| earlier.name() == property.name()) {
                return Err(checked.wrong_property(property.name(), Reason::Duplicate));
            }
        }
        Ok(checked)
    }

    /// Returns the node's name with its unit address; `/` for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.0.name() {
            "" => "/",
            name => name,
        }
    }

    /// Iterates over the child nodes.
    ///
    /// # Errors
    /// Each item is an error if that child has too many properties, or one of them twice.
    pub fn children(&self) -> impl Iterator<Item = Result<Node<'a>, ManifestError>> {
        self.0.children().fuse().map(Node::new)
    }

    /// Returns the child called `name`, if there is one.
    ///
    /// # Errors
    /// [`Reason::Duplicate`] if there are several.
    pub fn child(&self, name: &str) -> Result<Option<Node<'a>>, ManifestError> {
        // The parser's iterator panics when it is asked again after its end.
        let mut found = self.0.children().fuse().filter(|child| child.name() == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(ManifestError::node(name, Reason::Duplicate));
        }
        first.map(Node::new).transpose()
    }

    /// Calls `check` with the name of each property, and stops at the first error.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn each_property(
        &self,
        mut check: impl FnMut(&str) -> Result<(), ManifestError>,
    ) -> Result<(), ManifestError> {
        self.0.properties().try_for_each(|property| check(property.name()))
    }

    /// Tells whether a property is there, whatever its value.
    #[must_use]
    pub fn has(&self, property: &str) -> bool {
        self.find(property).is_some()
    }

    /// Returns the bytes of a property, if it is there.
    #[must_use]
    pub fn bytes(&self, property: &str) -> Option<&'a [u8]> {
        self.find(property).and_then(|found| found.value_as::<&'a [u8]>().ok())
    }

    /// Reads a property of one 32-bit cell.
    ///
    /// # Errors
    /// [`Reason::WrongLength`] if it has not exactly one cell.
    pub fn u32(&self, property: &str) -> Result<Option<u32>, ManifestError> {
        let Some(bytes) = self.bytes(property) else { return Ok(None) };
        match bytes.try_into() {
            Ok(cell) => Ok(Some(u32::from_be_bytes(cell))),
            Err(_) => Err(self.wrong_property(property, Reason::WrongLength)),
        }
    }

    /// Reads a property of one or two cells, an address or a size.
    ///
    /// # Errors
    /// [`Reason::WrongLength`] if it has another number of cells.
    pub fn u64(&self, property: &str) -> Result<Option<u64>, ManifestError> {
        let Some(bytes) = self.bytes(property) else { return Ok(None) };
        match integer(bytes) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong_property(property, Reason::WrongLength)),
        }
    }

    /// Reads a property that has to be there, of one 32-bit cell.
    ///
    /// # Errors
    /// [`Reason::Missing`], or as [`Node::u32`].
    pub fn require_u32(&self, property: &str) -> Result<u32, ManifestError> {
        self.u32(property)?.ok_or_else(|| self.wrong_property(property, Reason::Missing))
    }

    /// Reads a property that has to be there, of one or two cells.
    ///
    /// # Errors
    /// [`Reason::Missing`], or as [`Node::u64`].
    pub fn require_u64(&self, property: &str) -> Result<u64, ManifestError> {
        self.u64(property)?.ok_or_else(|| self.wrong_property(property, Reason::Missing))
    }

    /// Reads a property of one NUL-terminated string of printable ASCII.
    ///
    /// # Errors
    /// [`Reason::NotText`] if it is something else.
    pub fn text(&self, property: &str) -> Result<Option<&'a str>, ManifestError> {
        let Some(bytes) = self.bytes(property) else { return Ok(None) };
        let text = bytes.strip_suffix(b"\0").and_then(|text| core::str::from_utf8(text).ok());
        match text {
            Some(text) if text.bytes().all(|b| matches!(b, b' '..=b'~')) => Ok(Some(text)),
            _ => Err(self.wrong_property(property, Reason::NotText)),
        }
    }

    /// Checks that `compatible` lists `wanted`.
    ///
    /// # Errors
    /// [`Reason::WrongCompatible`] if it does not.
    pub fn require_compatible(&self, wanted: &'static str) -> Result<(), ManifestError> {
        let listed = self.bytes("compatible").unwrap_or_default();
        if listed.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()) {
            Ok(())
        } else {
            Err(self.wrong(Reason::WrongCompatible(wanted)))
        }
    }

    /// Makes an error that names this node.
    #[must_use]
    pub fn wrong(&self, reason: Reason) -> ManifestError {
        ManifestError::node(self.name(), reason)
    }

    /// Makes an error that names this node and one of its properties.
    #[must_use]
    pub fn wrong_property(&self, property: &str, reason: Reason) -> ManifestError {
        ManifestError::property(self.name(), property, reason)
    }

    fn find(&self, property: &str) -> Option<FdtProperty<'a>> {
        self.0.properties().find(|found| found.name() == property)
    }
}

/// Reads a big-endian integer of one or two cells.
pub(crate) fn integer(bytes: &[u8]) -> Option<u64> {
    if let Ok(cell) = <[u8; 4]>::try_from(bytes) {
        return Some(u64::from(u32::from_be_bytes(cell)));
    }
    <[u8; 8]>::try_from(bytes).ok().map(u64::from_be_bytes)
}
