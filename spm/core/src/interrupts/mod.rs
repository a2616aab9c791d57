// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of partitions (FF-A 1.3 chapter 9): which are pending for a vCPU, whose a physical one is, who runs for it, and
//! the calls by which a partition takes them, which are Hafnium's.
//!
//! A partition has no interrupt controller: it is told by its vIRQ or vFIQ that something is pending, and asks what by a
//! call. The registers of the real controller are behind [`crate::hardware::Hardware`].

pub mod hypercall;
pub mod routing;
pub mod virtual_interrupts;
pub mod virtual_timer;

pub use virtual_interrupts::{InterruptLine, Signals, VirtualInterrupts};
pub use virtual_timer::VirtualTimer;
