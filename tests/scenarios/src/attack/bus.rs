// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who a device says it is, and what devices reach of each other: bus numbers behind a port, registers of a neighbour,
//! doorbells of interrupts.
#![expect(unsafe_code, reason = "writes to registers that the hypervisor may keep from the host")]

use super::hidden::control;
use crate::{
    dma::memory::forbidden,
    ensure, platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::{DeviceState, PhysAddr, StreamId};
use nwd::{
    edu::{self, Edu},
    guarded,
    pci::{Function, RequesterId},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "bus-renumbered",
        claim: "The PCI bus renumbered, so that a device passes for another",
        expected: "give the bus behind a port another number, whose stream has a page; DMA of the device behind it",
        audience: Test,
        cores: 1,
        run: renumbered,
    },
    Scenario {
        name: "peer",
        claim: "DMA to another device's registers",
        expected: "map the neighbour's BAR; write to where it would be mapped, and to its physical address",
        audience: Test,
        cores: 1,
        run: peer,
    },
    Scenario {
        name: "doorbells",
        claim: "Doorbells of interrupts as a way to write",
        expected: "map the GIC's distributor, redistributors and ITS; DMA to where they would be",
        audience: Test,
        cores: 1,
        run: doorbells,
    },
];

/// Bus behind the port, as the hypervisor numbers it, and the number that the host would like it to have.
const BUS: u16 = 1;
const OTHER: u16 = 2;
/// Bytes of the window in which the devices on the root bus are placed.
const PLACED: u64 = 64 << 20;

/// Finds the port, and puts the device behind it to work.
fn behind(world: &World) -> Result<(Function, Edu), Failure> {
    let mut ecam = world.machine.ecam();
    ecam.reserve(PLACED);
    let port = ecam.functions().find(Function::is_bridge);
    let Some(port) = port else { return Err(Failure::new(format_args!("there is no port"))) };
    let wanted = u32::from(BUS) << 16 | u32::from(BUS) << 8;
    ensure!(port.bus_numbers() == wanted, "the hypervisor has numbered the bus {:#x}", port.bus_numbers());
    let id = RequesterId(BUS << 8);
    let function = ecam.function(id).filter(|function| function.vendor_device == edu::VENDOR_DEVICE);
    let Some(function) = function else { return Err(Failure::new(format_args!("no device at {id}"))) };
    let Some(registers) = ecam.enable_behind(&port, &function) else {
        return Err(Failure::new(format_args!("{id} cannot be given a BAR")));
    };
    Ok((port, Edu::new(id, registers)?))
}

fn set_bus(port: &Function, bus: u16) -> Result<(), guarded::Fault> {
    let value = u32::from(bus) << 16 | u32::from(bus) << 8;
    // SAFETY: it changes how configuration space and requests are routed, which is what this attack is about.
    unsafe { guarded::write32(port.bus_numbers_address(), value) }
}

fn renumbered(world: &mut World) -> Outcome {
    let (port, device) = behind(world)?;
    let (page, iova) = (world.page(12), world.iova(0x7_2000));
    let (own, other) = (StreamId(u32::from(BUS) << 8), StreamId(u32::from(OTHER) << 8));
    let domain = world.domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    world.iommu.set_state(world.smmu(), own, DeviceState::Paging(domain))?;
    let control = world.put_by(&device, iova, &page)?;
    world.iommu.set_state(world.smmu(), own, DeviceState::Blocked)?;
    require("as itself, allowed", control, Arrival::All)?;
    require("as itself, blocked", world.put_by(&device, iova, &page)?, Arrival::Nothing)?;
    let written = set_bus(&port, OTHER);
    // The stream of the other number is somebody's who may write to the page.
    world.iommu.set_state(world.smmu(), other, DeviceState::Paging(domain))?;
    let arrival = world.put_by(&device, iova, &page)?;
    world.iommu.set_state(world.smmu(), other, DeviceState::Blocked)?;
    if written.is_ok() {
        set_bus(&port, BUS).map_err(|fault| Failure::new(format_args!("{fault}")))?;
    }
    require("with the bus renumbered", arrival, Arrival::Nothing)?;
    ensure!(written.is_err_and(|fault| fault.is_external_abort()), "the number can be written: {written:x?}");
    ensure!(port.bus_numbers() >> 8 & 0xff == u32::from(BUS), "the bus is {:#x}", port.bus_numbers());
    seen!("the hypervisor holds bus numbers: the write aborts, {arrival}; as itself, allowed: {control}")
}

fn peer(world: &mut World) -> Outcome {
    let neighbour = world.unlisted;
    let arrival = control(world, world.iova(0x7_3000), &world.page(12))?;
    neighbour.set_liveness(0x5a5a_5a5a);
    let before = neighbour.liveness();
    ensure!(before == !0x5a5a_5a5a, "the neighbour's register reads {before:#x}");
    let seen = forbidden(world, &[(neighbour.registers(), PAGE)])?;
    world.load()?;
    world.device.write_ram(untranslated(PhysAddr(neighbour.registers())), 0, TRANSFER_COUNT)?;
    ensure!(neighbour.liveness() == before, "the register was written: {:#x}", neighbour.liveness());
    seen!("{seen}; the neighbour's register keeps its value; its own page: {arrival}")
}

fn doorbells(world: &mut World) -> Outcome {
    let its = platform::UNPROTECTED_REGISTERS.iter().find(|(name, _)| *name == "gic-its");
    let Some((_, (its, _))) = its else { return Err(Failure::new(format_args!("there is no ITS"))) };
    /// GITS_TRANSLATER stands in the second frame.
    const TRANSLATER: u64 = 0x1_0000;
    forbidden(world, &[(platform::GICD, PAGE), (platform::GICR, PAGE), (its + TRANSLATER, PAGE)])
}
