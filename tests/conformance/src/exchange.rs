// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How an endpoint asks a partition to do its side of a case: a 64-bit direct request, and its answer.
//!
//! | register | request | answer |
//! |---|---|---|
//! | x3 | number of the case | 0: done; 1: failed |
//! | x4–x7 | what the asker passes | done: four words; failed: line, and what was seen |
//!
//! What a partition does at its next FFA_RUN is asked for beforehand, by [`ask_at_next_run`], and told of afterwards.
//! FFA_MSG_SEND_DIRECT_REQ2 has an answer of its own, [`answer2`].

use crate::application::ApplicationEndpoint;
use crate::case::{Case, Run};
use crate::endpoint::{Answer, Endpoint, Registers, call, ids, reset};
use crate::outcome::{Failure, Outcome, same};
use crate::partner::Partner;
use crate::suite;
use crate::vectors::Vectors;
use arm_ffa::FuncId;

/// In the place of a case's number: the partition is to forget its buffers.
pub const CLEAN: u64 = u64::MAX;
/// In the place of a case's number: the partition is to tell what came of its FFA_RUN.
const COLLECT: u64 = u64::MAX - 1;
/// With a case's number: at the next FFA_RUN.
const AT_NEXT_RUN: u64 = 1 << 32;
/// x3 of an answer: the partition did its side.
const DONE: u64 = 0;
/// x3 of an answer: a step failed.
const FAILED: u64 = 1;

/// The endpoint that runs the suite.
pub trait NormalWorld: Endpoint + Vectors {
    /// Returns the number of the case that runs.
    fn number(&self) -> u64;
    /// Lets each other core do a job, which gets its core's endpoint and number, while this one does `meanwhile`, and waits
    /// until all are done.
    ///
    /// # Errors
    /// What the first that failed came to, or that a core did not come back.
    fn with_other_cores(
        &mut self,
        job: fn(&mut dyn Endpoint, u64) -> Outcome,
        meanwhile: fn(&mut dyn NormalWorld) -> Outcome,
    ) -> Outcome;
    /// Lets an interrupt that is private to this core be signalled.
    fn receive_interrupt(&mut self, interrupt: u32);
    /// Ends that.
    fn refuse_interrupt(&mut self, interrupt: u32);
    /// Takes the interrupt that is signalled to this core, if there is one.
    fn take_interrupt(&mut self) -> Option<u64>;
    /// Lets a timer of this core fire once some microseconds have passed. Returns its interrupt's ID.
    fn start_timer(&mut self, microseconds: u64) -> u64;
    /// As [`NormalWorld::start_timer`], by the timer that partitions have, too: EL1's virtual one.
    fn start_virtual_timer(&mut self, microseconds: u64) -> u64;
    /// Switches them off.
    fn stop_timer(&mut self);
    /// Raises the interrupt of a partition's device.
    fn raise_device(&mut self);
    /// Returns the physical counter.
    fn now(&self) -> u64;
    /// Returns this core's endpoint, to hand it to what takes any.
    fn endpoint(&mut self) -> &mut dyn Endpoint;
}

/// What FFA_INTERRUPT brought to a vCPU that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interruptions {
    /// How often it came.
    pub count: u64,
    /// w1 and w2 of the last.
    pub arrival: [u64; 2],
    /// The last interrupt that was taken then.
    pub taken: u64,
    /// When that was, by the physical counter.
    pub at: u64,
}

/// That a core goes off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How often it was told.
    pub count: u64,
    /// x0 to x7 of the last message.
    pub message: [u64; 8],
    /// w2 of what came of it when it sent a direct request, let another partition run, and yielded before it answered.
    pub statuses: [u64; 3],
}

