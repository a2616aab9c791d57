// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts that a partition's vCPUs send each other. How is left to the SPMC (DEN0077A 9.1); this suite does it by Hafnium's
//! calls.

use super::doorbells::listen as listen_to_scheduler;
use super::interrupt_jobs::{ENABLE, FAILED, GET, IPI, NONE, PATIENCE, SECURE, SOON, enable, job};
use super::preempted_chains::go_on;
use crate::case::Case;
use crate::endpoint::{Endpoint, call};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask, ask_at_next_run, collect};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::{FfaError, FuncId};

pub(super) const CASES: &[Case] = &[
    Case::exchange(Interface::Interrupt, "between-vcpus", "9.1", SECURE, tell_each_other, tell_or_listen)
        .with_cores(4),
    Case::exchange(
        Interface::Interrupt,
        "to-a-waiting-vcpu",
        "9.1; 10.5; 16.7",
        SECURE,
        tell_one_that_waits,
        send_or_take,
    )
    .with_cores(2),
];

/// Hafnium's call.
const SEND_IPI: u64 = 0xff0a;

/// A vCPU makes an interrupt pending for those on the other cores, which run.
fn tell_each_other(normal: &mut dyn NormalWorld) -> Outcome {
    normal.with_other_cores(listen, |normal| {
        let number = normal.number();
        ask(normal.endpoint(), Partner::PeerMp, number, [job::SEND, 3, 0, 0]).map(|_| ())
    })
}

fn listen(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    let number = number_of(Interface::Interrupt, "between-vcpus")?;
    ask(endpoint, Partner::PeerMp, number, [job::LISTEN, core, 0, 0]).map(|_| ())
}

fn tell_or_listen(endpoint: &mut dyn PartitionEndpoint, [what, others, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let start = endpoint.now();
    match what {
        job::SEND => {
            // Some are not there yet, or anymore; those that are there see it.
            while endpoint.now() < start + 20 * SOON {
                for vcpu in 1..=others {
                    same(endpoint.hypercall([SEND_IPI, vcpu, 0, 0]), 0_u64)?;
                }
            }
            same(endpoint.hypercall([SEND_IPI, 8, 0, 0]), FAILED)?;
        }
        job::LISTEN => {
            enable(endpoint, IPI)?;
            while endpoint.signalled() != (true, false) {
                ensure(endpoint.now() < start + PATIENCE, [start, endpoint.now(), 0])?;
            }
            same(endpoint.hypercall([GET, 0, 0, 0]), IPI)?;
            same(endpoint.hypercall([ENABLE, IPI, 0, 0]), 0_u64)?;
        }
        _ => return Err(Failure::here([what, 0, 0])),
    }
    Ok([0; 4])
}

/// A vCPU makes an interrupt pending for the one on this core, which waits: the normal world is asked to run it, and told which
/// it is.
fn tell_one_that_waits(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerMp, number, [job::LISTEN, 0, 0, 0])?;
    ask_at_next_run(normal.endpoint(), Partner::PeerMp, number, [job::TELL, 0, 0, 0])?;
    let interrupt = listen_to_scheduler(normal)?;
    normal.with_other_cores(
        |endpoint, core| {
            let number = number_of(Interface::Interrupt, "to-a-waiting-vcpu")?;
            let send = [job::SEND, 0, 0, 0];
            if core == 1 { ask(endpoint, Partner::PeerMp, number, send).map(|_| ()) } else { Ok(()) }
        },
        |_| Ok(()),
    )?;
    let taken = normal.take_interrupt();
    normal.refuse_interrupt(interrupt);
    ensure(taken == Some(u64::from(interrupt)), [taken.unwrap_or(u64::MAX), 0, 0])?;
    let answer = call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]);
    answer.is(FuncId::Success64)?;
    // One list, with one vCPU.
    same(answer.x(2), 1_u64 << 12 | 1 << 7)?;
    same(answer.x(3), u64::from(Partner::PeerMp.id()))?;
    call(normal.endpoint(), FuncId::NotificationInfoGet64, &[]).error(FfaError::NoData)?;
    go_on(normal, Partner::PeerMp).is(FuncId::MsgWait32)?;
    let [taken, next, ..] = collect(normal.endpoint(), Partner::PeerMp)?;
    same(taken, IPI)?;
    same(next, NONE)
}

fn send_or_take(endpoint: &mut dyn PartitionEndpoint, [what, to, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    match what {
        job::SEND => same(endpoint.hypercall([SEND_IPI, to, 0, 0]), 0_u64)?,
        job::LISTEN => enable(endpoint, IPI)?,
        _ => {
            let taken = [0; 2].map(|_| endpoint.hypercall([GET, 0, 0, 0]));
            same(endpoint.hypercall([ENABLE, IPI, 0, 0]), 0_u64)?;
            return Ok([taken[0], taken[1], 0, 0]);
        }
    }
    Ok([0; 4])
}
