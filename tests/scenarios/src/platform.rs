// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The machine that this image was built for: constants that the policy compiler wrote, as a [`Description`].
#![expect(unsafe_code, reason = "vouches for the platform's addresses")]

use nwd::{Description, Machine, Region};

#[expect(unreachable_pub, reason = "written without knowing which module includes it")]
mod constants {
    include!(env!("SIDGUARD_PLATFORM_RS", "set by `cargo xtask build`: the constants of one platform"));
}
pub(crate) use constants::*;

const PAGE: u64 = 4096;
/// Both frames of a GICv3 redistributor (IHI 0069, 12.10).
const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// One bus of configuration space: 32 devices with 8 functions of 4 KiB.
const BUS_SIZE: u64 = 0x10_0000;

static DESCRIPTION: Description = Description {
    console: Region { base: CONSOLE, size: PAGE },
    ecam: Region { base: ECAM, size: BUS_SIZE },
    pci_mmio: region(PCI_MMIO),
    distributor: Region { base: GICD, size: DISTRIBUTOR_SIZE },
    redistributor: Region { base: GICR, size: REDISTRIBUTOR_SIZE },
    cores: &MPIDRS,
    ram: region(RAM),
    scratch: region(SCRATCH),
    mailbox: Region { base: MAILBOX, size: PAGE },
    forbidden: &[region(SECURE_RAM), region(SMMU_FRAME)],
};

const fn region((base, size): (u64, u64)) -> Region {
    Region { base, size }
}

/// Starts the machine; called once, first of all.
pub(crate) fn start() -> Machine {
    // SAFETY: the constants come from the platform description from which firmware and policy were built; `main` calls
    // this once, on the first core.
    unsafe { Machine::start(&DESCRIPTION) }
}
