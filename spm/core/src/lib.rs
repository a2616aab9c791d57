// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What spm decides: manifests, memory layout, FF-A state. No hardware and no unsafe code, so that it runs on any host.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abort;
pub mod boot_info;
mod common_calls;
pub mod console_log;
pub mod cycles;
pub mod direct_message;
pub mod discovery;
pub mod endpoint;
pub mod features;
pub mod framework_message;
pub mod function;
pub mod gic;
pub mod hardware;
pub mod id_registers;
pub mod indirect_message;
#[cfg(test)]
#[cfg(feature = "interleavings")]
mod interleavings;
pub mod interrupts;
#[cfg(test)]
mod kept;
pub mod life;
pub mod mailbox;
pub mod manifest;
pub mod memory;
pub mod normal_memory;
pub mod normal_timer;
pub mod notification_calls;
pub mod notifications;
pub mod package;
pub mod partition;
pub mod partition_calls;
pub mod power;
pub mod registers;
pub mod restart;
pub mod routes;
pub mod secondary_entry;
pub mod seeded;
pub mod spmc;
pub mod stage2;
mod sync;
pub mod table_budget;
pub mod vcpu;
pub mod version;
pub mod vm_mailboxes;
pub mod work;
