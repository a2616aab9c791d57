// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of partitions (DEN0077A 9.3.2), wherever their vCPU is.
//!
//! How a partition takes an interrupt is left to the SPMC (9.1); this suite does it by Hafnium's calls.

use super::interrupt_jobs::*;
use super::preempted_chains::go_on;
use crate::case::Case;
use crate::endpoint::call;
use crate::exchange::{NormalWorld, PartitionEndpoint, ask, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    about("timer-of-a-waiting-vcpu", "9.2.1, table 9.2; 9.3.2.1; 14.4.1", late_timers, timer_or_tell),
    about("device-of-a-waiting-vcpu", "9.2.1, table 9.2; 9.3.2.1; 14.4.1", device, device_or_tell),
    about("timer-of-a-running-vcpu", "9.3.2.2", own_interrupt, timer_while_running),
    about("wait-for-interrupt", "9.3.2.2", own_interrupt, timer_while_asleep),
    about("timer-of-a-blocked-vcpu", "9.3.2.1; table 9.2", yielded, timer_while_yielded),
    about("of-another-partition", "9.3.2.2; 9.2.4", in_the_middle, timer_or_work),
    about("not-the-partitions-own", "9.1", own_interrupt, foreign_interrupts),
    about("masked", "9.3.2.3", masked, timer_or_tell),
];

const fn about(
    name: &'static str,
    cites: &'static str,
    normal: fn(&mut dyn NormalWorld) -> Outcome,
    partition: crate::case::PartitionSide,
) -> Case {
    Case::exchange(Interface::Interrupt, name, cites, SECURE, normal, partition)
}

/// A timer that runs out while the normal world runs.
fn late_timers(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in [Partner::PeerMp, Partner::PeerUp] {
        ask(normal.endpoint(), partner, number, [job::TELL, 0, 0, 0])?;
        interrupted(normal, partner, (TIMER, 4 * SOON), &|normal| {
            let start = normal.now();
            ask(normal.endpoint(), partner, number, [job::TIMER, SOON, 0, 0])?;
            Ok(start + SOON)
        })?;
    }
    Ok(())
}

/// A device's interrupt while the normal world runs, twice: the second shows that the first was ended.
fn device(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let [intid, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [job::DEVICE, 0, 0, 0])?;
    for _ in 0..2 {
        interrupted(normal, Partner::PeerMp, (intid, SOON), &raise)?;
    }
    Ok(())
}

fn own_interrupt(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in [Partner::PeerMp, Partner::PeerUp] {
        ask(normal.endpoint(), partner, number, [0; 4])?;
    }
    Ok(())
}

/// Requires that the timer is signalled, by vIRQ, and is the only one there is.
fn take_timer(endpoint: &mut dyn PartitionEndpoint) -> Outcome {
    same(endpoint.hypercall([GET, 0, 0, 0]), TIMER)?;
    same(endpoint.hypercall([GET, 0, 0, 0]), NONE)?;
    let (irq, fiq) = endpoint.signalled();
    ensure(!irq && !fiq, [u64::from(irq), u64::from(fiq), 0])?;
    endpoint.set_timer(None);
    Ok(())
}

fn timer_while_running(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    enable(endpoint, TIMER)?;
    let start = endpoint.now();
    endpoint.set_timer(Some(start + SOON));
    while endpoint.signalled() != (true, false) {
        ensure(endpoint.now() < start + PATIENCE, [start, endpoint.now(), 0])?;
    }
    let at = endpoint.now();
    ensure(at >= start + SOON, [start, at, 0])?;
    take_timer(endpoint)?;
    Ok([0; 4])
}

fn timer_while_asleep(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    enable(endpoint, TIMER)?;
    let start = endpoint.now();
    endpoint.set_timer(Some(start + SOON));
    while endpoint.signalled() != (true, false) {
        ensure(endpoint.now() < start + PATIENCE, [start, endpoint.now(), 0])?;
        endpoint.wait();
    }
    take_timer(endpoint)?;
    Ok([0; 4])
}

