// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cases, one module a chapter of DEN0077A; chapter 13 has one for each group of its interfaces.
//!
//! Section numbers are those of FF-A 1.2, which 1.3 kept from chapter 11 on.

mod buffers;
mod descriptor;
mod direct_messages;
mod features;
mod identification;
mod interface_overview;
mod partition_info;
mod partition_info_regs;
mod version;

use crate::case::Case;
pub use version::negotiate;

/// All cases, in the order in which they run: those before a version is agreed on first.
pub const ALL: &[&[Case]] = &[
    version::FIRST,
    features::EACH,
    features::CASES,
    version::CASES,
    interface_overview::CASES,
    identification::CASES,
    buffers::CASES,
    partition_info::CASES,
    partition_info_regs::CASES,
    direct_messages::CASES,
];
