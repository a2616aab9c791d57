// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that this image was built for: constants that the policy compiler wrote, as a [`Description`].
#![expect(unsafe_code, reason = "vouches for the platform's addresses")]

use nwd::{Description, Machine, Region, gic::REDISTRIBUTOR_SIZE, ram::Ram};

#[expect(unreachable_pub, dead_code, reason = "written without knowing who includes it, and what for")]
mod constants {
    include!(env!("SIDGUARD_PLATFORM_RS", "set by `cargo xtask build`: the constants of one platform"));
}
pub(crate) use constants::*;

/// Bytes of a page.
const PAGE_SIZE: u64 = 4096;
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// One bus of configuration space: 32 devices with 8 functions of 4 KiB.
const BUS_SIZE: u64 = 0x10_0000;
/// Buses that are looked at: the root, and one behind a port.
const BUSES: u64 = 2;

/// The policy's device that scenarios work with.
pub(crate) const DEVICE: Device = device(ALLOWED);
/// First stream ID of the device that the policy gives to nobody.
pub(crate) const REFUSED_STREAM: u32 = device(REFUSED).first_stream_id;

static DESCRIPTION: Description = Description {
    console: Region { base: CONSOLE, size: PAGE_SIZE },
    ecam: Region { base: ECAM, size: BUSES * BUS_SIZE },
    pci_mmio: region(PCI_MMIO),
    distributor: Region { base: GICD, size: DISTRIBUTOR_SIZE },
    alarm: None,
    redistributors: Region { base: GICR, size: MPIDRS.len() as u64 * REDISTRIBUTOR_SIZE },
    cores: &MPIDRS,
    ram: region(RAM),
    scratch: region(SCRATCH),
    // The image itself is far smaller than what it may use.
    own: Region { base: IMAGE.0 + IMAGE.1 - PAGE_SIZE, size: PAGE_SIZE },
    mailbox: Region { base: MAILBOX, size: PAGE_SIZE },
    forbidden: &FORBIDDEN,
};

/// Secure RAM, the SMMU, and what only attacks touch.
const FORBIDDEN: [Region; UNPROTECTED_REGISTERS.len() + 2] = forbidden();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn forbidden() -> [Region; UNPROTECTED_REGISTERS.len() + 2] {
    let mut all = [region(SECURE_RAM); UNPROTECTED_REGISTERS.len() + 2];
    all[1] = region(SMMU_FRAME);
    let mut place = 0;
    while place < UNPROTECTED_REGISTERS.len() {
        all[place + 2] = region(UNPROTECTED_REGISTERS[place].1);
        place += 1;
    }
    all
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn device(index: usize) -> Device {
    DEVICES[index]
}

const fn region((base, size): (u64, u64)) -> Region {
    Region { base, size }
}

/// Starts the machine; called once, first of all.
pub(crate) fn start() -> Machine {
    // SAFETY: the constants come from the platform description from which firmware and policy were built; `main` calls
    // this once, on the first core.
    unsafe { Machine::start(&DESCRIPTION) }
}

/// Returns the memory that holds the SMMU's tables: nobody keeps the normal world's CPU from it on QEMU.
pub(crate) fn pool() -> Ram {
    // SAFETY: the pool is non-secure RAM, which `start` mapped, and holds nothing of this program.
    unsafe { Ram::new(region(POOL)) }
}
