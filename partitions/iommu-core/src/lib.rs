// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service without its hardware: what decides, and what drives registers through traits.
//!
//! | module | what lives there |
//! |---|---|
//! | [`client`] | who is served: roles that endpoint IDs stand for |
//! | `contention` | how often locks were found taken, in an image that counts |
//! | [`domain`] | address spaces, their handles, and which devices are in them |
//! | [`entropy`] | random numbers |
//! | [`ownership`] | whose memory is whose, and which of it devices can reach |
//! | [`policy`] | what the integrator fixed at build time, and the check of it |
//! | [`pool`] | pages of the carve-out that SMMUs fetch from |
//! | [`role`] | whether the hypervisor is there, and the key by which it is known |
//! | [`seeded`] | bugs that are there on purpose, in no image |
//! | [`service`] | one message in, one answer out, every claim checked |
//! | [`shared`] | memory that clients share with the service |
//! | [`smmu`] | what the service needs from an SMMU, and the SMMUv3 driver |
//! | [`table`] | stage-2 page tables for DMA |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod client;
#[cfg(feature = "count-contention")]
pub mod contention;
pub mod domain;
pub mod entropy;
#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
#[cfg(test)]
mod kept;
pub mod ownership;
pub mod policy;
pub mod pool;
pub mod role;
pub mod seeded;
pub mod service;
pub mod shared;
pub mod smmu;
mod sync;
pub mod table;
