// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Direct messages of four cores at once to a partition that has a vCPU for each.
#![expect(unsafe_code, reason = "what is counted is written in assembly, so that nothing else is")]

use crate::{
    bench::{message, test_sp},
    ensure,
    scenario::Failure,
    world::World,
};
use arm_ffa::FuncId;
use core::{
    arch::{asm, global_asm},
    sync::atomic::{AtomicU64, Ordering},
};
use nwd::{cores, counter};

/// Cores that send, the first among them.
pub(crate) const CORES: u64 = 4;
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

/// Instructions of one of the rounds beside the call.
pub(crate) const ROUND_INSTRUCTIONS: u64 = 8;

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

global_asm!(
    r#"
    .section .text.together, "ax"
// x0: eight registers for a call, x1: how often, x2: the function that answers; returns x0: how many answers were its.
scenarios_repeat_smc:
    stp     x19, x20, [sp, #-32]!
    stp     x21, x22, [sp, #16]
    mov     x19, x0
    mov     x20, x1
    mov     x21, x2
    mov     x22, #0
1:  ldp     x2, x3, [x19, #16]
    ldp     x4, x5, [x19, #32]
    ldp     x6, x7, [x19, #48]
    ldp     x0, x1, [x19]
    smc     #0
    cmp     w0, w21
    cinc    x22, x22, eq
    subs    x20, x20, #1
    b.ne    1b
    mov     x0, x22
    ldp     x21, x22, [sp, #16]
    ldp     x19, x20, [sp], #32
    ret
"#
);

unsafe extern "C" {
    fn scenarios_repeat_smc(registers: &[u64; 8], times: u64, answer: u64) -> u64;
}

/// Makes a call by SMC `times` times with x0–x7 as given, and returns how many were answered by the function `answer`.
fn repeat(registers: &[u64; 8], times: u64, answer: u64) -> u64 {
    // SAFETY: SMCCC keeps x18 and up; what a direct message does to memory is up to the partition for tests.
    unsafe { scenarios_repeat_smc(registers, times, answer) }
}

/// Lets another core of an emulator that runs one at a time go on.
fn pause() {
    // SAFETY: a hint, which changes nothing.
    unsafe { asm!("yield", options(nomem, nostack, preserves_flags)) };
}
