// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One node, and the forms in which the bindings of this crate put values into properties.

use crate::error::{Error, Reason, Result};
use iommu_core::policy::Range;
use std::path::PathBuf;

/// Properties that dtc adds or that say how others are read; allowed on every node.
const ALWAYS: [&str; 4] = ["phandle", "linux,phandle", "#address-cells", "#size-cells"];

/// A node with its properties, its children, and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    file: PathBuf,
    path: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Node>,
}

impl Node {
    /// Makes an empty node.
    #[must_use]
    pub const fn new(file: PathBuf, path: String) -> Self {
        Self { file, path, properties: Vec::new(), children: Vec::new() }
    }

    pub(super) fn push_property(&mut self, name: &str, value: &[u8]) {
        self.properties.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn push_child(&mut self, child: Self) {
        self.children.push(child);
    }

    /// Returns the whole path, as `/policy/devices/edu0`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the last part of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the last part of the path where it can also name a file, a constant and a node of a generated tree.
    ///
    /// # Errors
    /// [`Reason::NodeName`].
    pub fn plain_name(&self) -> Result<&str> {
        let name = self.name();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.bytes().all(plain) && name.starts_with(|first: char| first.is_ascii_lowercase()) {
            Ok(name)
        } else {
            Err(self.error(Reason::NodeName))
        }
    }

    /// Makes an error that blames this node.
    #[must_use]
    pub fn error(&self, reason: impl Into<Reason>) -> Error {
        Error { file: self.file.clone(), node: self.path.clone(), reason: reason.into() }
    }

    /// Returns the properties in source order, without those that dtc adds.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.properties
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .filter(|(name, _)| !ALWAYS.contains(name))
    }

    /// Returns the children in source order.
    pub fn children(&self) -> core::slice::Iter<'_, Self> {
        self.children.iter()
    }

    /// Returns the child of this name.
    ///
    /// # Errors
    /// [`Reason::MissingNode`].
    pub fn child(&self, name: &str) -> Result<&Self> {
        self.children
            .iter()
            .find(|child| child.name() == name)
            .ok_or_else(|| self.error(Reason::MissingNode(name.to_owned())))
    }

    /// Refuses children and properties that the binding does not know; `None` lets children have any name.
    ///
    /// # Errors
    /// [`Reason::UnknownProperty`], [`Reason::UnknownNode`], [`Reason::Twice`].
    pub fn only(&self, properties: &[&str], children: Option<&[&str]>) -> Result<()> {
        for (name, _) in &self.properties {
            if !ALWAYS.contains(&name.as_str()) && !properties.contains(&name.as_str()) {
                return Err(self.error(Reason::UnknownProperty(name.clone())));
            }
        }
        for (place, child) in self.children.iter().enumerate() {
            if children.is_some_and(|known| !known.contains(&child.name())) {
                return Err(self.error(Reason::UnknownNode(child.name().to_owned())));
            }
            if self.children.iter().skip(place + 1).any(|other| other.name() == child.name()) {
                return Err(self.error(Reason::Twice(child.name().to_owned())));
            }
        }
        Ok(())
    }

    /// Tells whether a property is there, whatever its value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Reads a property that is there or not.
    ///
    /// # Errors
    /// [`Reason::Malformed`] where it has a value.
    pub fn flag(&self, name: &'static str) -> Result<bool> {
        match self.value(name) {
            None => Ok(false),
            Some([]) => Ok(true),
            Some(_) => Err(self.error(Reason::Malformed(name, "without a value"))),
        }
    }

    /// Reads 32-bit cells.
    ///
    /// # Errors
    /// [`Reason::Missing`] and [`Reason::Malformed`].
    pub fn cells(&self, name: &'static str) -> Result<Vec<u32>> {
        let (cells, rest) = self.required(name)?.as_chunks::<4>();
        if cells.is_empty() || !rest.is_empty() {
            return Err(self.error(Reason::Malformed(name, "a list of 32-bit cells")));
        }
        Ok(cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect())
    }

    /// Reads one cell.
    ///
    /// # Errors
    /// [`Reason::Missing`] and [`Reason::Malformed`].
    pub fn u32(&self, name: &'static str) -> Result<u32> {
        match self.cells(name)?.as_slice() {
            [value] => Ok(*value),
            _ => Err(self.error(Reason::Malformed(name, "one 32-bit cell"))),
        }
    }

    /// Reads one range: two cells of address and two of size.
    ///
    /// # Errors
    /// [`Reason::Missing`] and [`Reason::Malformed`], also where the range is empty or passes the address space.
    pub fn range(&self, name: &'static str) -> Result<Range> {
        match self.cells(name)?.as_slice() {
            [base_high, base_low, size_high, size_low] => {
                Range::new(wide(*base_high, *base_low), wide(*size_high, *size_low))
            }
            _ => None,
        }
        .ok_or_else(|| self.error(Reason::Malformed(name, "<address address size size> of a range")))
    }

    /// Reads one string.
    ///
    /// # Errors
    /// [`Reason::Missing`] and [`Reason::Malformed`].
    pub fn string(&self, name: &'static str) -> Result<&str> {
        match self.strings(name)?.as_slice() {
            [value] => Ok(value),
            _ => Err(self.error(Reason::Malformed(name, "one string"))),
        }
    }

    /// Reads a list of strings.
    ///
    /// # Errors
    /// [`Reason::Missing`] and [`Reason::Malformed`], also where one is empty or could end a string or comment of
    /// what is generated from it.
    pub fn strings(&self, name: &'static str) -> Result<Vec<&str>> {
        let malformed = || self.error(Reason::Malformed(name, "a list of words of letters, digits and ,.-_"));
        let (end, text) = self.required(name)?.split_last().ok_or_else(malformed)?;
        let text = core::str::from_utf8(text).map_err(|_| malformed())?;
        let strings: Vec<_> = text.split('\0').collect();
        if *end != 0 || strings.iter().any(|string| !is_plain(string)) {
            return Err(malformed());
        }
        Ok(strings)
    }

    pub(super) fn phandle(&self) -> Option<u32> {
        self.value("phandle").and_then(|value| value.try_into().ok()).map(u32::from_be_bytes)
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    fn required(&self, name: &'static str) -> Result<&[u8]> {
        self.value(name).ok_or_else(|| self.error(Reason::Missing(name)))
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ,.-_".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

fn wide(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
