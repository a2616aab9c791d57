// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What interrupts of the normal world come to where partitions call each other (DEN0077A 9.3.1.4). Where one wants to be asked is in
//! `managed_exit`.

use super::interrupt_jobs::{SECURE, SOON, TRIES, work};
use crate::case::Case;
use crate::endpoint::{Answer, call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::Interrupt,
        "preempts-a-chain",
        "9.3.1.1; 9.2.4",
        SECURE,
        preempted_chain,
        work_by_another,
    ),
    Case::exchange(
        Interface::Interrupt,
        "queued-for-the-caller",
        "9.3.1.4",
        SECURE,
        queued_chain,
        work_by_another,
    ),
];

pub(super) const SOON_MICROSECONDS: u64 = 2000;

/// FFA_RUN of vCPU 0.
pub(super) fn go_on(normal: &mut dyn NormalWorld, partner: Partner) -> Answer {
    call(normal.endpoint(), FuncId::Run32, &[ids(partner.id(), 0)])
}

/// Lets an interrupt of the normal world come while a partition works.
pub(super) fn interrupt_soon(normal: &mut dyn NormalWorld) {
    while normal.take_interrupt().is_some() {}
    normal.start_timer(SOON_MICROSECONDS);
}

/// Tells whether it has come, and ends it.
pub(super) fn take_ours(normal: &mut dyn NormalWorld) -> bool {
    let taken = normal.take_interrupt();
    normal.stop_timer();
    taken.is_some()
}

/// Requires that a partition was preempted by the normal world's interrupt, which is pending.
pub(super) fn preempted_by_ours(normal: &mut dyn NormalWorld, answer: &Answer, partner: Partner) -> Outcome {
    let pending = take_ours(normal);
    answer.is(FuncId::Interrupt32)?;
    same(answer.x(1), ids(partner.id(), 0))?;
    for number in 2..8 {
        same(answer.x(number), 0_u64)?;
    }
    ensure(pending, [answer.x(0), 0, 0])
}

/// Lets another partition work, and goes on whenever it is told to.
fn work_by_another(endpoint: &mut dyn PartitionEndpoint, [whom, ticks, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let number = number_of(Interface::Interrupt, "preempts-a-chain")?;
    let Some(partner) = Partner::ALL.into_iter().find(|partner| u64::from(partner.id()) == whom) else {
        return work(endpoint, [0, ticks, 0, 0]);
    };
    let mut answer = begin(endpoint, partner, number, [0, ticks, 0, 0]);
    let mut interruptions = 0;
    while answer.is(FuncId::Interrupt32).is_ok() {
        same(answer.x(1), ids(partner.id(), 0))?;
        interruptions += 1;
        ensure(interruptions < 1000, [interruptions, 0, 0])?;
        answer = call(endpoint, FuncId::Run32, &[ids(partner.id(), 0)]);
    }
    let [from, to, ..] = outcome_of(&answer, endpoint.id(), partner)?;
    ensure(to - from >= ticks, [from, to, ticks])?;
    Ok([interruptions, 0, 0, 0])
}

/// Old11 exits at an interrupt, PeerUp is preempted: where PeerUp lets PeerMp work, whose interrupts wait, only PeerUp is told.
fn preempted_chain(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    // PeerMp queues: while it works for PeerUp the interrupt waits, and PeerUp is preempted when it has its answer.
    interrupt_soon(normal);
    let to = u64::from(Partner::PeerMp.id());
    let answer = begin(normal.endpoint(), Partner::PeerUp, number, [to, 8 * SOON, 0, 0]);
    preempted_by_ours(normal, &answer, Partner::PeerUp)?;
    let answer = go_on(normal, Partner::PeerUp);
    let [interruptions, ..] = outcome_of(&answer, 0, Partner::PeerUp)?;
    same(interruptions, 0_u64)
}

/// Where the caller's interrupts wait, they wait for the callee, which would be preempted otherwise.
fn queued_chain(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for _ in 0..TRIES {
        interrupt_soon(normal);
        let to = u64::from(Partner::PeerUp.id());
        let answer = begin(normal.endpoint(), Partner::PeerMp, number, [to, 8 * SOON, 0, 0]);
        let pending = take_ours(normal);
        let [interruptions, ..] = outcome_of(&answer, 0, Partner::PeerMp)?;
        same(interruptions, 0_u64)?;
        // Otherwise the host was late with the interrupt, and there was nothing to wait.
        if pending {
            return Ok(());
        }
    }
    Err(Failure::here([0; 3]))
}
