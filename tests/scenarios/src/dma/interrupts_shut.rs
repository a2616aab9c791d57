// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMU's interrupts when the normal world does what it can at the GIC to keep them from the service.

use super::interrupts::{ONE, comes, prepare};
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    smmu::EVENTQ_CONS,
    world::{World, describe},
};
use nwd::mmio::Mmio;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "fault-interrupt-shut",
    claim: "The normal world cannot switch off, mask or send elsewhere at the GIC what the SMMU tells the service by",
    expected: "every setting of every shared interrupt is written; the SMMU's record is taken before any message",
    audience: Test,
    cores: 1,
    run: shut,
}];

/// Registers of the distributor with a bit for each interrupt, and what is written to each (GICv3, IHI 0069, 12.9): GICD_IGROUPR,
/// GICD_ICENABLER, GICD_ICPENDR, GICD_ICACTIVER, GICD_IGRPMODR.
const BITS: [(u64, u32); 5] =
    [(0x080, u32::MAX), (0x180, u32::MAX), (0x280, u32::MAX), (0x380, u32::MAX), (0xd00, 0)];
/// GICD_IPRIORITYR, eight bits for each: the least urgent.
const PRIORITIES: u64 = 0x400;
/// GICD_ICFGR, two bits for each: level-sensitive.
const CONFIGURATIONS: u64 = 0xc00;
/// GICD_NSACR, two bits for each: all that the normal world may be given.
const ACCESS: u64 = 0xe00;
/// GICD_IROUTER, 64 bits for each.
const ROUTES: u64 = 0x6000;
/// GICD_TYPER: 32 times this, and one more, are the interrupts that there are.
const TYPER: u64 = 0x4;
const LINES: u32 = 0x1f;
/// A core that is on no machine here.
const NOBODY: u64 = 0x7f_0000_0001;

/// Writes what would keep each shared interrupt from coming. The first 32 are the cores' own.
fn shut_all(distributor: Mmio) -> u64 {
    let end = u64::from(distributor.read32(TYPER) & LINES).saturating_add(1).saturating_mul(32).min(1020);
    for first in (32..end).step_by(32) {
        for (register, value) in BITS {
            distributor.write32(register + first / 8, value);
        }
    }
    for first in (32..end).step_by(16) {
        distributor.write32(ACCESS + first / 4, u32::MAX);
        distributor.write32(CONFIGURATIONS + first / 4, 0);
    }
    for first in (32..end).step_by(4) {
        distributor.write32(PRIORITIES + first, u32::MAX);
    }
    for interrupt in 32..end {
        distributor.write64(ROUTES + interrupt * 8, NOBODY);
    }
    end
}

fn shut(world: &mut World) -> Outcome {
    let nowhere = prepare(world)?;
    let end = shut_all(world.machine.distributor());
    let before = EVENTQ_CONS.read()?;
    world.device.write_ram(nowhere, 0, ONE)?;
    let taken = comes(|| Ok(EVENTQ_CONS.read()? != before))?;
    ensure!(taken, "the record at {before:#x} was not taken");
    let Some(fault) = world.fault_of(world.device.stream())? else {
        return Err(Failure::new(format_args!("the record was taken and not reported")));
    };
    seen!("settings of interrupts 32 to {} written; then {} before any message", end - 1, describe(&fault))
}
