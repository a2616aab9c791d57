// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Four cores map and unmap at once, each in a domain of its own. What all of them need is shared: the SMMU's command queue, the pool.
//! Nothing else is to be found taken.

use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    together::CORES,
    world::{PAGE, READ_WRITE, World},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{DomainHandle, Iova, PhysAddr};
use nwd::{
    cores, counter, ffa,
    iommu::{Iommu, IommuError},
};
use spin::mutex::SpinMutex;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "no-domain-waits",
    claim: "Four cores map and unmap a page 1,000 times each at once in domains of their own, and find no lock of another's taken",
    expected: "all is answered; locks of domains were taken each time; none but the SMMU's and the pool's was found taken",
    audience: Test,
    cores: CORES,
    run: no_domain_waits,
}];

const ROUNDS: u64 = 1000;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 200;
/// The request by which such a service tells what its locks have counted.
const COUNTS: u64 = 0xc057;
/// More kinds of locks than there are.
const MOST: u64 = 64;

/// What a core works with.
#[derive(Clone, Copy)]
struct Work {
    partition: u16,
    domain: DomainHandle,
    iova: Iova,
    page: PhysAddr,
}

static WORK: [SpinMutex<Option<Work>>; PLACES] = [const { SpinMutex::new(None) }; PLACES];
/// As many as there are cores.
const PLACES: usize = 4;
const _: () = assert!(PLACES as u64 == CORES);
/// Cores that are about to begin.
static READY: AtomicU64 = AtomicU64::new(0);
/// Rounds that went well.
static DONE: AtomicU64 = AtomicU64::new(0);
/// Why one did not.
static REFUSED: SpinMutex<Option<(usize, IommuError)>> = SpinMutex::new(None);

/// How often locks were taken, and found taken.
#[derive(Clone, Copy, Default)]
struct Counts {
    taken: u64,
    found_taken: u64,
}

fn no_domain_waits(world: &mut World) -> Outcome {
    ensure!(world.mailbox.cores == CORES, "{} cores in place of {CORES}", world.mailbox.cores);
    let partition = world.iommu.partition();
    for (index, work) in (0..).zip(&WORK) {
        let domain = world.domain()?;
        let (page, iova) = (world.page(index), world.iova(0x10_0000));
        // Its tables are there before it begins.
        world.map(domain, iova, &page, READ_WRITE)?;
        world.iommu.unmap(domain, iova, PAGE)?;
        *work.lock() = Some(Work { partition, domain, iova, page: page.address() });
    }
    let before = counts(partition)?;
    let others = 1..WORK.len();
    for core in others.clone() {
        cores::run(world.machine.cores(), core, map_and_unmap)?;
    }
    map_and_unmap(0);
    for core in others {
        cores::wait(world.machine.cores(), core, PATIENCE)?;
    }
    let after = counts(partition)?;
    let (done, refused) = (DONE.load(Ordering::SeqCst), *REFUSED.lock());
    ensure!(done == CORES * ROUNDS, "{done} of {} rounds went well, refused: {refused:?}", CORES * ROUNDS);
    let [own, shared] = [after.own.since(before.own), after.shared.since(before.shared)];
    let messages = 2 * done;
    ensure!(own.taken >= messages, "locks were taken {} times for {messages} messages", own.taken);
    ensure!(
        own.found_taken == 0,
        "{messages} messages answered, locks found taken {} times",
        own.found_taken
    );
    seen!(
        "{messages} messages answered; locks taken {} times, never found taken; of SMMU and pool {} times, {} found taken",
        own.taken,
        shared.taken,
        shared.found_taken
    )
}

/// On each core: once all are there, maps and unmaps.
fn map_and_unmap(index: usize) {
    let Some(Work { partition, domain, iova, page }) = WORK.get(index).and_then(|work| *work.lock()) else {
        return;
    };
    let iommu = Iommu::new(partition);
    READY.fetch_add(1, Ordering::SeqCst);
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while READY.load(Ordering::SeqCst) < CORES && counter::now() < limit {
        core::hint::spin_loop();
    }
    for _ in 0..ROUNDS {
        let mapped = iommu.map(domain, iova, page, PAGE, READ_WRITE);
        match mapped.and_then(|()| iommu.unmap(domain, iova, PAGE)) {
            Ok(()) => _ = DONE.fetch_add(1, Ordering::SeqCst),
            Err(error) => *REFUSED.lock() = Some((index, error)),
        }
    }
}

impl Counts {
    const fn since(self, before: Self) -> Self {
        Self {
            taken: self.taken.saturating_sub(before.taken),
            found_taken: self.found_taken.saturating_sub(before.found_taken),
        }
    }
}

/// What all locks have counted.
#[derive(Default)]
struct Sums {
    /// Those of domains, devices, pages.
    own: Counts,
    /// Those that all share who use an SMMU or the pool.
    shared: Counts,
}

fn counts(partition: u16) -> Result<Sums, Failure> {
    let mut sums = Sums::default();
    for place in 0..MOST {
        let [answer, taken, found_taken, shared, _] = ffa::direct(partition, [COUNTS, place, 0, 0, 0])?;
        if answer != 0 {
            ensure!(place != 0, "the service counts nothing: {answer:#x}");
            return Ok(sums);
        }
        let sum = if shared == 0 { &mut sums.own } else { &mut sums.shared };
        sum.taken = sum.taken.saturating_add(taken);
        sum.found_taken = sum.found_taken.saturating_add(found_taken);
    }
    Err(Failure::new(format_args!("there are more than {MOST} kinds of locks")))
}
