// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that this image was built for: constants of the platform description, as a [`Description`].
#![expect(unsafe_code, reason = "vouches for the platform's addresses")]

use nwd::{Description, Machine, Region, gic::REDISTRIBUTOR_SIZE};

#[expect(unreachable_pub, dead_code, reason = "written without knowing who includes it, and what for")]
mod constants {
    include!(env!("SIDGUARD_PLATFORM_RS", "set by `cargo xtask build`: the constants of one platform"));
}
pub(crate) use constants::{PLATFORM, SECURE_RAM};

/// Bytes of a page.
const PAGE_SIZE: u64 = 4096;
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// One bus of configuration space: 32 devices with 8 functions of 4 KiB.
const BUS_SIZE: u64 = 0x10_0000;

static DESCRIPTION: Description = Description {
    console: Region { base: constants::CONSOLE, size: PAGE_SIZE },
    ecam: Region { base: constants::ECAM, size: BUS_SIZE },
    pci_mmio: region(constants::PCI_MMIO),
    distributor: Region { base: constants::GICD, size: DISTRIBUTOR_SIZE },
    redistributors: Region {
        base: constants::GICR,
        size: constants::MPIDRS.len() as u64 * REDISTRIBUTOR_SIZE,
    },
    alarm: match constants::ALARM {
        Some(base) => Some(Region { base, size: PAGE_SIZE }),
        None => None,
    },
    cores: &constants::MPIDRS,
    ram: region(constants::RAM),
    scratch: region(constants::SCRATCH),
    // The image itself is far smaller than what it may use.
    own: Region { base: constants::IMAGE.0 + constants::IMAGE.1 - PAGE_SIZE, size: PAGE_SIZE },
    mailbox: Region { base: constants::MAILBOX, size: PAGE_SIZE },
    forbidden: &[region(constants::SECURE_RAM)],
};

const fn region((base, size): (u64, u64)) -> Region {
    Region { base, size }
}

/// Starts the machine; called once, first of all.
pub(crate) fn start() -> Machine {
    // SAFETY: the constants come from the platform description from which the firmware was built; `main` calls this once,
    // on the first core.
    unsafe { Machine::start(&DESCRIPTION) }
}