/// A partition while it does its side.
pub trait PartitionEndpoint: Endpoint {
    /// Returns the registers with which it was entered last: those of the request that it works on.
    fn arrival(&self) -> Registers;
    /// Keeps a request for its next FFA_RUN.
    fn keep(&mut self, request: [u64; 5]);
    /// Returns what came of it.
    fn kept_outcome(&mut self) -> [u64; 5];
    /// Makes a call about interrupts, by HVC: x0 to x3 as given; returns x0.
    fn hypercall(&mut self, registers: [u64; 4]) -> u64;
    /// Tells whether a vIRQ, and whether a vFIQ is signalled.
    fn signalled(&self) -> (bool, bool);
    /// Lets its timer run out when the physical counter gets there, or not at all.
    fn set_timer(&mut self, deadline: Option<u64>);
    /// Returns the physical counter.
    fn now(&self) -> u64;
    /// Returns the INTID of its device; 0 if it has none.
    fn device(&self) -> u32;
    /// Ends what the device interrupts for.
    fn quiet_device(&mut self);
    /// Returns what FFA_INTERRUPT brought to this vCPU while it waited, and forgets it.
    fn interruptions(&mut self) -> Interruptions;
    /// Returns what there is to know of the messages by which this vCPU was told that its core goes off.
    fn told_off(&self) -> Told;
    /// Waits for an interrupt (WFI).
    fn wait(&mut self);
    /// Reads the first word of a page that it was given; there is room for a few of these.
    fn load(&self, address: u64, secure: bool) -> Option<u64>;
    /// Writes it.
    fn store(&mut self, address: u64, secure: bool, value: u64) -> Option<()>;
    /// Ends the partition.
    fn fail(&mut self) -> !;
    /// Returns what only the partition at S-EL0 can do.
    ///
    /// # Errors
    /// It is another one.
    #[track_caller]
    fn application(&mut self) -> Outcome<&mut dyn ApplicationEndpoint> {
        Err(Failure::here([0; 3]))
    }
}

/// x8 to x17 that a partition leaves behind when it gives its core back: secrets that nobody else may see.
#[must_use]
pub const fn secret(register: usize) -> u64 {
    0x5ec2_e700_dead_0000 | register as u64
}

