// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The targets, one a file.

pub mod calls;
mod generate;
pub mod manifests;
mod memory;
#[cfg(feature = "model")]
pub mod model;
pub mod packages;
pub mod requests;
