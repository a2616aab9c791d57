// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A GICv3 as a partition at S-EL1 drives it, where nothing stands between the two: its devices' shared interrupts, as secure
//! ones of group 1, and which core gets them.
//!
//! | module | what lives there |
//! |---|---|
//! | [`spec`] | registers of the distributor, and what INTIDs mean |
//! | [`Hardware`] | what is needed of the machine: the distributor's registers, and the core's |
//! | [`Gic`] | making an interrupt the partition's, taking it, ending it |
//! | `cores` | which cores are on, and which of them gets the interrupts |
//!
//! Registers that hold several interrupts' settings are read and written back while an interrupt is made the partition's only,
//! which is before the normal world runs; all later accesses are to registers of which other bits do not change. EL3 has set up
//! the GIC itself. Which interrupts there are, and what is done about them, is not in here.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod cores;
#[cfg(test)]
mod fake;
mod gic;
mod hardware;
pub mod spec;
#[cfg(test)]
mod tests;

pub use cores::MAX_CORES;
pub use gic::{Gic, GicError, State};
pub use hardware::Hardware;
