// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device tree whose bytes are not trusted: size and property limits, and typed reads that name node and property.
//!
//! `dtoolkit` walks the whole structure once when it is opened and refuses what is damaged. What it does not bound is the
//! cost of later walks, so this module bounds the input; and its iterators panic where a walk fails, each with its own
//! words, so the walks are in `token.rs`, where a walk that fails ends.

use core::cell::Cell;

use dtoolkit::fdt::Fdt;
use heapless::Vec;

use super::token::{PropertyName, Structure};
use super::{BlobFault, MAX_DTB_BYTES, MAX_PROPERTIES, ManifestError, Reason};

/// Bytes of a blob's header that tell its size: magic and `totalsize` (Devicetree Specification 0.4, §5.2).
const SIZE_PREFIX: usize = 8;

/// A blob that passed the checks, and the error that its reader met.
pub struct Tree<'a> {
    structure: Structure<'a>,
    /// Kept here and not passed up, since it is many words long and every read may fail.
    error: Cell<Option<ManifestError>>,
}

/// Tells that the reader's error was noted in the [`Tree`].
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted(());

impl<'a> Tree<'a> {
    /// Opens the blob at the start of `bytes`; what lies behind its `totalsize` is not looked at.
    ///
    /// # Errors
    /// [`ManifestError::Blob`] if it is truncated, too large or damaged.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        let size = total_size(bytes)?;
        let blob = bytes.get(..size).ok_or(ManifestError::Blob(BlobFault::Truncated))?;
        let structure = match Fdt::new(blob) {
            Ok(_) => Structure::of(blob),
            Err(_) => None,
        };
        let structure = structure.ok_or(ManifestError::Blob(BlobFault::Malformed))?;
        Ok(Self { structure, error: Cell::new(None) })
    }

    /// Lets `reader` read the tree from its root.
    ///
    /// # Errors
    /// The last one that it noted, if it fails; [`Reason::TooMany`] or [`Reason::Duplicate`] for the root's properties.
    pub fn read<R>(&self, reader: impl FnOnce(&Node<'_>) -> Result<R, Noted>) -> Result<R, ManifestError> {
        let root = self.structure.root().map(|at| Node { tree: self, name: "/", at });
        let read = root.and_then(|root| root.checked().and_then(|root| reader(&root)).ok());
        read.ok_or_else(|| self.error.take().unwrap_or(ManifestError::Blob(BlobFault::Malformed)))
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
pub struct Node<'a> {
    tree: &'a Tree<'a>,
    name: &'a str,
    /// Where its first property is.
    at: usize,
}

impl<'a> Node<'a> {
    fn checked(self) -> Result<Self, Noted> {
        let mut earlier: Vec<PropertyName<'_>, MAX_PROPERTIES> = Vec::new();
        for (name, _) in self.properties() {
            let bytes = name.bytes().ok_or_else(|| self.malformed())?;
            if earlier.iter().any(|earlier| earlier.is(bytes)) {
                return Err(self.wrong_property(self.text_of(name)?, Reason::Duplicate));
            }
            if earlier.push(name).is_err() {
                return Err(self.wrong(Reason::TooMany(MAX_PROPERTIES)));
            }
        }
        Ok(self)
    }

    /// Returns a property's name as text.
    fn text_of(&self, name: PropertyName<'a>) -> Result<&'a str, Noted> {
        name.text().ok_or_else(|| self.malformed())
    }

    /// Notes that the blob is damaged.
    fn malformed(&self) -> Noted {
        self.tree.error.set(Some(ManifestError::Blob(BlobFault::Malformed)));
        Noted(())
    }

    /// Returns the node's name with its unit address; `/` for the root.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Iterates over the child nodes.
    ///
    /// # Errors
    /// Each item is an error if that child has too many properties, or one of them twice.
    pub fn children(&self) -> impl Iterator<Item = Result<Node<'a>, Noted>> {
        self.unchecked_children().map(Node::checked)
    }

    /// Returns the child called `name`, if there is one.
    ///
    /// # Errors
    /// [`Reason::Duplicate`] if there are several.
    pub fn child(&self, name: &str) -> Result<Option<Node<'a>>, Noted> {
        let mut found = self.unchecked_children().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(self.wrong_child(name, Reason::Duplicate));
        }
        first.map(Node::checked).transpose()
    }

    /// Returns the child called `name`, which has to be there.
    ///
    /// # Errors
    /// [`Reason::Missing`], or as [`Node::child`].
    pub fn require_child(&self, name: &str) -> Result<Node<'a>, Noted> {
        self.child(name)?.ok_or_else(|| self.wrong_child(name, Reason::Missing))
    }

    /// Calls `check` with the name of each property, and stops at the first error.
    ///
    /// # Errors
    /// Those of `check`.
    pub fn each_property(&self, mut check: impl FnMut(&str) -> Result<(), Noted>) -> Result<(), Noted> {
        self.properties().try_for_each(|(name, _)| check(self.text_of(name)?))
    }

    /// Tells whether a property is there, whatever its value.
    #[must_use]
    pub fn has(&self, property: &str) -> bool {
        self.bytes(property).is_some()
    }

    /// Returns the bytes of a property, if it is there.
    #[must_use]
    pub fn bytes(&self, property: &str) -> Option<&'a [u8]> {
        self.tree.structure.find(self.at, property.as_bytes())
    }

    /// Reads a property of one 32-bit cell.
    ///
    /// # Errors
    /// [`Reason::WrongLength`] if it has not exactly one cell.
    pub fn u32(&self, property: &str) -> Result<Option<u32>, Noted> {
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
    pub fn u64(&self, property: &str) -> Result<Option<u64>, Noted> {
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
    pub fn require_u32(&self, property: &str) -> Result<u32, Noted> {
        self.u32(property)?.ok_or_else(|| self.wrong_property(property, Reason::Missing))
    }

    /// Reads a property that has to be there, of one or two cells.
    ///
    /// # Errors
    /// [`Reason::Missing`], or as [`Node::u64`].
    pub fn require_u64(&self, property: &str) -> Result<u64, Noted> {
        self.u64(property)?.ok_or_else(|| self.wrong_property(property, Reason::Missing))
    }

    /// Reads a property of one NUL-terminated string of printable ASCII.
    ///
    /// # Errors
    /// [`Reason::NotText`] if it is something else.
    pub fn text(&self, property: &str) -> Result<Option<&'a str>, Noted> {
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
    pub fn require_compatible(&self, wanted: &'static str) -> Result<(), Noted> {
        if self.is_compatible(wanted) { Ok(()) } else { Err(self.wrong(Reason::WrongCompatible(wanted))) }
    }

    /// Tells whether `compatible` lists `wanted`.
    #[must_use]
    pub fn is_compatible(&self, wanted: &str) -> bool {
        let listed = self.bytes("compatible").unwrap_or_default();
        listed.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    }

    /// Notes an error that names this node.
    pub fn wrong(&self, reason: Reason) -> Noted {
        self.wrong_child(self.name, reason)
    }

    /// Notes an error that names another node, which is there or should be.
    #[inline(never)]
    pub fn wrong_child(&self, name: &str, reason: Reason) -> Noted {
        self.tree.error.set(Some(ManifestError::node(name, reason)));
        Noted(())
    }

    /// Notes an error that names this node and one of its properties.
    #[inline(never)]
    pub fn wrong_property(&self, property: &str, reason: Reason) -> Noted {
        self.tree.error.set(Some(ManifestError::property(self.name, property, reason)));
        Noted(())
    }

    /// Iterates over names and values of the properties.
    fn properties(&self) -> impl Iterator<Item = (PropertyName<'a>, &'a [u8])> {
        let (structure, mut at) = (self.tree.structure, self.at);
        core::iter::from_fn(move || {
            let (name, value, next) = structure.property(at)?;
            at = next;
            Some((name, value))
        })
        .fuse()
    }

    /// Iterates over the child nodes, whatever their properties.
    fn unchecked_children(&self) -> impl Iterator<Item = Node<'a>> {
        let (tree, mut at) = (self.tree, self.at);
        let mut depth = 0_usize;
        core::iter::from_fn(move || {
            let (name, next) = tree.structure.next_child(&mut depth, at)?;
            at = next;
            Some(Node { tree, name, at })
        })
        .fuse()
    }
}

/// Reads a big-endian integer of one or two cells.
pub(crate) fn integer(bytes: &[u8]) -> Option<u64> {
    if let Ok(cell) = <[u8; 4]>::try_from(bytes) {
        return Some(u64::from(u32::from_be_bytes(cell)));
    }
    <[u8; 8]>::try_from(bytes).ok().map(u64::from_be_bytes)
}
