// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How an endpoint asks a partition to do its side of a case: a 64-bit direct request, and its answer.
//!
//! | register | request | answer |
//! |---|---|---|
//! | x3 | number of the case | 0: done; 1: failed |
//! | x4–x7 | what the asker passes | done: four words; failed: line, and what was seen |

use crate::case::{Case, Run};
use crate::endpoint::{Answer, Endpoint, call, ids, reset};
use crate::outcome::{Failure, Outcome};
use crate::partner::Partner;
use crate::suite;
use arm_ffa::FuncId;

/// In the place of a case's number: the partition is to forget its buffers.
pub const CLEAN: u64 = u64::MAX;
/// x3 of an answer: the partition did its side.
const DONE: u64 = 0;
/// x3 of an answer: a step failed.
const FAILED: u64 = 1;

/// The endpoint that runs the suite.
pub trait NormalWorld: Endpoint {
    /// Returns the number of the case that runs.
    fn number(&self) -> u64;
    /// Lets each other core do a job at the same time and waits until all are done; the job gets its core's endpoint.
    ///
    /// # Errors
    /// What the first job that failed came to, or that a core did not come back.
    fn on_other_cores(&mut self, job: fn(&mut dyn Endpoint, u64) -> Outcome) -> Outcome;
    /// Returns this core's endpoint, to hand it to what takes any.
    fn endpoint(&mut self) -> &mut dyn Endpoint;
}

/// Returns a request to do a side of a case.
#[must_use]
pub fn request(from: u16, to: u16, number: u64, arguments: [u64; 4]) -> [u64; 7] {
    let [a, b, c, d] = arguments;
    [ids(from, to), 0, number, a, b, c, d]
}

/// Asks a partition to do its side of a case.
///
/// # Errors
/// What failed there; or the answer, if it is none.
#[track_caller]
pub fn ask(endpoint: &mut dyn Endpoint, to: Partner, number: u64, arguments: [u64; 4]) -> Outcome<[u64; 4]> {
    let request = request(endpoint.id(), to.id(), number, arguments);
    let answer = call(endpoint, FuncId::MsgSendDirectReq64, &request);
    outcome_of(&answer, endpoint.id(), to)
}

/// Reads a partition's answer.
///
/// # Errors
/// What failed there; or the answer, if it is none.
#[track_caller]
pub fn outcome_of(answer: &Answer, asker: u16, from: Partner) -> Outcome<[u64; 4]> {
    answer.is(FuncId::MsgSendDirectResp64)?;
    crate::outcome::same(answer.x(1), ids(from.id(), asker))?;
    let [_, _, _, kind, a, b, c, d, ..] = answer.0;
    match kind {
        DONE => Ok([a, b, c, d]),
        FAILED => Err(Failure { line: u32::try_from(a).unwrap_or_default(), seen: [b, c, d] }),
        _ => Err(Failure::here([kind, a, b])),
    }
}

/// Does a partition's side; what a request asks for in x3 to x7. Returns x3 to x7 of the answer.
pub fn serve(endpoint: &mut dyn Endpoint, request: [u64; 5]) -> [u64; 5] {
    let [number, a, b, c, d] = request;
    let outcome = match suite::case(number) {
        Some(Case { run: Run::Alone(run), .. }) => alone(endpoint, |endpoint| run(endpoint)),
        Some(Case { run: Run::Each(run), interface, .. }) => {
            alone(endpoint, |endpoint| run(endpoint, *interface))
        }
        Some(Case { run: Run::Exchange { partition, .. }, .. }) => partition(endpoint, [a, b, c, d]),
        None if number == CLEAN => alone(endpoint, |_| Ok(())),
        None => Err(Failure::here([number, 0, 0])),
    };
    match outcome {
        Ok([a, b, c, d]) => [DONE, a, b, c, d],
        Err(Failure { line, seen: [a, b, c] }) => [FAILED, u64::from(line), a, b, c],
    }
}

/// Runs a case of this endpoint alone, and cleans up.
fn alone(endpoint: &mut dyn Endpoint, run: impl FnOnce(&mut dyn Endpoint) -> Outcome) -> Outcome<[u64; 4]> {
    let outcome = run(endpoint);
    outcome.and(reset(endpoint)).map(|()| [0; 4])
}
