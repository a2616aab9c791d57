// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the service does by itself, when the SMMU interrupts: seen in the SMMU's registers, before any message.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    smmu::{
        BOTH_INTERRUPTS, EVENTQ_ABT_ERR, EVENTQ_CONS, EVENTQ_PROD, GERROR, GERRORN, IRQ_CTRL,
        fill_event_queue,
    },
    world::{World, describe},
};
use ffa_abi::{FaultKind, Iova};
use nwd::{edu, timer};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fault-interrupt",
        claim: "A stopped transfer is taken note of when it happens, not when somebody asks",
        expected: "the SMMU's record is taken before any message, and its report is there when it is asked for",
        audience: Test,
        cores: 1,
        run: fault,
    },
    Scenario {
        name: "fault-interrupt-storm",
        claim: "A device that does nothing but fault cannot keep the service at work",
        expected: "some records are taken, then the SMMU's interrupts are off; on again once reports are asked for",
        audience: Test,
        cores: 1,
        run: storm,
    },
    Scenario {
        name: "error-interrupt",
        claim: "An SMMU that cannot write a record says so, and that is mended when it happens",
        expected: "the error is acknowledged and the event queue works before any message; the loss is counted",
        audience: Test,
        cores: 1,
        run: error,
    },
];

/// How often, and how long each time, in microseconds, something is waited for that an interrupt should do at once.
const TRIES: u32 = 100;
const WAIT_US: u64 = 1_000;
/// Bytes of a transfer that is one fault.
pub(super) const ONE: u16 = 4;

/// Waits until something holds; tells whether it does.
pub(super) fn comes(mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        if holds()? {
            return Ok(true);
        }
        timer::sleep_us(WAIT_US);
    }
    Ok(false)
}

/// Attaches the device to an empty domain, and takes the reports that there are. Returns where it finds nothing.
pub(super) fn prepare(world: &mut World) -> Result<Iova, Failure> {
    world.attached_domain()?;
    world.drain_faults()?;
    let (enabled, left) = (IRQ_CTRL.read()?, EVENTQ_PROD.read()? ^ EVENTQ_CONS.read()?);
    ensure!(enabled == BOTH_INTERRUPTS && left == 0, "IRQ_CTRL {enabled:#x}, indices differ by {left:#x}");
    Ok(world.iova(0x2000_0000))
}

fn fault(world: &mut World) -> Outcome {
    let nowhere = prepare(world)?;
    let before = EVENTQ_CONS.read()?;
    world.device.write_ram(nowhere, 0, ONE)?;
    let taken = comes(|| Ok(EVENTQ_CONS.read()? != before))?;
    let (producer, consumer) = (EVENTQ_PROD.read()?, EVENTQ_CONS.read()?);
    ensure!(
        taken && producer == consumer,
        "records from {before:#x} to {producer:#x}, read to {consumer:#x}"
    );
    let Some(fault) = world.fault_of(world.device.stream())? else {
        return Err(Failure::new(format_args!("the record was taken and not reported")));
    };
    ensure!(fault.iova == nowhere && fault.kind == FaultKind::Translation, "{}", describe(&fault));
    seen!("record {before:#x} taken before any message; then {}", describe(&fault))
}

fn storm(world: &mut World) -> Outcome {
    let nowhere = prepare(world)?;
    let before = EVENTQ_CONS.read()?;
    world.device.write_ram(nowhere, 0, edu::BUFFER_SIZE)?;
    let off = comes(|| Ok(IRQ_CTRL.read()? == 0))?;
    let (producer, consumer) = (EVENTQ_PROD.read()?, EVENTQ_CONS.read()?);
    let (taken, left) = (consumer.wrapping_sub(before), producer.wrapping_sub(consumer));
    ensure!(off, "IRQ_CTRL {:#x}: {taken:#x} records taken, {left:#x} left", IRQ_CTRL.read()?);
    ensure!(taken != 0 && left != 0, "{taken:#x} records taken, {left:#x} left");
    let (reports, dropped) = world.drain_faults()?;
    ensure!(reports > 0 && IRQ_CTRL.read()? == BOTH_INTERRUPTS, "{reports} reports, and interrupts are off");
    let consumer = EVENTQ_CONS.read()?;
    world.device.write_ram(nowhere, 0, ONE)?;
    ensure!(comes(|| Ok(EVENTQ_CONS.read()? != consumer))?, "the next record was not taken");
    seen!("{taken:#x} records taken, then none; {reports} reports and {dropped} dropped, then the next one")
}

fn error(world: &mut World) -> Outcome {
    let nowhere = prepare(world)?;
    let before = GERROR.read()?;
    fill_event_queue()?;
    world.device.write_ram(nowhere, 0, ONE)?;
    let told = comes(|| Ok((GERROR.read()? ^ before) & EVENTQ_ABT_ERR != 0))?;
    let acknowledged = comes(|| Ok(GERROR.read()? == GERRORN.read()?))?;
    let mended = comes(|| Ok(EVENTQ_PROD.read()? == EVENTQ_CONS.read()?))?;
    ensure!(told && acknowledged && mended, "told {told}, acknowledged {acknowledged}, mended {mended}");
    let (reports, dropped) = world.drain_faults()?;
    ensure!(dropped > 0, "{reports} reports, and none counted as lost");
    world.device.write_ram(nowhere, 0, ONE)?;
    let Some(fault) = world.fault_of(world.device.stream())? else {
        return Err(Failure::new(format_args!("the next fault was not reported")));
    };
    seen!("acknowledged and mended before any message; {dropped} lost; then {}", describe(&fault))
}
