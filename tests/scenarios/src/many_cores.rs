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
use ffa_abi::{SmmuIndex, Status};
use nwd::{
    cores, counter,
    iommu::{Iommu, IommuError},
};
use spin::mutex::SpinMutex;

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
/// The last core that was not served, and why.
static REFUSED: SpinMutex<Option<(usize, IommuError)>> = SpinMutex::new(None);

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
        let refused = *REFUSED.lock();
        ensure!(
            done == time * (CORES - 1),
            "round {time}: {on} cores came on, {done} domains in all, refused: {refused:?}"
        );
    }
    let (page, iova) = (world.page(0), world.iova(0x2000_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("{} domains made and freed by {} cores; then all bytes arrive", TIMES * (CORES - 1), CORES - 1)
}

/// On another core: once all are on, makes a domain and frees it.
fn make_and_free(index: usize) {
    ON.fetch_add(1, Ordering::SeqCst);
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while ON.load(Ordering::SeqCst) < CORES - 1 && counter::now() < limit {
        core::hint::spin_loop();
    }
    let Ok(partition) = u16::try_from(SERVICE.load(Ordering::SeqCst)) else { return };
    let iommu = Iommu::new(partition);
    let freed = patient(limit, || iommu.alloc(SmmuIndex(platform::DEVICE.smmu)))
        .and_then(|domain| patient(limit, || iommu.free(domain)));
    match freed {
        Ok(()) => _ = DONE.fetch_add(1, Ordering::SeqCst),
        Err(error) => *REFUSED.lock() = Some((index, error)),
    }
}

/// Repeats a request for as long as the service says that another core is in its way: ten cores at once are more than it waits for.
fn patient<T>(limit: u64, mut request: impl FnMut() -> Result<T, IommuError>) -> Result<T, IommuError> {
    loop {
        match request() {
            Err(IommuError::Status(Status::Busy)) if counter::now() < limit => core::hint::spin_loop(),
            answer => return answer,
        }
    }
}
