// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From device-tree source to a tree whose nodes know where they stand, so that every complaint names its place.
//!
//! What the nodes mean is not told here: see [`crate::platform`] and [`crate::policy`].

mod dtc;
mod node;
mod tree;

pub(crate) use dtc::{compile_file, compile_text};
pub use node::Node;
pub use tree::Tree;
