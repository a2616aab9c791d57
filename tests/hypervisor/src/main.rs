// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small hypervisor at NS-EL2: BL33, in the place of pKVM.
//!
//! It claims its role with the iommu service, hides its own memory, the SMMU's frames and pool, and the masters that no
//! SMMU sees from its host by stage 2, and relays the host's FF-A calls. What runs above it at EL1 is the scenarios'
//! image, as hostile as it can be. Nothing here is more than these attacks take: there is one host, guests are pages.
#![no_std]
#![no_main]

mod abort;
mod boot;
mod buffers;
mod device;
mod ffa;
mod guest;
mod host;
mod pci;
mod platform;
mod registers;
mod sharing;
mod smc;
mod stage2;
mod trap;

use nwd::{fatal, main};

main!(run);

fn run() -> ! {
    boot::start()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    fatal(format_args!("hypervisor: {info}"))
}
