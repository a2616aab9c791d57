// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service without its hardware: what decides, and what drives registers through traits.
//!
//! | module | what lives there |
//! |---|---|
//! | [`policy`] | what the integrator fixed at build time, and the check of it |
//! | [`pool`] | pages of the carve-out that SMMUs fetch from |
//! | [`smmu`] | what the service needs from an SMMU, and the SMMUv3 driver |
//! | [`table`] | stage-2 page tables for DMA |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod policy;
pub mod pool;
pub mod smmu;
pub mod table;
