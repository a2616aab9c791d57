// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Faults by who may hold the device, and devices that do nothing but fault; and the hypervisor's look at the SMMU.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    smmu::switch_off,
    world::{Arrival, READ_WRITE, World, describe, require},
};
use ffa_abi::{DeviceState, FaultKind, HypRequest, PowerHint, SmmuRegisters, Status};
use nwd::{edu, iommu::IommuError, timer};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fault-of-the-hypervisor",
        claim: "What a device of the hypervisor's does is told to the hypervisor, and not to the kernel",
        expected: "its fault is not among the kernel's reports, and is the hypervisor's; the other way round alike",
        audience: Test,
        cores: 1,
        run: apart,
    },
    Scenario {
        name: "fault-storm-quarantined",
        claim: "A device that does nothing but fault is put into quarantine, told of once, and works when it is set again",
        expected: "a report of it; no byte arrives, and no report comes; then all bytes arrive",
        audience: Test,
        cores: 1,
        run: storm,
    },
    Scenario {
        name: "quarantine-by-the-hypervisor",
        claim: "The hypervisor silences a device of its own, and hears of it again when it takes it out",
        expected: "a fault is told before, none meanwhile, one after; the kernel's device is none of its",
        audience: Test,
        cores: 1,
        run: silenced,
    },
    Scenario {
        name: "smmu-checked-by-the-hypervisor",
        claim: "The hypervisor has an SMMU looked at, and it works again",
        expected: "CR0 is named; no byte arrives before, all afterwards",
        audience: Test,
        cores: 1,
        run: checked,
    },
];

/// Bytes of a transfer that is one fault.
const ONE: u16 = 4;
/// Until faults count anew, in microseconds.
const SECOND_US: u64 = 1_100_000;

/// Takes all reports of the hypervisor's, and returns how many there were.
fn drain(world: &World) -> Result<u64, Failure> {
    let hyp = world.hyp()?;
    let mut reports = 0;
    while hyp.fault()?.is_some() {
        reports += 1;
    }
    Ok(reports)
}

fn apart(world: &mut World) -> Outcome {
    let hyp = world.hyp()?;
    world.drain_faults()?;
    drain(world)?;
    let (ours, theirs) = (world.device, world.nobodys);
    theirs.write_ram(world.iova(0x5000), 0, ONE)?;
    ours.write_ram(world.iova(0x6000), 0, ONE)?;
    let Some(first) = world.iommu.fault()?.fault else {
        return Err(Failure::new(format_args!("the kernel's fault is not told")));
    };
    ensure!(first.sid == ours.stream(), "the kernel is told: {}", describe(&first));
    ensure!(world.drain_faults()? == (0, 0), "the kernel is told more");
    let Some(second) = hyp.fault()? else {
        return Err(Failure::new(format_args!("the hypervisor's fault is not told")));
    };
    ensure!(second.sid == theirs.stream(), "the hypervisor is told: {}", describe(&second));
    ensure!(drain(world)? == 0, "the hypervisor is told more");
    seen!("the kernel: {}; the hypervisor: {}", describe(&first), describe(&second))
}

fn storm(world: &mut World) -> Outcome {
    let (page, iova, nowhere) = (world.page(0), world.iova(0x3_0000), world.iova(0x1000_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("before", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.drain_faults()?;
    timer::sleep_us(SECOND_US);
    world.device.write_ram(nowhere, 0, edu::BUFFER_SIZE)?;
    let (mut told, mut others) = (0, 0);
    while let Some(fault) = world.iommu.fault()?.fault {
        ensure!(fault.sid == world.device.stream(), "{}", describe(&fault));
        match fault.kind {
            FaultKind::Quarantined => told += 1,
            _ => others += 1,
        }
    }
    ensure!(told == 1 && others > 0, "{told} reports of a quarantine, {others} others");
    require("in quarantine", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    world.device.write_ram(nowhere, 0, edu::BUFFER_SIZE)?;
    let unheard = world.drain_faults()?;
    ensure!(unheard == (0, 0), "{unheard:?} reports and drops from quarantine");
    ensure!(drain(world)? == 0, "the hypervisor is told");
    timer::sleep_us(SECOND_US);
    world.set(DeviceState::Paging(domain))?;
    require("set again", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!(
        "{others} reports, then that it is in quarantine; nothing arrived or was told; set again, all arrived"
    )
}

fn silenced(world: &mut World) -> Outcome {
    let (hyp, device, smmu) = (world.hyp()?, world.nobodys, world.smmu());
    let quarantine = |on| hyp.request(HypRequest::Quarantine { smmu, sid: device.stream(), on });
    drain(world)?;
    let at = world.iova(0x7000);
    let heard = |what: &str, wanted: u64| {
        device.write_ram(at, 0, ONE)?;
        let reports = drain(world)?;
        ensure!(reports == wanted, "{what}: {reports} reports, not {wanted}");
        Ok(())
    };
    heard("before", 1)?;
    quarantine(true)?;
    heard("meanwhile", 0)?;
    quarantine(false)?;
    heard("after", 1)?;
    let theirs = HypRequest::Quarantine { smmu, sid: world.device.stream(), on: true };
    refused("the kernel's", hyp.request(theirs), Status::Denied)?;
    seen!("told before and after, not meanwhile; the kernel's device is denied")
}

fn checked(world: &mut World) -> Outcome {
    let (hyp, page, iova) = (world.hyp()?, world.page(0), world.iova(0x8000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    switch_off()?;
    require("while it is off", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    let check = HypRequest::SmmuCheck(world.smmu(), PowerHint::None);
    let mut calls = 1;
    let differed = loop {
        match hyp.request(check) {
            Ok([differed, ..]) => break differed,
            Err(IommuError::Status(Status::Again)) if calls < 20 => calls += 1,
            Err(error) => return Err(error.into()),
        }
    };
    ensure!(differed == u64::from(SmmuRegisters::CR0.bits()), "{differed:#x} differed");
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.drain_faults()?;
    seen!("CR0 differed; works after {calls} call(s)")
}
