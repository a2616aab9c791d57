// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A machine with more cores than iommu-sp's image has stacks: it takes memory for one when the core comes on for the first
//! time, of what its manifest names.

use crate::{
    ensure, platform,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::SmmuIndex;
use nwd::{cores, counter, iommu::Iommu};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "more-cores-than-stacks",
    claim: "Each of ten cores is served, all at once, and again after it was off",
    expected: "each makes and frees a domain, twice; the device works afterwards",
    audience: Test,
    cores: CORES,
    run: served,
}];

const CORES: u64 = 10;
const TIMES: u64 = 2;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 30;

static SERVICE: AtomicU64 = AtomicU64::new(0);
/// Cores that are on, in this round.
static ON: AtomicU64 = AtomicU64::new(0);
/// Domains that were made and freed.
static DONE: AtomicU64 = AtomicU64::new(0);

fn served(world: &mut World) -> Outcome {
    let affinities = world.machine.cores();
    ensure!(affinities.len() as u64 >= CORES, "the description names {} cores", affinities.len());
    SERVICE.store(u64::from(world.iommu.partition()), Ordering::SeqCst);
    let others = 1..usize::try_from(CORES).unwrap_or(usize::MAX);
    for time in 1..=TIMES {
        ON.store(0, Ordering::SeqCst);
        for core in others.clone() {
            cores::run(affinities, core, make_and_free)?;
        }
        for core in others.clone() {
            cores::wait(affinities, core, PATIENCE)?;
        }
        let (on, done) = (ON.load(Ordering::SeqCst), DONE.load(Ordering::SeqCst));
        ensure!(done == time * (CORES - 1), "round {time}: {on} cores came on, {done} domains in all");
    }
    let (page, iova) = (world.page(0), world.iova(0x2000_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("{} domains made and freed by {} cores; then all bytes arrive", TIMES * (CORES - 1), CORES - 1)
}

/// On another core: once all are on, makes a domain and frees it.
fn make_and_free(_: usize) {
    ON.fetch_add(1, Ordering::SeqCst);
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while ON.load(Ordering::SeqCst) < CORES - 1 && counter::now() < limit {
        core::hint::spin_loop();
    }
    let Ok(partition) = u16::try_from(SERVICE.load(Ordering::SeqCst)) else { return };
    let iommu = Iommu::new(partition);
    let freed = iommu.alloc(SmmuIndex(platform::DEVICE.smmu)).and_then(|domain| iommu.free(domain));
    if freed.is_ok() {
        DONE.fetch_add(1, Ordering::SeqCst);
    }
}
