// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of the normal world while a partition runs for it (DEN0077A 9.3.1): FFA_INTERRUPT (14.4), by which the normal world
//! learns that the partition was preempted, and FFA_RUN, by which it lets it go on.

use crate::case::{Case, Instance};
use crate::endpoint::{Answer, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::Busy;
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::Interrupt,
        "preempts-and-goes-on",
        "9.3.1.1; 14.4",
        Instance::LATEST,
        preempted,
        work,
    ),
    Case::exchange(
        Interface::Interrupt,
        "virtual-timer-preempts",
        "9.3.1.1; 14.4",
        Instance::LATEST,
        preempted_by_virtual_timer,
        work,
    ),
    Case::exchange(Interface::Interrupt, "preempted-is-busy", "9.3.1.1; 8.3.2", Instance::NORMAL, busy, work),
    Case::exchange(Interface::Interrupt, "queued", "9.3.1.3", Instance::LATEST, queued, work),
];

/// Microseconds until the interrupt comes: the partition is at work by then.
const SOON: u64 = 2000;
/// Calls that a partition makes at work: many times as long.
const CALLS: u64 = 40_000;

/// Works for a while, and answers with what it was given.
fn work(endpoint: &mut dyn PartitionEndpoint, [calls, word, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    for _ in 0..calls {
        let answer = call(endpoint, FuncId::IdGet, &[]);
        answer.success()?;
        same(answer.w(2), u32::from(endpoint.id()))?;
    }
    Ok([word, calls, 0, 0])
}

/// Starts one of the normal world's timers, which interrupts after so many microseconds. Returns the interrupt's ID.
type Start = fn(&mut dyn NormalWorld, u64) -> u64;

/// Lets a partition work until the interrupt ends that, or the work is done. Returns what came back; the interrupt is there
/// then.
fn interrupt(normal: &mut dyn NormalWorld, start: Start, partner: Partner, word: u64) -> Outcome<Answer> {
    let number = normal.number();
    while normal.take_interrupt().is_some() {}
    let timer = start(normal, SOON);
    let answer = begin(normal.endpoint(), partner, number, [CALLS, word, 0, 0]);
    let taken = normal.take_interrupt();
    normal.stop_timer();
    ensure(taken == Some(timer), [taken.unwrap_or(u64::MAX), timer, answer.x(0)])?;
    Ok(answer)
}

/// Lets a preempted partition go on until it answers.
fn go_on(normal: &mut dyn NormalWorld, partner: Partner, word: u64) -> Outcome {
    let answer = call(normal.endpoint(), FuncId::Run32, &[ids(partner.id(), 0)]);
    let [back, calls, ..] = outcome_of(&answer, 0, partner)?;
    same(back, word)?;
    same(calls, CALLS)
}

fn preempted(normal: &mut dyn NormalWorld) -> Outcome {
    preempted_by(normal, |normal, microseconds| normal.start_timer(microseconds))
}

/// The partition has this timer's registers while it works, and the normal world's tick comes nonetheless.
fn preempted_by_virtual_timer(normal: &mut dyn NormalWorld) -> Outcome {
    preempted_by(normal, |normal, microseconds| normal.start_virtual_timer(microseconds))
}

fn preempted_by(normal: &mut dyn NormalWorld, start: Start) -> Outcome {
    for _ in 0..3 {
        let word = normal.random();
        let answer = interrupt(normal, start, Partner::PeerUp, word)?;
        answer.is(FuncId::Interrupt32)?;
        // Which vCPU; the interrupt is no affair of the SPMC's.
        same(answer.w(1), ids(Partner::PeerUp.id(), 0))?;
        for register in 2..8 {
            same(answer.w(register), 0_u32)?;
        }
        go_on(normal, Partner::PeerUp, word)?;
    }
    Ok(())
}

/// It is not waiting for messages.
fn busy(normal: &mut dyn NormalWorld) -> Outcome {
    let word = normal.random();
    let start: Start = |normal, microseconds| normal.start_timer(microseconds);
    interrupt(normal, start, Partner::PeerUp, word)?.is(FuncId::Interrupt32)?;
    let number = normal.number();
    let refused = begin(normal.endpoint(), Partner::PeerUp, number, [0; 4]).error(Busy);
    go_on(normal, Partner::PeerUp, word)?;
    refused
}

/// The interrupt waits until the partition has answered.
fn queued(normal: &mut dyn NormalWorld) -> Outcome {
    let word = normal.random();
    for start in
        [(|normal, microseconds| normal.start_timer(microseconds)) as Start, |normal, microseconds| {
            normal.start_virtual_timer(microseconds)
        }]
    {
        let answer = interrupt(normal, start, Partner::PeerMp, word)?;
        let [back, ..] = outcome_of(&answer, 0, Partner::PeerMp)?;
        same(back, word)?;
    }
    Ok(())
}
