// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service aborts, in an image for this, and starts again: no device reaches memory by what the earlier life has mapped.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use arm_ffa::FfaError;
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::DeviceState;
use nwd::{
    cores,
    ffa::{self, CallError},
    iommu::IommuError,
    timer,
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "service-starts-again",
    claim: "A service that aborts while a device is attached serves again, on all cores, and has all DMA aborted before",
    expected: "ABORTED for the request; once it serves, none of the device's bytes arrive; old handles are none; a new mapping works",
    audience: Test,
    cores: 1,
    run: starts_again,
}];

/// A request that makes the service abort, if it was compiled with `broken-abort`.
const ABORT: u64 = 0xab0f;
const LIVES: u64 = 3;

fn starts_again(world: &mut World) -> Outcome {
    let service = world.iommu.partition();
    let others =
        usize::try_from(world.mailbox.cores).unwrap_or(1).min(world.machine.cores().len()).min(CORES);
    SERVICE.store(u64::from(service), Ordering::SeqCst);
    for core in 1..others {
        cores::run(world.machine.cores(), core, keep_asking)?;
    }
    let (page, iova) = (world.page(0), world.iova(0x7_0000));
    for life in 1..=LIVES {
        let domain = world.attached_domain()?;
        world.map(domain, iova, &page, READ_WRITE)?;
        let pattern = world.load()?;
        require("mapped", world.put(&pattern, iova, &page)?, Arrival::All)?;
        heard_from(others)?;
        let answer = ffa::direct(service, [ABORT, 0, 0, 0, 0]);
        ensure!(answer == Err(CallError::Ffa(FfaError::Aborted)), "the request to abort: {answer:x?}");
        serves_again(service)?;
        require("after the abort", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
        let old = world.iommu.lookup(domain, iova);
        ensure!(matches!(old, Err(IommuError::Status(_))), "life {life}'s domain: {old:x?}");
        let (smmu, stream) = (world.smmu(), world.device.stream());
        let attached = world.iommu.set_state(smmu, stream, DeviceState::Paging(domain));
        ensure!(attached.is_err(), "life {life}'s domain can be attached to");
        world.forget_all();
    }
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("mapped anew", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, page.size())?;
    require("and unmapped", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    heard_from(others)?;
    DONE.store(1, Ordering::SeqCst);
    for core in 1..others {
        cores::wait(world.machine.cores(), core, 20)?;
    }
    let wrong = WRONG.load(Ordering::SeqCst);
    ensure!(wrong == 0, "another core got something else than an answer, ABORTED or BUSY: {wrong} times");
    seen!(
        "{LIVES} lives ended with a device attached; none of its bytes arrived; served again on {others} core(s)"
    )
}

const CORES: usize = 4;
static SERVICE: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);
static WRONG: AtomicU64 = AtomicU64::new(0);
/// Answers by core.
static ANSWERS: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
/// Milliseconds until a core counts as lost.
const PATIENCE_MS: u32 = 20_000;

/// Waits until the service serves this core again: another one may have been the last to leave it, and then starts it.
fn serves_again(service: u16) -> Result<(), Failure> {
    for _ in 0..PATIENCE_MS {
        match ffa::direct(service, [0; 5]) {
            Ok(_) => return Ok(()),
            Err(CallError::Ffa(FfaError::Aborted | FfaError::Busy)) => timer::sleep_us(1000),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::new(format_args!("the service does not serve again")))
}

/// Waits until the service has answered each other core anew.
fn heard_from(others: usize) -> Result<(), Failure> {
    for (core, answers) in ANSWERS.iter().enumerate().take(others).skip(1) {
        let before = answers.load(Ordering::SeqCst);
        let mut waited = 0;
        // The first may have been answered already when this was asked.
        while answers.load(Ordering::SeqCst) < before + 2 {
            ensure!(waited < PATIENCE_MS, "core {core} is not answered any more, after {before} answers");
            timer::sleep_us(1000);
            waited += 1;
        }
    }
    Ok(())
}

/// Another core's part: it asks the service for its version again and again.
fn keep_asking(core: usize) {
    let Ok(to) = u16::try_from(SERVICE.load(Ordering::SeqCst)) else { return };
    let Some(answers) = ANSWERS.get(core) else { return };
    while DONE.load(Ordering::SeqCst) == 0 {
        match ffa::direct(to, [0; 5]) {
            Ok(_) => answers.fetch_add(1, Ordering::SeqCst),
            Err(CallError::Ffa(FfaError::Aborted | FfaError::Busy)) => 0,
            Err(_) => WRONG.fetch_add(1, Ordering::SeqCst),
        };
    }
}
