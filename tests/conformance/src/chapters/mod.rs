// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The cases, one module a chapter of DEN0077A; chapter 13 has one for each group of its interfaces.
//!
//! Section numbers are those of FF-A 1.2, which 1.3 kept from chapter 11 on.

mod aborted;
mod between_vcpus;
mod buffers;
mod cores;
mod cpu_cycles;
mod descriptor;
mod direct_message_registers;
mod direct_messages;
mod direct_messages2;
mod doorbells;
mod features;
mod identification;
mod indirect_message;
mod indirect_messages;
mod interface_overview;
mod interrupt_jobs;
mod interrupts;
mod managed_exit;
mod memory;
mod notification_bindings;
mod notifications;
mod partition_info;
mod partition_info_regs;
mod per_vcpu_notifications;
mod preempted_chains;
mod secure_interrupts;
mod sel0;
mod version;
mod vm_buffers;

use crate::case::Case;
pub use sel0::at_start;
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
    direct_message_registers::CASES,
    direct_messages2::CASES,
    cpu_cycles::CASES,
    indirect_messages::CASES,
    vm_buffers::CASES,
    notification_bindings::CASES,
    notifications::CASES,
    per_vcpu_notifications::CASES,
    interrupts::CASES,
    secure_interrupts::CASES,
    preempted_chains::CASES,
    managed_exit::CASES,
    between_vcpus::CASES,
    // Before partitions donate some of their own memory, without which they cannot start again.
    aborted::RESTARTS,
    sel0::RESTARTS,
    memory::sending::CASES,
    memory::refusals::CASES,
    memory::reclaiming::CASES,
    memory::retrieving::CASES,
    memory::relinquishing::CASES,
    memory::fragments::CASES,
    cores::CASES,
    sel0::CASES,
    aborted::LAST,
];
