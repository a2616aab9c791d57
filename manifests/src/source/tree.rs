// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole compiled source.

use super::Node;
use crate::error::{Error, Reason, Result};
use dtoolkit::{Node as _, Property as _, fdt::Fdt, fdt::FdtNode};
use std::path::{Path, PathBuf};

/// Deeper than any description; keeps a hostile tree from exhausting the stack.
const MAX_DEPTH: usize = 16;

/// A compiled source in memory.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
}

impl Tree {
    /// Compiles and reads a source file.
    ///
    /// # Errors
    /// [`Reason::Unreadable`], [`Reason::NoCompiler`], [`Reason::Compiler`], and those of [`Tree::from_dtb`].
    pub fn from_source(file: &Path) -> Result<Self> {
        Self::from_dtb(file, &super::compile_file(file)?)
    }

    /// Reads a compiled tree; `file` stands for it in errors.
    ///
    /// # Errors
    /// [`Reason::NotATree`] and [`Reason::TooDeep`].
    pub fn from_dtb(file: &Path, bytes: &[u8]) -> Result<Self> {
        let fdt = Fdt::new(bytes).map_err(|error| Error::file(file, Reason::NotATree(error.to_string())))?;
        Ok(Self { root: read(file, fdt.root(), "/".into(), 0)? })
    }

    /// Returns the root node.
    #[must_use]
    pub const fn root(&self) -> &Node {
        &self.root
    }

    /// Finds the node that a phandle names.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<&Node> {
        let mut open = vec![&self.root];
        while let Some(node) = open.pop() {
            if node.phandle() == Some(phandle) {
                return Some(node);
            }
            open.extend(node.children());
        }
        None
    }
}

fn read(file: &Path, from: FdtNode<'_>, path: String, depth: usize) -> Result<Node> {
    if depth > MAX_DEPTH {
        return Err(Error::file(file, Reason::TooDeep(MAX_DEPTH)));
    }
    let mut node = Node::new(PathBuf::from(file), path);
    for property in from.properties() {
        node.push_property(property.name(), property.value());
    }
    for child in from.children() {
        let path = format!("{}/{}", node.path().trim_end_matches('/'), child.name());
        node.push_child(read(file, child, path, depth + 1)?);
    }
    Ok(node)
}