/// Returns a random number for a state that went on by an odd number (SplitMix64; Steele, Lea, Flood: Fast Splittable Pseudorandom
/// Number Generators, 2014). Partitions stir their state by the time.
#[must_use]
pub const fn random_of(state: u64) -> u64 {
    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Returns those of some partitions that there are.
pub fn present(
    normal: &dyn NormalWorld,
    partners: &'static [Partner],
) -> impl Iterator<Item = Partner> + use<> {
    let there = normal.partners();
    partners.iter().copied().filter(|partner| there.contains(partner))
}

/// Asks a partition to do its side of a case.
///
/// # Errors
/// What failed there; or the answer, if it is none.
#[track_caller]
pub fn ask(endpoint: &mut dyn Endpoint, to: Partner, number: u64, arguments: [u64; 4]) -> Outcome<[u64; 4]> {
    let answer = begin(endpoint, to, number, arguments);
    outcome_of(&answer, endpoint.id(), to)
}

/// As [`ask`], for what need not come to an answer at once.
pub fn begin(endpoint: &mut dyn Endpoint, to: Partner, number: u64, arguments: [u64; 4]) -> Answer {
    let [a, b, c, d] = arguments;
    let request = [ids(endpoint.id(), to.id()), 0, number, a, b, c, d];
    call(endpoint, FuncId::MsgSendDirectReq64, &request)
}

/// Asks a partition to do its side when it is run by FFA_RUN.
///
/// # Errors
/// As for [`ask`].
#[track_caller]
pub fn ask_at_next_run(
    endpoint: &mut dyn Endpoint,
    to: Partner,
    number: u64,
    arguments: [u64; 4],
) -> Outcome {
    ask(endpoint, to, number | AT_NEXT_RUN, arguments).map(|_| ())
}

/// Asks a partition what came of its side when it was run.
///
/// # Errors
/// As for [`ask`].
#[track_caller]
pub fn collect(endpoint: &mut dyn Endpoint, from: Partner) -> Outcome<[u64; 4]> {
    ask(endpoint, from, COLLECT, [0; 4])
}

/// Reads a partition's answer.
///
/// # Errors
/// What failed there; or the answer, if it is none.
#[track_caller]
pub fn outcome_of(answer: &Answer, asker: u16, from: Partner) -> Outcome<[u64; 4]> {
    answer.is(FuncId::MsgSendDirectResp64)?;
    same(answer.x(1), ids(from.id(), asker))?;
    let [_, _, _, kind, a, b, c, d, ..] = answer.0;
    match kind {
        DONE => Ok([a, b, c, d]),
        FAILED => Err(Failure { line: u32::try_from(a).unwrap_or_default(), seen: [b, c, d] }),
        _ => Err(Failure::here([kind, a, b])),
    }
}

/// Does a partition's side; what a request asks for in x3 to x7. Returns x3 to x7 of the answer.
pub fn serve(endpoint: &mut dyn PartitionEndpoint, request: [u64; 5]) -> [u64; 5] {
    let [number, a, b, c, d] = request;
    let outcome = match suite::case(number) {
        Some(Case { run: Run::Alone(run), .. }) => alone(endpoint, |endpoint| run(endpoint)),
        Some(Case { run: Run::Each(run), interface, .. }) => {
            alone(endpoint, |endpoint| run(endpoint, *interface))
        }
        Some(Case { run: Run::Exchange { partition, .. }, .. }) => partition(endpoint, [a, b, c, d]),
        None if number == CLEAN => alone(endpoint, |_| Ok(())),
        None if number == COLLECT => return endpoint.kept_outcome(),
        None if number & AT_NEXT_RUN != 0 => {
            endpoint.keep([number & !AT_NEXT_RUN, a, b, c, d]);
            Ok([0; 4])
        }
        None => Err(Failure::here([number, 0, 0])),
    };
    told(outcome)
}

/// Returns an outcome as x3 to x7 of an answer.
#[must_use]
pub fn told(outcome: Outcome<[u64; 4]>) -> [u64; 5] {
    match outcome {
        Ok([a, b, c, d]) => [DONE, a, b, c, d],
        Err(Failure { line, seen: [a, b, c] }) => [FAILED, u64::from(line), a, b, c],
    }
}

/// Runs a case of this endpoint alone, and cleans up.
fn alone(
    endpoint: &mut dyn PartitionEndpoint,
    run: impl FnOnce(&mut dyn Endpoint) -> Outcome,
) -> Outcome<[u64; 4]> {
    let outcome = run(endpoint);
    outcome.and(reset(endpoint)).map(|()| [0; 4])
}

/// In w3 of a 32-bit request: the partition is to try a 64-bit response, and to tell of its status.
pub const WIDE_ANSWER: u64 = 0x1de;

/// Answers a 32-bit request: w3 to w7 turned over. Returns w3 to w7 of the answer.
pub fn answer_32(endpoint: &mut dyn Endpoint, words: [u32; 5]) -> [u32; 5] {
    let [first, ..] = words;
    if u64::from(first) == WIDE_ANSWER {
        let own = endpoint.id();
        let answer = call(endpoint, FuncId::MsgSendDirectResp64, &[ids(own, 0)]);
        return [answer.w(2), answer.w(0), 0, 0, 0];
    }
    words.map(|word| !word)
}

/// Answers FFA_MSG_SEND_DIRECT_REQ2: x4 to x15 turned over, and the UUID of x2 and x3 in x16 and x17.
#[must_use]
pub fn answer2(request: &Registers) -> Registers {
    let [_, w1, low, high, rest @ ..] = *request;
    let mut answer = [0; 18];
    let [x0, x1, _, _, words @ .., x16, x17] = &mut answer;
    (*x0, *x1) =
        (u64::from(u32::from(FuncId::MsgSendDirectResp64_2)), w1 << 16 & 0xffff_0000 | w1 >> 16 & 0xffff);
    words.iter_mut().zip(rest).for_each(|(to, from)| *to = !from);
    (*x16, *x17) = (low, high);
    answer
}
