// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Partitions at S-EL0: the permissions of their memory (DEN0140 2.8, 2.9), interrupts without a vector to take them
//! (DEN0077A 9.3.2, table 9.1), and that what they are not allowed ends them.
//!
//! Permissions are for the time in which a partition starts, so it runs [`at_start`] then, and tells what came of it when it
//! is asked.

use crate::application::Violation;
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, Foreign, PAGE, call, call_id};
use crate::exchange::{CLEAN, Interruptions, NormalWorld, PartitionEndpoint, ask, begin};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::FfaError::{Aborted, Denied, InvalidParameters};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MemPermSet,
        "while-it-starts",
        "DEN0140 2.8, 2.9",
        Instance::APPLICATION,
        ask_what_came_of_it,
        tell_what_came_of_it,
    ),
    Case::alone(
        Interface::MemPermGet,
        "denied-after-start",
        "DEN0140 2.8",
        Instance::APPLICATION,
        get_after_start,
    ),
    Case::alone(
        Interface::MemPermSet,
        "denied-after-start",
        "DEN0140 2.9",
        Instance::APPLICATION,
        set_after_start,
    ),
    Case::exchange(
        Interface::DirectReq,
        "calls-and-is-called",
        "15.2, 15.3",
        Instance::APPLICATION,
        call_chain,
        call_on,
    ),
    Case::exchange(
        Interface::DirectReq,
        "vectors-apart",
        "7.2; SMCCC 2.6",
        Instance::APPLICATION,
        keep_vectors,
        use_vectors,
    ),
    Case::exchange(
        Interface::Interrupt,
        "own-device",
        "9.3.2, table 9.1; 14.4",
        Instance::APPLICATION,
        let_it_ring,
        ring,
    ),
];

/// What ends the partition, and so comes last. Which of two, each run decides anew.
pub(super) const RESTARTS: &[Case] = &[Case::exchange(
    Interface::MemPermSet,
    "violation",
    "DEN0140 2.9; 7.2.4",
    Instance::APPLICATION,
    lose_it,
    violate,
)];

const APPLICATION: Partner = Partner::Application;

/// Permissions (DEN0140 2.8, 2.9): bits 1-0 are 1 for read and write, 3 for read only; bit 2 is set where nothing can be
/// executed.
const READ_WRITE: u64 = 0b101;
const READ_ONLY: u64 = 0b111;
const CODE: u64 = 0b011;
/// Write and execute at once; reserved encodings; bits that have no meaning.
const IMPOSSIBLE: [u64; 5] = [0b001, 0b010, 0b110, 0b1101, 0x8000_0005];

fn get(endpoint: &mut dyn Endpoint, address: u64) -> Answer {
    call(endpoint, FuncId::MemPermGet64, &[address])
}

fn set(endpoint: &mut dyn Endpoint, address: u64, pages: u64, permissions: u64) -> Answer {
    call(endpoint, FuncId::MemPermSet64, &[address, pages, permissions])
}

/// What a partition does while it starts; `code` lies in its code.
///
/// # Errors
/// The step that failed.
pub fn at_start(endpoint: &mut dyn Endpoint, code: u64) -> Outcome {
    let (code, data) = (code & !(PAGE - 1), endpoint.pages());
    is(endpoint, code, CODE)?;
    is(endpoint, data, READ_WRITE)?;
    for permissions in [READ_ONLY, CODE, READ_WRITE] {
        set(endpoint, data, 2, permissions).success()?;
        is(endpoint, data, permissions)?;
        is(endpoint, data + PAGE, permissions)?;
        is(endpoint, data + 2 * PAGE, READ_WRITE)?;
    }
    // By the 32-bit calls.
    let low = call_id(endpoint, FuncId::MemPermSet32 as u32, &[data, 1, READ_ONLY]);
    low.success()?;
    let answer = call_id(endpoint, FuncId::MemPermGet32 as u32, &[data]);
    answer.success()?;
    same(answer.x(2), READ_ONLY)?;
    set(endpoint, data, 1, READ_WRITE).success()?;
    for permissions in IMPOSSIBLE {
        set(endpoint, data, 1, permissions).error(InvalidParameters)?;
    }
    for (address, pages) in [(data + 8, 1), (data, 0), (data, 0xffff_ffff), (0, 1), (!(PAGE - 1), 1)] {
        set(endpoint, address, pages, READ_WRITE).error(InvalidParameters)?;
    }
    for address in [data + 8, 0, !(PAGE - 1)] {
        get(endpoint, address).error(InvalidParameters)?;
    }
    // Nothing of that had an effect.
    is(endpoint, data, READ_WRITE)?;
    is(endpoint, code, CODE)?;
    // What is written there is there: it is memory, and the partition's.
    let word = endpoint.random().to_le_bytes();
    endpoint.write(0, &word);
    let mut back = [0; 8];
    endpoint.read(0, &mut back);
    ensure(word == back, [u64::from_le_bytes(word), u64::from_le_bytes(back), 0])
}

