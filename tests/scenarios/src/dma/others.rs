// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Work for the other cores while the first one does its own: what they need to know, and what they found.

use crate::{ensure, scenario::Failure, world::World};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ffa_abi::PhysAddr;
use nwd::{
    cores,
    iommu::{Iommu, IommuError},
    timer,
};
use spin::mutex::SpinMutex;

/// Cores beside the first.
pub(crate) const OTHERS: usize = 3;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 20;

/// What a core did, or what it was doing when it went wrong, with the service's answer where that was the reason.
pub(crate) type Step<T> = Result<T, (&'static str, Option<IommuError>)>;

struct Shared {
    partition: AtomicU64,
    memory: AtomicU64,
    stop: AtomicBool,
    rounds: [AtomicU64; OTHERS],
    failed: SpinMutex<Option<(usize, &'static str, Option<IommuError>)>>,
}

static SHARED: Shared = Shared {
    partition: AtomicU64::new(0),
    memory: AtomicU64::new(0),
    stop: AtomicBool::new(false),
    rounds: [const { AtomicU64::new(0) }; OTHERS],
    failed: SpinMutex::new(None),
};

/// Lets the other cores do their job over and over while this one does its own, and returns how many rounds each did.
pub(crate) fn with_others(
    world: &mut World,
    memory: PhysAddr,
    job: cores::Job,
    own: impl FnOnce(&mut World) -> Result<(), Failure>,
) -> Result<[u64; OTHERS], Failure> {
    SHARED.partition.store(u64::from(world.iommu.partition()), Ordering::SeqCst);
    SHARED.memory.store(memory.0, Ordering::SeqCst);
    SHARED.stop.store(false, Ordering::SeqCst);
    SHARED.rounds.iter().for_each(|count| count.store(0, Ordering::SeqCst));
    *SHARED.failed.lock() = None;
    let affinities = world.machine.cores();
    for core in 1..=OTHERS {
        cores::run(affinities, core, job)?;
    }
    let result = own(world);
    SHARED.stop.store(true, Ordering::SeqCst);
    for core in 1..=OTHERS {
        cores::wait(affinities, core, PATIENCE)?;
    }
    result?;
    if let Some((core, what, error)) = *SHARED.failed.lock() {
        return Err(Failure::new(format_args!("core {core}: {what}: {error:?}")));
    }
    let rounds = SHARED.rounds.each_ref().map(|count| count.load(Ordering::SeqCst));
    ensure!(rounds.iter().all(|count| *count > 0), "rounds by core: {rounds:?}");
    Ok(rounds)
}

/// Waits until each other core has done a round. Tells whether it has.
pub(super) fn all_were_at_work() -> bool {
    for _ in 0..PATIENCE * 1000 {
        if SHARED.rounds.iter().all(|count| count.load(Ordering::SeqCst) > 0) {
            return true;
        }
        timer::sleep_us(1000);
    }
    false
}

/// Returns the first address of the memory that the other cores share.
pub(crate) fn memory() -> u64 {
    SHARED.memory.load(Ordering::SeqCst)
}

/// On another core: does rounds until the first core says that it is enough.
pub(crate) fn repeat(core: usize, mut round: impl FnMut(&Iommu, usize) -> Step<()>) {
    let place = core - 1;
    let Ok(partition) = u16::try_from(SHARED.partition.load(Ordering::SeqCst)) else { return };
    let iommu = Iommu::new(partition);
    while !SHARED.stop.load(Ordering::SeqCst) {
        if let Err((what, error)) = round(&iommu, place) {
            *SHARED.failed.lock() = Some((core, what, error));
            return;
        }
        if let Some(count) = SHARED.rounds.get(place) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}