/// It stays pending until the vCPU goes on, which FFA_INTERRUPT does not let it.
fn yielded(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for partner in [Partner::PeerMp, Partner::PeerUp] {
        begin(normal.endpoint(), partner, number, [0; 4]).is(FuncId::Yield32)?;
        pass(normal, 4 * SOON);
        let answer = go_on(normal, partner);
        outcome_of(&answer, 0, partner)?;
    }
    Ok(())
}

fn timer_while_yielded(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    enable(endpoint, TIMER)?;
    tell(endpoint);
    let deadline = endpoint.now() + SOON;
    endpoint.set_timer(Some(deadline));
    let answer = call(endpoint, FuncId::Yield32, &[]);
    answer.is(FuncId::Run32)?;
    ensure(endpoint.now() >= deadline, [deadline, endpoint.now(), 0])?;
    while !endpoint.signalled().0 {
        // The host may be late.
        ensure(endpoint.now() < deadline + PATIENCE, [deadline, endpoint.now(), 0])?;
    }
    take_timer(endpoint)?;
    let [count, ..] = tell(endpoint);
    same(count, 0_u64)?;
    Ok([0; 4])
}

/// One partition's timer runs out while another one works, which goes on afterwards.
fn in_the_middle(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    // On a busy host the timer may run out before the other one is at work, or after.
    let mut last = [0; 3];
    for _ in 0..TRIES {
        ask(normal.endpoint(), Partner::PeerMp, number, [job::TELL, 0, 0, 0])?;
        let start = normal.now();
        ask(normal.endpoint(), Partner::PeerMp, number, [job::TIMER, SOON, 0, 0])?;
        let [from, to, ..] = ask(normal.endpoint(), Partner::PeerUp, number, [job::WORK, 8 * SOON, 0, 0])?;
        let told = ask(normal.endpoint(), Partner::PeerMp, number, [job::TELL, 0, 0, 0])?;
        let [count, _, _, at] = told;
        if count == 1 && from <= at && at <= to {
            return interrupted_once(told, TIMER, [start + SOON, to]);
        }
        ensure(count <= 1, [count, 0, 0])?;
        last = [from, at, to];
    }
    Err(Failure::here(last))
}

fn timer_or_work(endpoint: &mut dyn PartitionEndpoint, words: [u64; 4]) -> Outcome<[u64; 4]> {
    let [what, ..] = words;
    if what == job::WORK { work(endpoint, words) } else { timer_or_tell(endpoint, words) }
}

/// No interrupt of others, and none that there is not, can be touched.
fn foreign_interrupts(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    for intid in [0, 8, 15, 16, 20, 27, 32, 33, 35, 1019, 1023, 0xffff_ffff] {
        same(endpoint.hypercall([ENABLE, intid, 1, 0]), FAILED)?;
        for what in 0..3 {
            same(endpoint.hypercall([RECONFIGURE, intid, what, 0]), FAILED)?;
        }
    }
    Ok([0; 4])
}

/// A vCPU that does not take its interrupt does not keep the core.
fn masked(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), Partner::PeerUp, number, [job::TELL, 0, 0, 0])?;
    ask(normal.endpoint(), Partner::PeerUp, number, [job::DISABLE, SOON, 0, 0])?;
    pass(normal, 4 * SOON);
    let [count, ..] = ask(normal.endpoint(), Partner::PeerUp, number, [job::TELL, 0, 0, 0])?;
    same(count, 0_u64)?;
    // Once it is enabled it comes, without being raised again.
    interrupted(normal, Partner::PeerUp, (TIMER, 4 * SOON), &|normal| {
        let start = normal.now();
        ask(normal.endpoint(), Partner::PeerUp, number, [job::TIMER, SOON, 0, 0])?;
        Ok(start)
    })
}
