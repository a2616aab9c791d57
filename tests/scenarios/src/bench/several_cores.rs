// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Direct messages of four cores at once to a partition that has a vCPU for each.

use super::{
    ROUNDS,
    clock::{Clock, REPEAT_INSTRUCTIONS, pause, repeat},
    message, test_sp,
};
use crate::{ensure, report, scenario::Failure, world::World};
use arm_ffa::FuncId;
use core::sync::atomic::{AtomicU64, Ordering};
use nwd::{cores, counter};

/// Cores that send, the first among them.
const CORES: u64 = 4;
/// Seconds until a core counts as lost.
const PATIENCE: u64 = 60;

/// What the cores tell each other. They wait for each other so that all send at once.
static PARTITION: AtomicU64 = AtomicU64::new(0);
static MESSAGES: AtomicU64 = AtomicU64::new(0);
/// Cores that are about to send.
static READY: AtomicU64 = AtomicU64::new(0);
/// Cores that have sent.
static DONE: AtomicU64 = AtomicU64::new(0);
/// Messages that were answered as they should.
static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Counts what all cores together do for a message. The emulator runs one at a time, with one counter for all.
pub(super) fn count(world: &World, clock: &Clock) -> Result<(), Failure> {
    let ticks = all_send(world, ROUNDS)?;
    let each = clock.instructions(ticks, CORES * ROUNDS);
    report::bench("direct_message_4core", each.saturating_sub(REPEAT_INSTRUCTIONS));
    Ok(())
}

/// Lets each of four cores send so many messages at once, and returns the ticks that all took together. All have to be
/// answered.
pub(crate) fn all_send(world: &World, messages: u64) -> Result<u64, Failure> {
    ensure!(world.mailbox.cores == CORES, "{} cores in place of {CORES}", world.mailbox.cores);
    PARTITION.store(u64::from(test_sp(world)?), Ordering::SeqCst);
    MESSAGES.store(messages, Ordering::SeqCst);
    for count in [&READY, &DONE, &ANSWERED] {
        count.store(0, Ordering::SeqCst);
    }
    let others = 1..usize::try_from(CORES).unwrap_or(usize::MAX);
    for core in others.clone() {
        cores::run(world.machine.cores(), core, send)?;
    }
    let limit = counter::now().saturating_add(counter::frequency().saturating_mul(PATIENCE));
    while READY.load(Ordering::SeqCst) < CORES - 1 {
        ensure!(counter::now() < limit, "{} other cores are ready", READY.load(Ordering::SeqCst));
        pause();
    }
    let start = counter::now();
    send(0);
    while DONE.load(Ordering::SeqCst) < CORES && counter::now() < limit {
        pause();
    }
    let ticks = counter::now().saturating_sub(start);
    for core in others {
        cores::wait(world.machine.cores(), core, PATIENCE)?;
    }
    let answered = ANSWERED.load(Ordering::SeqCst);
    ensure!(answered == CORES * messages, "{answered} of {} messages were answered", CORES * messages);
    Ok(ticks)
}

/// On each core: waits for the others, and sends.
fn send(_: usize) {
    let Ok(to) = u16::try_from(PARTITION.load(Ordering::SeqCst)) else { return };
    READY.fetch_add(1, Ordering::SeqCst);
    while READY.load(Ordering::SeqCst) < CORES {
        pause();
    }
    let response = u64::from(u32::from(FuncId::MsgSendDirectResp64));
    let answered = repeat(&message(to, [0, 1, 2, 3, 4]), MESSAGES.load(Ordering::SeqCst), response);
    ANSWERED.fetch_add(answered, Ordering::SeqCst);
    DONE.fetch_add(1, Ordering::SeqCst);
}
