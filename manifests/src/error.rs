// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why a platform description is refused: which file, which node, and what is wrong with it.

use iommu_core::policy::{PolicyError, Range};
use std::path::PathBuf;
use thiserror::Error;

/// What every fallible function of this crate returns.
pub type Result<T> = core::result::Result<T, Error>;

/// A refusal that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {}{reason}", file.display(), if node.is_empty() { String::new() } else { format!("{node}: ") })]
pub struct Error {
    /// The source file, or the name of what was to be made from it.
    pub file: PathBuf,
    /// Path of the node at fault; empty where it is the whole file.
    pub node: String,
    /// What is wrong.
    pub reason: Reason,
}

impl Error {
    /// Blames a whole file.
    #[must_use]
    pub fn file(file: impl Into<PathBuf>, reason: Reason) -> Self {
        Self { file: file.into(), node: String::new(), reason }
    }
}

/// What can be wrong with a description, or with an image that is to be packed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The file is not there, or cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The device-tree compiler is missing.
    #[error("dtc cannot be started ({0}); it is in the package device-tree-compiler")]
    NoCompiler(String),
    /// The device-tree compiler refused the source; its own words.
    #[error("dtc refuses it: {0}")]
    Compiler(String),
    /// The bytes are not a device tree.
    #[error("not a device tree: {0}")]
    NotATree(String),
    /// The tree is deeper than any description is.
    #[error("nodes are nested deeper than {0} levels")]
    TooDeep(usize),
    /// Another binding than this crate's.
    #[error("compatible is not \"{0}\"")]
    Binding(&'static str),
    /// A node is missing.
    #[error("node {0} is missing")]
    MissingNode(String),
    /// A property is missing.
    #[error("property {0} is missing")]
    Missing(&'static str),
    /// A node that the binding does not know: more likely a typing error than a wish.
    #[error("node {0} is not known here")]
    UnknownNode(String),
    /// A property that the binding does not know: more likely a typing error than a wish.
    #[error("property {0} is not known here")]
    UnknownProperty(String),
    /// A property has another form than the binding says.
    #[error("property {0} is not {1}")]
    Malformed(&'static str, &'static str),
    /// What a partition is given by the policy is to be replaced by hand: the two could say different things.
    #[error("{0} of the iommu service follows from the policy and cannot be replaced")]
    OfThePolicy(String),
    /// A word that the binding does not know.
    #[error("property {0}: \"{1}\" is none of {2}")]
    Word(&'static str, String, &'static str),
    /// A phandle points to a node of another kind, or to none.
    #[error("property {0} does not point to {1}")]
    Target(&'static str, &'static str),
    /// A node that becomes a file or a constant has a name that neither could have.
    #[error("its name is not made of small letters, digits and -, a letter first")]
    NodeName,
    /// A name that an answer could not carry.
    #[error("name {0} is longer than 16 characters")]
    LongName(String),
    /// More of something than can be described.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
    /// Two things have one name or one UUID.
    #[error("{0} is used twice")]
    Twice(String),
    /// A range does not lie where it must.
    #[error("{0} does not lie in {1}")]
    Outside(Range, String),
    /// Two things share addresses.
    #[error("{0} overlaps {1} {2}")]
    Overlap(Range, String, Range),
    /// A range is not made of whole pages.
    #[error("{0} is not made of whole pages of 4 KiB")]
    Pages(Range),
    /// Something that must be below 4 GiB is not.
    #[error("{0} is not below 4 GiB, where BL2 of TF-A loads packages")]
    High(Range),
    /// Something is larger than its place.
    #[error("{0} has {1:#x} bytes, its place has {2:#x}")]
    TooLarge(String, u64, u64),
    /// A way to get interrupts that is not there.
    #[error("interrupt-source = \"{0}\": {1}")]
    Source(&'static str, &'static str),
    /// The policy contradicts itself.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// An image is not linked as the packing needs it.
    #[error("{0}")]
    Image(String),
}
