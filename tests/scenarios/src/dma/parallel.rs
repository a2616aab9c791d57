// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All cores ask at the same time, each for its own.

use super::others::{OTHERS, Step, memory, repeat, with_others};
use crate::{
    platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{DeviceState, Iova, PhysAddr, SmmuIndex, Status, StreamId};
use nwd::{
    iommu::{Iommu, IommuError},
    ram::Ram,
};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "all-cores",
    claim: "While three other cores map, unmap and attach, the device's data stays right",
    expected: "every request of the others as asked; every transfer of the first core's device complete",
    audience: Everyone,
    cores: 4,
    run: all_cores,
}];

/// What a core maps, per round.
const PAGES: u64 = 8;
const TRANSFERS: u32 = 6;
/// Requests that had to be repeated.
static BUSY: AtomicU64 = AtomicU64::new(0);

pub(crate) fn all_cores(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x4_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let memory = world.machine.scratch().part(0x20_0000, OTHERS as u64 * PAGES * PAGE);
    world.say(format_args!(
        "   Three more cores are switched on; each makes domains, maps, looks up, unmaps and frees."
    ));
    let rounds = with_others(world, memory.address(), other_core, |world| transfers(world, iova, &page))?;
    let busy = BUSY.load(Ordering::SeqCst);
    seen!(
        "rounds by core: {rounds:?}, busy answers: {busy}; {TRANSFERS} transfers each way: all bytes arrived"
    )
}

/// Works with the device while the others are at work.
fn transfers(world: &mut World, iova: Iova, page: &Ram) -> Result<(), Failure> {
    for _ in 0..TRANSFERS {
        let pattern = world.load()?;
        require("a write", world.put(&pattern, iova, page)?, Arrival::All)?;
        require("a read", world.get(iova, page)?, Arrival::All)?;
    }
    Ok(())
}

/// One core's requests in a domain of its own, with a device of its own where the policy has one.
fn other_core(core: usize) {
    let place = core - 1;
    let spare = platform::DEVICES
        .iter()
        .enumerate()
        .filter(|(index, device)| device.host_may_hold && *index != platform::ALLOWED)
        .nth(place)
        .map(|(_, device)| StreamId(device.first_stream_id));
    let memory = memory() + place as u64 * PAGES * PAGE;
    repeat(core, |iommu, _| round(iommu, spare, memory));
}

/// Repeats a request for as long as the service says that another core is in its way.
fn patient<T>(what: &'static str, mut request: impl FnMut() -> Result<T, IommuError>) -> Step<T> {
    for _ in 0..100_000 {
        match request() {
            Err(IommuError::Status(Status::Busy)) => {
                BUSY.fetch_add(1, Ordering::Relaxed);
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
        let between =
            patient("look between", || match iommu.lookup(domain, Iova(base + index * 2 * PAGE + PAGE)) {
                Err(IommuError::Status(Status::NotMapped)) => Ok(None),
                found => found.map(Some),
            })?;
        if between.is_some() {
            return Err(("a page between is mapped", None));
        }
    }
    patient("unmap", || iommu.unmap(domain, Iova(base), PAGES * 2 * PAGE))?;
    if let Some(sid) = spare {
        patient("block", || iommu.set_state(smmu, sid, DeviceState::Blocked))?;
    }
    patient("free", || iommu.free(domain))
}
