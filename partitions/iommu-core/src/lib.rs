// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service without its hardware: what decides, and what drives registers through traits.
//!
//! | module | what lives there |
//! |---|---|
//! | [`policy`] | what the integrator fixed at build time, and the check of it |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod policy;
