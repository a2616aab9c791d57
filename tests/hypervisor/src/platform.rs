// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that this image was built for, and how its memory is parted between hypervisor and host.
#![expect(unsafe_code, reason = "vouches for the platform's addresses")]

use nwd::{Description, Machine, Region, gic::REDISTRIBUTOR_SIZE, mmio::Mmio, ram::Ram};

#[expect(unreachable_pub, dead_code, reason = "written without knowing who includes it, and what for")]
mod constants {
    include!(env!("SIDGUARD_PLATFORM_RS", "set by `cargo xtask build`: the constants of one platform"));
}
pub(crate) use constants::*;

/// The host's image, as its first byte is to be entered.
pub(crate) static HOST_IMAGE: &[u8] =
    include_bytes!(env!("SIDGUARD_HOST_IMAGE", "set by `cargo xtask build`: the image that runs at EL1"));

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// One bus of configuration space: 32 devices with 8 functions of 4 KiB.
const BUS_SIZE: u64 = 0x10_0000;
/// Buses that there are: the root, and those behind its ports.
pub(crate) const BUSES: u64 = 4;

/// The hypervisor's own memory: the first half of what is left for BL33. The host's image stands in the other.
pub(crate) const OWN: Region = Region { base: IMAGE.0, size: IMAGE.1 / 2 };
/// Where the host's image is put, and entered.
pub(crate) const HOST: Region = Region { base: IMAGE.0 + OWN.size, size: IMAGE.1 - OWN.size };
/// Configuration space of the buses that there are.
pub(crate) const CONFIGURATION: Region = Region { base: ECAM, size: BUSES * BUS_SIZE };
/// Where BARs may be placed.
pub(crate) const BARS: Region = region(PCI_MMIO);
/// The part of that from which devices can become a guest's.
pub(crate) const ASSIGNABLE: Region = Region { base: BARS.base, size: 16 << 20 };
/// The GIC's distributor.
pub(crate) const DISTRIBUTOR: Region = Region { base: GICD, size: DISTRIBUTOR_SIZE };
/// The GIC's redistributors.
pub(crate) const REDISTRIBUTORS: Region =
    Region { base: GICR, size: MPIDRS.len() as u64 * REDISTRIBUTOR_SIZE };
/// The normal world's console.
pub(crate) const UART: Region = Region { base: CONSOLE, size: PAGE };
/// All RAM of the normal world.
pub(crate) const MEMORY: Region = region(RAM);
/// Memory whose pages can become a guest's.
pub(crate) const MOVABLE: Region = region(SCRATCH);
/// The carve-out for what the SMMU fetches.
pub(crate) const TABLES: Region = region(POOL);
/// The last page of the hypervisor's own, which holds nothing: devices are told to write to it.
pub(crate) const TARGET: Region = Region { base: OWN.base + OWN.size - PAGE, size: PAGE };

static DESCRIPTION: Description = Description {
    console: UART,
    ecam: CONFIGURATION,
    pci_mmio: BARS,
    distributor: DISTRIBUTOR,
    alarm: None,
    redistributors: REDISTRIBUTORS,
    cores: &MPIDRS,
    ram: MEMORY,
    scratch: MOVABLE,
    own: TARGET,
    mailbox: Region { base: MAILBOX, size: PAGE },
    forbidden: &[],
};

/// Returns the frame of each redistributor that has the core's private interrupts.
pub(crate) fn private_interrupts() -> impl Iterator<Item = Region> {
    const FRAME: u64 = REDISTRIBUTOR_SIZE / 2;
    (0..MPIDRS.len() as u64)
        .map(|core| Region { base: GICR + core * REDISTRIBUTOR_SIZE + FRAME, size: FRAME })
}

const fn region((base, size): (u64, u64)) -> Region {
    Region { base, size }
}

/// Starts the machine; called once, first of all.
pub(crate) fn start() -> Machine {
    // SAFETY: the constants come from the platform description from which firmware and policy were built; `main` calls
    // this once, on the first core. This image ends far before `TARGET`, which the tool that builds it checks.
    unsafe { Machine::start(&DESCRIPTION) }
}

/// Returns memory of the host's or of a guest's.
pub(crate) fn memory(of: Region) -> Option<Ram> {
    let offset = of.base.checked_sub(MOVABLE.base)?;
    MOVABLE.inside(offset, of.size)?;
    // SAFETY: it lies in memory that holds nothing of this program, and is mapped as RAM.
    Some(unsafe { Ram::new(of) })
}

/// Returns PCI configuration space.
pub(crate) fn configuration() -> Mmio {
    // SAFETY: registers of the buses that there are, which `start` mapped as device memory.
    unsafe { Mmio::new(CONFIGURATION) }
}

/// Returns the registers of a device that can become a guest's.
pub(crate) fn device_registers(of: Region) -> Option<Mmio> {
    let offset = of.base.checked_sub(ASSIGNABLE.base)?;
    ASSIGNABLE.inside(offset, of.size)?;
    // SAFETY: it lies where BARs are placed, which `start` mapped as device memory.
    Some(unsafe { Mmio::new(of) })
}

/// Returns where the host's image goes.
pub(crate) fn host_memory() -> Ram {
    // SAFETY: RAM behind this program's own, as `start` mapped it.
    unsafe { Ram::new(HOST) }
}

/// Returns the hypervisor's buffers for messages: where it writes, and where it reads.
pub(crate) fn buffers() -> [Ram; 2] {
    [3, 2].map(|pages| {
        let page = Region { base: OWN.base + OWN.size - pages * PAGE, size: PAGE };
        // SAFETY: pages at the end of this program's memory, which hold nothing that the compiler knows of.
        unsafe { Ram::new(page) }
    })
}

/// Returns the page of the hypervisor's own that devices are told to write to.
pub(crate) fn target() -> Ram {
    // SAFETY: the last page of this program's memory holds nothing of it, and is mapped as RAM.
    unsafe { Ram::new(TARGET) }
}

/// Returns any page of RAM, to be read.
pub(crate) fn any_page(address: u64) -> Option<Ram> {
    let offset = address.checked_sub(MEMORY.base)?;
    MEMORY.inside(offset, PAGE)?;
    // SAFETY: RAM, mapped as such. Nobody writes by it; what of this program stands there is only read, byte by byte.
    Some(unsafe { Ram::new(Region { base: address, size: PAGE }) })
}
