// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that faults is stopped, and nobody else is.

use super::{command, memory::lend_and_return, messages::test_sp};
use crate::{
    ensure, platform,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, World, require},
};
use arm_ffa::FfaError;
use core::sync::atomic::{AtomicU64, Ordering};
use nwd::{
    cores,
    ffa::{self, CallError},
    timer,
};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "partition-fault",
    claim: "A partition that faults is stopped, its callers are told, and the service goes on",
    expected: "answers before; ABORTED for the fault (next to its memory) and all messages after, from any core; the service's DMA works",
    audience: Test,
    cores: 1,
    run: fault,
}];

fn fault(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let (page, iova) = (world.page(0), world.iova(0x5_0000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let before = ffa::direct(to, [command::ECHO, 1, 2, 3, 4])?;
    ensure!(before == [command::ECHO, 1, 2, 3, 4], "before: {before:x?}");
    // It can be stopped only once a run: by memory that it gave back and can no longer reach, by an address that is not its
    // own (the last one before its memory or the first one behind it, so that a page too much is noticed), or by an
    // instruction that is none.
    let cause = if world.mailbox.cores == 1 {
        let (start, size) = platform::TEST_SP;
        match world.mailbox.seed & 3 {
            0 => [command::READ, start - 8, 0, 0, 0],
            1 => [command::READ, start + size, 0, 0, 0],
            _ => [command::READ, lend_and_return(world)?, 0, 2, 0],
        }
    } else {
        [command::UNDEFINED, 0, 0, 0, 0]
    };
    let aborted = Err(CallError::Ffa(FfaError::Aborted));
    let others =
        usize::try_from(world.mailbox.cores).unwrap_or(1).min(world.machine.cores().len()).min(CORES);
    TARGET.store(u64::from(to), Ordering::SeqCst);
    for core in 1..others {
        cores::run(world.machine.cores(), core, until_aborted)?;
    }
    // Until all of them are in the middle of it.
    let talking = || SEEN.iter().take(others).skip(1).all(|seen| seen.load(Ordering::SeqCst) > 0);
    for _ in 0..PATIENCE_MS {
        if talking() {
            break;
        }
        timer::sleep_us(1000);
    }
    let answer = ffa::direct(to, cause);
    for core in 1..others {
        cores::wait(world.machine.cores(), core, 20)?;
    }
    ensure!(answer == aborted, "the faulting message: {answer:x?}");
    for (core, seen) in SEEN.iter().enumerate().take(others).skip(1) {
        let seen = seen.load(Ordering::SeqCst);
        ensure!(seen > ENDED, "core {core}: {seen:#x} echoes, and no ABORTED after them");
    }
    for _ in 0..3 {
        let answer = ffa::direct(to, [command::ECHO, 1, 2, 3, 4]);
        ensure!(answer == aborted, "a message afterwards: {answer:x?}");
    }
    require("the service, afterwards", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, page.size())?;
    require("and after unmap", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    seen!("ABORTED, four times and to {} other cores; the service's transfers go on", others - 1)
}

const CORES: usize = 4;
static TARGET: AtomicU64 = AtomicU64::new(0);
/// By core: echoes that came back, and [`ENDED`] once the answer was ABORTED instead.
static SEEN: [AtomicU64; CORES] = [const { AtomicU64::new(0) }; CORES];
const ENDED: u64 = 1 << 32;
/// Milliseconds until a core counts as lost.
const PATIENCE_MS: u32 = 10_000;

/// Another core's part: it talks to the partition until that is stopped.
fn until_aborted(core: usize) {
    const PATIENCE: u32 = 2_000_000;
    let Ok(to) = u16::try_from(TARGET.load(Ordering::SeqCst)) else { return };
    let Some(seen) = SEEN.get(core) else { return };
    let echo = [command::ECHO, core as u64, 2, 3, 4];
    for _ in 0..PATIENCE {
        match ffa::direct(to, echo) {
            Ok(answer) if answer == echo => {
                seen.fetch_add(1, Ordering::SeqCst);
            }
            Err(CallError::Ffa(FfaError::Aborted)) => {
                seen.fetch_add(ENDED, Ordering::SeqCst);
                return;
            }
            _ => return,
        }
    }
}