#[track_caller]
fn is(endpoint: &mut dyn Endpoint, address: u64, permissions: u64) -> Outcome {
    let answer = get(endpoint, address);
    answer.success()?;
    same(answer.x(2), permissions)
}

fn ask_what_came_of_it(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), APPLICATION, number, [0; 4]).map(|_| ())
}

fn tell_what_came_of_it(endpoint: &mut dyn PartitionEndpoint, _: [u64; 4]) -> Outcome<[u64; 4]> {
    endpoint.application()?.started().map(|()| [0; 4])
}

fn get_after_start(endpoint: &mut dyn Endpoint) -> Outcome {
    let data = endpoint.pages();
    get(endpoint, data).error(Denied)
}

fn set_after_start(endpoint: &mut dyn Endpoint) -> Outcome {
    let data = endpoint.pages();
    set(endpoint, data, 1, READ_WRITE).error(Denied)?;
    let foreign = endpoint.foreign(Foreign::Spmc);
    set(endpoint, foreign, 1, READ_WRITE).error(Denied)
}

/// A partition at S-EL1 calls the one at S-EL0, which calls another one at S-EL1.
fn call_chain(normal: &mut dyn NormalWorld) -> Outcome {
    let (number, word) = (normal.number(), normal.random());
    let [back, depth, ..] = ask(normal.endpoint(), Partner::PeerMp, number, [word, 0, 0, 0])?;
    same(back, word)?;
    same(depth, 2_u64)?;
    let [back, depth, ..] = ask(normal.endpoint(), APPLICATION, number, [word, 1, 0, 0])?;
    same(back, word)?;
    same(depth, 2_u64)
}

fn call_on(endpoint: &mut dyn PartitionEndpoint, [word, depth, number, _]: [u64; 4]) -> Outcome<[u64; 4]> {
    let next = match depth {
        0 => APPLICATION,
        1 => Partner::PeerUp,
        _ => return Ok([word, depth, number, 0]),
    };
    let case = endpoint.arrival()[3];
    ask(endpoint, next, case, [word, depth + 1, number, 0])
}

/// Each world finds its own values when it goes on, and nothing of the other's.
fn keep_vectors(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let kept = normal.random();
    for visit in 0..3 {
        let own = normal.random();
        normal.fill_vectors(own);
        let asked = ask(normal.endpoint(), APPLICATION, number, [visit, kept, own, 0]);
        let held = normal.vectors_held(own);
        asked?;
        same(held, ALL_HALVES)?;
    }
    Ok(())
}

const ALL_HALVES: u64 = 64;

fn use_vectors(
    endpoint: &mut dyn PartitionEndpoint,
    [visit, kept, others, _]: [u64; 4],
) -> Outcome<[u64; 4]> {
    let vectors = endpoint.application()?;
    same(vectors.vectors_held(others), 0_u64)?;
    if visit == 0 {
        vectors.fill_vectors(kept);
    }
    same(vectors.vectors_held(kept), ALL_HALVES)?;
    Ok([0; 4])
}

/// The device interrupts while the partition runs, which is not told of it; then it waits, and runs for it.
fn let_it_ring(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    ask(normal.endpoint(), APPLICATION, number, [0; 4])?;
    // More than once: the second shows that the first was ended.
    for _ in 0..3 {
        let [at_work, ..] = ask(normal.endpoint(), APPLICATION, number, [1, 0, 0, 0])?;
        same(at_work, 0_u64)?;
        let [count, w1, intid, at] = ask(normal.endpoint(), APPLICATION, number, [0; 4])?;
        same(count, 1_u64)?;
        same(w1, 0_u64)?;
        ensure(GPIO_INTIDS.contains(&intid), [intid, 0, 0])?;
        ensure(at <= normal.now(), [at, normal.now(), 0])?;
    }
    ask(normal.endpoint(), APPLICATION, CLEAN, [0; 4]).map(|_| ())
}

/// The device's interrupt on QEMU's virt and sbsa-ref.
const GPIO_INTIDS: [u64; 2] = [32, 39];

/// Lets the device interrupt if it is asked to; returns what that came to since it was last asked.
fn ring(endpoint: &mut dyn PartitionEndpoint, [rings, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if rings != 0 {
        endpoint.application()?.alarm();
        // A call, and with it time for the interrupt.
        call(endpoint, FuncId::IdGet, &[]).success()?;
        endpoint.wait();
    }
    let Interruptions { count, arrival: [w1, w2], at, .. } = endpoint.interruptions();
    Ok([count, w1, w2, at])
}

/// It starts again each time, and finds its memory as at its first start.
fn lose_it(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for which in [0, 1] {
        begin(normal.endpoint(), APPLICATION, number, [which, 0, 0, 0]).error(Aborted)?;
        let started = number_of(Interface::MemPermSet, "while-it-starts")?;
        ask(normal.endpoint(), APPLICATION, started, [0; 4])?;
    }
    Ok(())
}

fn violate(endpoint: &mut dyn PartitionEndpoint, [which, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let violation = if which == 0 { Violation::WriteCode } else { Violation::ExecuteData };
    endpoint.application()?.violate(violation).map(|()| [0; 4])
}
