// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All cores ask at the same time.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ffa_abi::{DeviceState, Iova, PhysAddr, SmmuIndex, Status, StreamId};
use nwd::{
    cores,
    iommu::{Iommu, IommuError},
};
use spin::mutex::SpinMutex;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "all-cores",
    claim: "While three other cores map, unmap and attach, the device's data stays right",
    expected: "every request of the others as asked; every transfer of the first core's device complete",
    audience: Everyone,
    cores: 4,
    run: all_cores,
}];

/// Cores beside the first.
const OTHERS: usize = 3;
/// What a core maps, per round.
const PAGES: u64 = 8;
const TRANSFERS: u32 = 6;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 20;

/// What the other cores need, and what they found.
struct Shared {
    partition: AtomicU64,
    memory: AtomicU64,
    stop: AtomicBool,
    rounds: [AtomicU64; OTHERS],
    busy: AtomicU64,
    failed: SpinMutex<Option<(usize, &'static str, Option<IommuError>)>>,
}

static SHARED: Shared = Shared {
    partition: AtomicU64::new(0),
    memory: AtomicU64::new(0),
    stop: AtomicBool::new(false),
    rounds: [const { AtomicU64::new(0) }; OTHERS],
    busy: AtomicU64::new(0),
    failed: SpinMutex::new(None),
};

fn all_cores(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x4_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let memory = world.machine.scratch().part(0x20_0000, OTHERS as u64 * PAGES * PAGE);
    SHARED.partition.store(u64::from(world.iommu.partition()), Ordering::SeqCst);
    SHARED.memory.store(memory.address().0, Ordering::SeqCst);
    SHARED.stop.store(false, Ordering::SeqCst);

    world.say(format_args!(
        "   Three more cores are switched on; each makes domains, maps, looks up, unmaps and frees."
    ));
    let affinities = world.machine.cores();
    for core in 1..=OTHERS {
        cores::run(affinities, core, other_core)?;
    }
    let result = transfers(world, iova, &page);
    SHARED.stop.store(true, Ordering::SeqCst);
    for core in 1..=OTHERS {
        cores::wait(affinities, core, PATIENCE)?;
    }
    result?;
    if let Some((core, what, error)) = *SHARED.failed.lock() {
        return Err(Failure::new(format_args!("core {core}: {what}: {error:?}")));
    }
    let rounds =
        [0, 1, 2].map(|core| SHARED.rounds.get(core).map_or(0, |count| count.load(Ordering::SeqCst)));
    ensure!(rounds.iter().all(|count| *count > 0), "rounds by core: {rounds:?}");
    let busy = SHARED.busy.load(Ordering::SeqCst);
    seen!(
        "rounds by core: {rounds:?}, busy answers: {busy}; {TRANSFERS} transfers each way: all bytes arrived"
    )
}

/// Works with the device while the others are at work, remapping its page each time.
fn transfers(world: &mut World, iova: Iova, page: &nwd::ram::Ram) -> Result<(), Failure> {
    for _ in 0..TRANSFERS {
        let pattern = world.load()?;
        require("a write", world.put(&pattern, iova, page)?, Arrival::All)?;
        require("a read", world.get(iova, page)?, Arrival::All)?;
    }
    Ok(())
}

/// One core's requests, over and over, in a domain of its own and with a device of its own where the policy has one.
fn other_core(core: usize) {
    let place = core - 1;
    let Ok(partition) = u16::try_from(SHARED.partition.load(Ordering::SeqCst)) else { return };
    let iommu = Iommu::new(partition);
    let spare = platform::DEVICES
        .iter()
        .enumerate()
        .filter(|(index, device)| device.host_may_hold && *index != platform::ALLOWED)
        .nth(place)
        .map(|(_, device)| StreamId(device.first_stream_id));
    let memory = SHARED.memory.load(Ordering::SeqCst) + place as u64 * PAGES * PAGE;
    while !SHARED.stop.load(Ordering::SeqCst) {
        if let Err((what, error)) = round(&iommu, spare, memory) {
            *SHARED.failed.lock() = Some((core, what, error));
            return;
        }
        if let Some(count) = SHARED.rounds.get(place) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

type Step<T> = Result<T, (&'static str, Option<IommuError>)>;

/// Repeats a request for as long as the service says that another core is in its way.
fn patient<T>(what: &'static str, mut request: impl FnMut() -> Result<T, IommuError>) -> Step<T> {
    for _ in 0..100_000 {
        match request() {
            Err(IommuError::Status(Status::Busy)) => {
                SHARED.busy.fetch_add(1, Ordering::Relaxed);
            }
            Ok(value) => return Ok(value),
            Err(error) => return Err((what, Some(error))),
        }
    }
    Err((what, Some(IommuError::Status(Status::Busy))))
}

fn round(iommu: &Iommu, spare: Option<StreamId>, memory: u64) -> Step<()> {
    let smmu = SmmuIndex(platform::DEVICE.smmu);
    let base = platform::DEVICE.iova_base;
    let domain = patient("alloc", || iommu.alloc(smmu))?;
    if let Some(sid) = spare {
        patient("attach", || iommu.set_state(smmu, sid, DeviceState::Paging(domain)))?;
    }
    for index in 0..PAGES {
        let (iova, pa) = (Iova(base + index * 2 * PAGE), PhysAddr(memory + index * PAGE));
        patient("map", || iommu.map(domain, iova, pa, PAGE, READ_WRITE))?;
    }
    for index in 0..PAGES {
        let found = patient("look up", || iommu.lookup(domain, Iova(base + index * 2 * PAGE)))?;
        if found != (PhysAddr(memory + index * PAGE), READ_WRITE) {
            return Err(("looked up another page", None));
        }
        match iommu.lookup(domain, Iova(base + index * 2 * PAGE + PAGE)) {
            Err(IommuError::Status(Status::NotMapped)) => {}
            other => return Err(("a page between is mapped", other.err())),
        }
    }
    patient("unmap", || iommu.unmap(domain, Iova(base), PAGES * 2 * PAGE))?;
    if let Some(sid) = spare {
        patient("block", || iommu.set_state(smmu, sid, DeviceState::Blocked))?;
    }
    patient("free", || iommu.free(domain))
}
