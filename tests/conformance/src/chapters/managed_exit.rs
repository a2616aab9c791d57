// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of the normal world while a partition works that wants to be asked to give the core back (DEN0077A 9.3.1.2). How
//! it is asked is left to the SPMC; this suite takes interrupts by Hafnium's calls.

use super::interrupt_jobs::{ENABLE, GET, NONE, PATIENCE, SOON, TIMER};
use super::preempted_chains::{SOON_MICROSECONDS, go_on, interrupt_soon, preempted_by_ours, take_ours};
use crate::case::{Case, Instance};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::Interrupt,
        "managed-exit",
        "9.3.1.2; 9.3.1.2.1",
        OLD_1_1,
        exited,
        work_until_exit,
    ),
    Case::exchange(
        Interface::Interrupt,
        "managed-exit-refused",
        "9.3.1.1; 9.3.1.2",
        OLD_1_1,
        preempted_instead,
        work_unasked,
    ),
];

/// The partition that speaks FF-A 1.1 exits when the normal world has an interrupt.
const OLD_1_1: &[Instance] =
    &[Instance { world: crate::case::World::Secure, version: arm_ffa::Version(1, 1) }];

/// Hafnium's virtual INTID.
const MANAGED_EXIT: u64 = 4;

/// The partition is asked once to give the core back, has another one's help meanwhile, which the interrupt waits for (rule 5), and
/// gives it back by its response.
fn exited(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for virtually in [false, true, false] {
        let start = normal.now();
        interrupt_soon(normal);
        if virtually {
            normal.stop_timer();
            normal.start_virtual_timer(SOON_MICROSECONDS);
        }
        let answer = begin(normal.endpoint(), Partner::Old11, number, [0; 4]);
        let pending = take_ours(normal);
        let [at, ..] = outcome_of(&answer, 0, Partner::Old11)?;
        ensure(pending && at > start, [u64::from(pending), start, at])?;
    }
    Ok(())
}

fn work_until_exit(endpoint: &mut dyn PartitionEndpoint, [helps, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if helps == 1 {
        return Ok([helps, 0, 0, 0]);
    }
    let start = endpoint.now();
    while endpoint.signalled() != (true, false) {
        ensure(endpoint.now() < start + PATIENCE, [start, endpoint.now(), 0])?;
    }
    same(endpoint.hypercall([GET, 0, 0, 0]), MANAGED_EXIT)?;
    same(endpoint.hypercall([GET, 0, 0, 0]), NONE)?;
    let number = number_of(Interface::Interrupt, "managed-exit")?;
    // By itself it would be preempted.
    ask(endpoint, Partner::PeerUp, number, [1, 0, 0, 0])?;
    ensure(endpoint.signalled() == (false, false), [0; 3])?;
    same(endpoint.hypercall([GET, 0, 0, 0]), NONE)?;
    Ok([endpoint.now(), 0, 0, 0])
}

/// What the partition is to do that does not want to be asked.
mod job {
    pub(super) const SWITCH: u64 = 0;
    pub(super) const WORK: u64 = 1;
    pub(super) const SLEEP: u64 = 2;
}

/// A partition that has switched the interrupt off by which it would be asked is preempted: it could not know, and the normal
/// world would wait for ever.
fn preempted_instead(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::Old11, number, [job::SWITCH, 0, 0, 0])?;
    let preempted = [job::WORK, job::SLEEP].into_iter().try_for_each(|what| {
        interrupt_soon(normal);
        let answer = begin(normal.endpoint(), Partner::Old11, number, [what, 0, 0, 0]);
        preempted_by_ours(normal, &answer, Partner::Old11)?;
        let answer = go_on(normal, Partner::Old11);
        outcome_of(&answer, 0, Partner::Old11).map(|_| ())
    });
    ask(normal.endpoint(), Partner::Old11, number, [job::SWITCH, 1, 0, 0])?;
    preempted
}

fn work_unasked(endpoint: &mut dyn PartitionEndpoint, [what, on, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let end = endpoint.now() + 16 * SOON;
    match what {
        job::SWITCH => same(endpoint.hypercall([ENABLE, MANAGED_EXIT, on, 0]), 0_u64)?,
        job::SLEEP => {
            // On a busy host the normal world's interrupt may have come already.
            same(endpoint.hypercall([ENABLE, TIMER, 1, 0]), 0_u64)?;
            endpoint.set_timer(Some(end));
            endpoint.wait();
            endpoint.set_timer(None);
        }
        _ => while endpoint.now() < end {},
    }
    Ok([0; 4])
}
