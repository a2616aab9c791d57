// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the first Rust instruction of a vCPU to its message loop.

use spin::Once;

use crate::boot::{BootInfo, Manifest};
use crate::message::{self, Partition};
use crate::vcpu::{self, VcpuId};
use crate::{entry, ffa, log, mmu, stacks, stop};

/// Starts the partition on its first vCPU. `boot_information` is the address of the blob, or 0.
pub fn primary<P: Partition>(instance: &'static Once<P>, boot_information: u64) -> ! {
    mmu::mark_active();
    vcpu::take_first_slot();
    let manifest = Manifest::read(boot_information);
    if let Err(error) = P::negotiate_version(&manifest) {
        // FFA_CONSOLE_LOG may not work then, but silence would be worse.
        log!("FFA_VERSION: {error}");
        stop()
    }
    if let Err(error) = stacks::add(&manifest) {
        log!("{error}");
        stop()
    }
    let id = match ffa::id() {
        Ok(id) => id,
        Err(error) => {
            log!("FFA_ID_GET: {error}");
            stop()
        }
    };
    let boot = BootInfo::new(id, manifest);
    let partition = match P::start(&boot) {
        Ok(partition) => instance.call_once(|| partition),
        Err(error) => {
            log!("cannot start: {error}");
            stop()
        }
    };
    if boot.contexts() != Some(1)
        && let Err(error) = ffa::register_secondary_entry(entry::secondary_entry())
    {
        log!("FFA_SECONDARY_EP_REGISTER: {error}");
        stop()
    }
    message::serve(partition, VcpuId::PRIMARY)
}

/// Starts a vCPU once the partition has started, of which the entry code has found the slot: another one, or one whose core was
/// off.
pub fn secondary<P: Partition>(instance: &'static Once<P>, slot: u32) -> ! {
    match (instance.get(), VcpuId::from_slot(slot)) {
        (Some(partition), Some(vcpu)) => {
            partition.vcpu_started(vcpu);
            message::serve(partition, vcpu)
        }
        _ => {
            log!("vCPU {slot} was started before the partition was ready");
            stop()
        }
    }
}
