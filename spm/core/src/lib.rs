// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What spm decides: manifests, memory layout, FF-A state. No hardware and no unsafe code, so that it runs on any host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod boot_info;
pub mod manifest;
pub mod package;
