// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What partitions do about interrupts when they are asked, by Hafnium's calls; and how the normal world learns what came of it.

use crate::case::Instance;
use crate::exchange::{Interruptions, NormalWorld, PartitionEndpoint, ask};
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;

pub(super) const SECURE: &[Instance] = Instance::SECURE;
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
/// Times that something is tried where a busy host can be late.
pub(super) const TRIES: u32 = 20;

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

pub(super) fn tell(endpoint: &mut dyn PartitionEndpoint) -> [u64; 4] {
    let Interruptions { count, arrival: [w1, w2], taken, at } = endpoint.interruptions();
    [count, w1 << 32 | w2, taken, at]
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

/// Works for as many ticks, and tells when.
pub(super) fn work(endpoint: &mut dyn PartitionEndpoint, [_, ticks, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let start = endpoint.now();
    while endpoint.now() < start + ticks {}
    Ok([start, endpoint.now(), 0, 0])
}

/// Lets the counter go on for as long, on this core.
pub(super) fn pass(normal: &mut dyn NormalWorld, ticks: u64) {
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
pub(super) fn interrupted_once(told: [u64; 4], intid: u64, [from, to]: [u64; 2]) -> Outcome {
    let [count, arrival, taken, at] = told;
    same(count, 1_u64)?;
    // Endpoint and vCPU must be zero, and the ID is told.
    same(arrival, intid)?;
    same(taken, intid)?;
    ensure(from <= at && at <= to, [from, at, to])
}
