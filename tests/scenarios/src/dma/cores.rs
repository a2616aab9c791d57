// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores that go off and come on again: a kernel does that as often as it likes.

use super::others::{OTHERS, all_were_at_work, repeat, with_others};
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use nwd::{
    core_off::{bring_back, go_off, is_off},
    cores, counter, timer,
};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "cores-come-and-go",
    claim: "The service serves each core however often that goes off and comes on again, the first core too",
    expected: "each core comes on more often than the service has stacks, and is answered each time",
    audience: Test,
    cores: 4,
    run: come_and_go,
}];

/// How often each core comes on: three of them are more than eight contexts together, each is more than that alone.
const TIMES: u64 = 10;
/// Seconds until something counts as not happening.
const PATIENCE: u64 = 20;
/// The core that switches the first one on again.
const OTHER: usize = 1;

/// Affinity of the first core.
static FIRST: AtomicU64 = AtomicU64::new(0);
static OTHER_IS_ON: AtomicBool = AtomicBool::new(false);
static FIRST_IS_BACK: AtomicBool = AtomicBool::new(false);

fn come_and_go(world: &mut World) -> Outcome {
    let memory = world.page(0).address();
    for _ in 0..TIMES {
        // Each of the others comes on, is answered at least once, and goes off.
        with_others(world, memory, ask, |_| {
            ensure!(all_were_at_work(), "a core is not answered");
            Ok(())
        })?;
    }
    let affinities = world.machine.cores();
    let first = *affinities.first().ok_or(Failure::new(format_args!("no core has an affinity")))?;
    FIRST.store(first, Ordering::SeqCst);
    for _ in 0..TIMES {
        OTHER_IS_ON.store(false, Ordering::SeqCst);
        FIRST_IS_BACK.store(false, Ordering::SeqCst);
        cores::run(affinities, OTHER, switch_first_on)?;
        ensure!(comes(|| OTHER_IS_ON.load(Ordering::SeqCst)), "the other core does not come on");
        go_off()?;
        FIRST_IS_BACK.store(true, Ordering::SeqCst);
        world.machine.receive(0, timer::INTERRUPT);
        cores::wait(affinities, OTHER, PATIENCE)?;
        world.iommu.version()?;
    }
    let (page, iova) = (world.page(0), world.iova(0x2000_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("after all that", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("{OTHERS} cores and the first one: {TIMES} times off and on, answered each time; all bytes arrive")
}

/// On another core: asks the service, once and again.
fn ask(core: usize) {
    repeat(core, |iommu, _| match iommu.version() {
        Ok(_) => Ok(()),
        Err(error) => Err(("asking for the version", Some(error))),
    });
}

/// On another core: waits until the first is off, and switches it on again. Stays on until then, so that firmware always
/// has a core to give interrupts to.
fn switch_first_on(_: usize) {
    OTHER_IS_ON.store(true, Ordering::SeqCst);
    let first = FIRST.load(Ordering::SeqCst);
    comes(|| is_off(first));
    // Without the first core the run does not end, and its limit says so.
    let _: Result<(), cores::CoreError> = bring_back(first);
    comes(|| FIRST_IS_BACK.load(Ordering::SeqCst));
}

/// Waits until something holds, without sleep: the other core has no timer. Tells whether it does.
fn comes(holds: impl Fn() -> bool) -> bool {
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while counter::now() < limit {
        if holds() {
            return true;
        }
        core::hint::spin_loop();
    }
    false
}
