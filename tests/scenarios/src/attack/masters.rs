// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Masters that no SMMU sees: whoever reaches their registers writes where he likes.
#![expect(unsafe_code, reason = "reads and writes what is hidden")]

use super::{guest::Witness, hidden::control};
use crate::{
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::World,
};
use nwd::{
    gic,
    guarded::{self, Fault},
    ram::Ram,
    timer,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "unprotected-masters",
        claim: "Masters that no SMMU sees",
        expected: "touch the registers of each; let one write to a guest's page",
        audience: Test,
        cores: 1,
        run: unprotected,
    },
    Scenario {
        name: "gic-tables",
        claim: "The GIC's own table accesses",
        expected: "point a redistributor's tables of pending interrupts (GICR_PENDBASER) to a guest's page",
        audience: Test,
        cores: 1,
        run: gic_tables,
    },
];

fn read(at: u64) -> Result<u32, Fault> {
    // SAFETY: these registers change nothing of this program's when they are read.
    unsafe { guarded::read32(at) }
}

fn write(at: u64, value: u32) -> Result<(), Failure> {
    // SAFETY: what the write does is what this attack is about; the memory that it names is not this program's.
    unsafe { guarded::write32(at, value) }.map_err(|fault| Failure::new(format_args!("{at:#x}: {fault}")))
}

fn unprotected(world: &mut World) -> Outcome {
    let arrival = control(world, world.iova(0x7_4000), &world.page(12))?;
    let guest = Witness::guest(world, &world.page(13))?;
    let mut stopped = 0;
    for (name, (base, _)) in platform::UNPROTECTED_REGISTERS {
        match read(*base) {
            Err(fault) if fault.is_external_abort() => stopped += 1,
            Err(fault) => return Err(Failure::new(format_args!("{name}: {fault}"))),
            Ok(_) => {
                drive(world, name, *base, &guest)?;
                guest.unharmed(name)?;
                return Err(Failure::new(format_args!("{name} can be reached")));
            }
        }
        // SAFETY: as in `write`.
        let written = unsafe { guarded::write32(*base, 0) };
        ensure!(written.is_err_and(|fault| fault.is_external_abort()), "{name} writes {written:x?}");
    }
    guest.unharmed("none was reached")?;
    ensure!(stopped == platform::UNPROTECTED_REGISTERS.len() && stopped > 0, "{stopped} masters");
    seen!("the hypervisor's stage 2: {stopped} masters abort reads and writes; behind the SMMU: {arrival}")
}

/// Lets a master write to a guest's page, if this program knows how.
fn drive(world: &World, name: &str, base: u64, guest: &Witness) -> Result<(), Failure> {
    match name {
        "fw-cfg-dma" => fw_cfg(&world.page(14), base, guest),
        "ahci" => ahci(&world.page(14), base, guest),
        _ => Ok(()),
    }
}

/// QEMU's firmware configuration device (QEMU, `docs/specs/fw_cfg.rst`) reads its signature into the page.
fn fw_cfg(command: &Ram, base: u64, guest: &Witness) -> Result<(), Failure> {
    const ADDRESS: u64 = 0x10;
    /// Select item 0, the signature, and read it.
    const READ_SIGNATURE: u32 = 1 << 3 | 1 << 1;
    const LENGTH: u32 = 4;
    command.write(0, &READ_SIGNATURE.to_be_bytes());
    command.write(4, &LENGTH.to_be_bytes());
    command.write(8, &guest.address().0.to_be_bytes());
    let [high, low] = halves(command.address().0);
    write(base + ADDRESS, high.swap_bytes())?;
    write(base + ADDRESS + 4, low.swap_bytes())
}

/// An AHCI port puts what it receives where it is told (AHCI 1.3.1, 3.3): here the first word of a device, or of none.
fn ahci(commands: &Ram, base: u64, guest: &Witness) -> Result<(), Failure> {
    const GHC: u64 = 0x04;
    const AHCI_ENABLE: u32 = 1 << 31;
    /// The first port: where commands stand, where what is received goes, command and status.
    const PORT: u64 = 0x100;
    const RECEIVE_ENABLE: u32 = 1 << 4;
    const SPIN_UP: u32 = 1 << 1;
    let (list, received) = (halves(commands.address().0), halves(guest.address().0));
    write(base + GHC, AHCI_ENABLE)?;
    for (offset, [high, low]) in [(0x00, list), (0x08, received)] {
        write(base + PORT + offset, low)?;
        write(base + PORT + offset + 4, high)?;
    }
    write(base + PORT + 0x18, RECEIVE_ENABLE | SPIN_UP)?;
    timer::sleep_us(10_000);
    write(base + PORT + 0x18, 0)
}

fn halves(address: u64) -> [u32; 2] {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = address.to_le_bytes();
    [u32::from_le_bytes([b4, b5, b6, b7]), u32::from_le_bytes([b0, b1, b2, b3])]
}

fn gic_tables(world: &mut World) -> Outcome {
    /// GICR_PENDBASER (IHI 0069, 12.11).
    const PENDBASER: u64 = 0x78;
    let guest = Witness::guest(world, &world.page(13))?;
    let mut stopped = 0;
    for core in 0..world.mailbox.cores {
        let frame = platform::GICR + core * gic::REDISTRIBUTOR_SIZE;
        if let Ok(before) = read(frame + PENDBASER) {
            let [_, low] = halves(guest.address().0);
            write(frame + PENDBASER, low & !0xffff)?;
            let after = read(frame + PENDBASER);
            write(frame + PENDBASER, before)?;
            return Err(Failure::new(format_args!("GICR_PENDBASER can be written: {after:x?}")));
        }
        // The frame of private interrupts is the host's.
        let private = read(frame + gic::REDISTRIBUTOR_SIZE / 2 + 0x100);
        ensure!(private.is_ok(), "the frame of private interrupts: {private:x?}");
        stopped += 1;
    }
    guest.unharmed("the redistributors' tables")?;
    seen!("the hypervisor's stage 2: {stopped} redistributors abort, their private interrupts are the host's")
}
