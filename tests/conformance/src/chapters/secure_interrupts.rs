// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of partitions (DEN0077A 9.3.2), wherever their vCPU is; and what those of the normal world come to where
//! partitions call each other (9.3.1.4). Where one wants to be asked is in `managed_exit`.
//!
//! How a partition takes an interrupt is left to the SPMC (9.1); this suite does it by Hafnium's calls.

use crate::case::{Case, Instance};
use crate::endpoint::{Answer, call, ids};
use crate::exchange::{Interruptions, NormalWorld, PartitionEndpoint, ask, begin, outcome_of};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
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

pub(super) const SECURE: &[Instance] = Instance::SECURE;
const fn about(
    name: &'static str,
    cites: &'static str,
    normal: fn(&mut dyn NormalWorld) -> Outcome,
    partition: crate::case::PartitionSide,
) -> Case {
    Case::exchange(Interface::Interrupt, name, cites, SECURE, normal, partition)
}

/// Hafnium's calls.
pub(super) const ENABLE: u64 = 0xff03;
pub(super) const GET: u64 = 0xff04;
pub(super) const RECONFIGURE: u64 = 0xff09;
/// Its virtual INTIDs.
pub(super) const TIMER: u64 = 3;
pub(super) const IPI: u64 = 9;
pub(super) const NONE: u64 = 0xffff_ffff;
pub(super) const FAILED: u64 = u64::MAX;

/// Ticks that are short, and long enough for a partition to set its timer and answer, on a busy host too: 5 ms or more.
pub(super) const SOON: u64 = 5_000_000;
/// Ticks until a wait counts as one for ever.
pub(super) const PATIENCE: u64 = 5_000_000_000;

/// What a partition is to do.
pub(super) mod job {
    pub(in super::super) const TELL: u64 = 0;
    pub(in super::super) const TIMER: u64 = 1;
    pub(in super::super) const DEVICE: u64 = 2;
    pub(in super::super) const WORK: u64 = 3;
    pub(in super::super) const DISABLE: u64 = 4;
    pub(in super::super) const SEND: u64 = 5;
    pub(in super::super) const LISTEN: u64 = 6;
    pub(in super::super) const TARGET: u64 = 7;
}

pub(super) fn enable(endpoint: &mut dyn PartitionEndpoint, intid: u64) -> Outcome {
    same(endpoint.hypercall([ENABLE, intid, 1, 0]), 0_u64)
}

fn tell(endpoint: &mut dyn PartitionEndpoint) -> [u64; 4] {
    let Interruptions { count, arrival: [w1, w2], taken, at } = endpoint.interruptions();
    [count, w1 << 32 | w2, taken, at]
}

/// Lets the counter go on for as long, on this core.
fn pass(normal: &mut dyn NormalWorld, ticks: u64) {
    let end = normal.now() + ticks;
    while normal.now() < end {}
}

/// Asks a partition what it was interrupted by after some time, and again while it was not: a busy host may be late. Returns
/// with it when that was.
fn told_after(normal: &mut dyn NormalWorld, partner: Partner, ticks: u64) -> Outcome<([u64; 4], u64)> {
    let number = normal.number();
    let start = normal.now();
    loop {
        pass(normal, ticks);
        let end = normal.now();
        let told = ask(normal.endpoint(), partner, number, [job::TELL, 0, 0, 0])?;
        let [count, ..] = told;
        if count != 0 || end > start + PATIENCE {
            return Ok((told, end));
        }
    }
}

/// Times that something is tried where a busy host can be late.
const TRIES: u32 = 20;

/// Requires that a partition is interrupted once, while the normal world runs, after `begin`, which returns the earliest time
/// for it. Tried again where the interrupt came with the question for it: then the host was late. Where none comes by itself,
/// that is so each time.
pub(super) fn interrupted(
    normal: &mut dyn NormalWorld,
    partner: Partner,
    (intid, ticks): (u64, u64),
    begin: &dyn Fn(&mut dyn NormalWorld) -> Outcome<u64>,
) -> Outcome {
    let mut last = [0; 3];
    for _ in 0..TRIES {
        let from = begin(normal)?;
        let (told, end) = told_after(normal, partner, ticks)?;
        let [.., at] = told;
        if at <= end {
            return interrupted_once(told, intid, [from, end]);
        }
        last = [from, at, end];
    }
    Err(Failure::here(last))
}

/// Requires that a vCPU was entered once for an interrupt, in the time between.
fn interrupted_once(told: [u64; 4], intid: u64, [from, to]: [u64; 2]) -> Outcome {
    let [count, arrival, taken, at] = told;
    same(count, 1_u64)?;
    // Endpoint and vCPU must be zero, and the ID is told.
    same(arrival, intid)?;
    same(taken, intid)?;
    ensure(from <= at && at <= to, [from, at, to])
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

pub(super) fn timer_or_tell(
    endpoint: &mut dyn PartitionEndpoint,
    [what, ticks, ..]: [u64; 4],
) -> Outcome<[u64; 4]> {
    match what {
        job::TIMER => {
            enable(endpoint, TIMER)?;
            let deadline = endpoint.now() + ticks;
            endpoint.set_timer(Some(deadline));
            Ok([0; 4])
        }
        job::DISABLE => {
            same(endpoint.hypercall([ENABLE, TIMER, 0, 0]), 0_u64)?;
            let deadline = endpoint.now() + ticks;
            endpoint.set_timer(Some(deadline));
            Ok([0; 4])
        }
        _ => Ok(tell(endpoint)),
    }
}

/// Lets the device interrupt, and returns when.
pub(super) fn raise(normal: &mut dyn NormalWorld) -> Outcome<u64> {
    let start = normal.now();
    normal.raise_device();
    Ok(start)
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

pub(super) fn device_or_tell(
    endpoint: &mut dyn PartitionEndpoint,
    [what, ..]: [u64; 4],
) -> Outcome<[u64; 4]> {
    if what == job::TELL {
        return Ok(tell(endpoint));
    }
    let intid = u64::from(endpoint.device());
    endpoint.quiet_device();
    enable(endpoint, intid)?;
    tell(endpoint);
    Ok([intid, 0, 0, 0])
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

/// Works for as many ticks, and tells when.
fn work(endpoint: &mut dyn PartitionEndpoint, [_, ticks, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let start = endpoint.now();
    while endpoint.now() < start + ticks {}
    Ok([start, endpoint.now(), 0, 0])
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

/// FFA_RUN of vCPU 0.
pub(super) fn go_on(normal: &mut dyn NormalWorld, partner: Partner) -> Answer {
    call(normal.endpoint(), FuncId::Run32, &[ids(partner.id(), 0)])
}

pub(super) const SOON_MICROSECONDS: u64 = 2000;

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
