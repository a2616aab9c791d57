// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The normal world's side: what a bare-metal client needs to ask the iommu service for DMA and to try it, at NS-EL2 or,
//! above a hypervisor, at NS-EL1.
//!
//! Entry, console, secondary cores, FF-A calls, a typed client of the service, PCI and the `edu` device. No address of
//! any platform stands here: a binary describes its machine by a [`Description`]. What is tried, and what has to come of
//! it, is the binary's.
#![no_std]

pub mod call;
pub mod console;
pub mod core_off;
pub mod cores;
pub mod counter;
pub mod edu;
mod entry;
mod exceptions;
pub mod ffa;
pub mod gic;
pub mod guarded;
pub mod hyp;
pub mod hypercall;
pub mod iommu;
pub mod level;
mod machine;
pub mod mailbox;
pub mod memory;
pub mod mmio;
mod paging;
pub mod pci;
pub mod ram;
pub mod random;
pub mod ring;
pub mod timer;

pub use machine::{Description, Machine, Region, fatal, power_off};
