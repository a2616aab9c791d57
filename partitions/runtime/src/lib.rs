// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every partition at S-EL1 needs before it can do its own work: entry, page tables, vectors, FF-A calls.
//!
//! A partition implements [`Partition`] and names the type in [`partition!`]. Everything else happens here: the image
//! moves itself to where it was loaded, maps itself with no page both writable and executable, reads its boot
//! information, and answers direct requests on as many vCPUs as the partition manager starts. Nothing is used that
//! FF-A 1.2 does not define for a partition at S-EL1 that calls by SMC, so the same image runs under any SPMC.
//! The manifest has to say `gp-register-num = <0>`.
//!
//! What a partition does with its requests, and whom it believes, is not in here.
#![no_std]

mod boot;
mod console;
mod entry;
mod fault;
mod ffa;
mod gic;
mod image;
mod interrupt_source;
pub mod interrupts;
mod mailbox;
pub mod memory;
mod message;
pub mod mmu;
mod stacks;
mod start;
mod stop;
pub mod time;
mod vcpu;

pub use boot::{BootInfo, Manifest};
pub use console::print;
pub use ffa::{CallError, EndpointId, call};
pub use image::addresses as image_addresses;
pub use interrupt_source::{Hypercalls, InterruptSource, Polling, SourceError, interrupt_source};
pub use mailbox::{Mailbox, MailboxError};
pub use message::{Extended, Partition, Received, WAIT, exchange};
pub use stop::stop;
pub use vcpu::{MAX_VCPUS, VcpuId, mpidr};

/// What [`partition!`] expands to; no interface of its own.
#[doc(hidden)]
pub mod private {
    pub use crate::start::{primary, secondary};
    pub use spin::Once;
}

/// Makes `$type`, a [`Partition`], the partition of this image. Once per binary.
#[macro_export]
macro_rules! partition {
    ($type:ty) => {
        const _: () = {
            static INSTANCE: $crate::private::Once<$type> = $crate::private::Once::new();

            #[unsafe(no_mangle)]
            extern "C" fn sp_primary(boot_information: u64) -> ! {
                $crate::private::primary(&INSTANCE, boot_information)
            }

            #[unsafe(no_mangle)]
            extern "C" fn sp_secondary(slot: u32) -> ! {
                $crate::private::secondary(&INSTANCE, slot)
            }
        };
    };
}

/// Prints a line on the partition manager's console, by FFA_CONSOLE_LOG.
#[macro_export]
macro_rules! log {
    ($($arguments:tt)*) => { $crate::print(::core::format_args!($($arguments)*)) };
}
