// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that the normal world shares, lends or donates, by FF-A 1.2 (Memory Management Protocol 1.2, DEN 0140).
//!
//! `arm-ffa` writes descriptors of FF-A 1.1 alone, so they are written here.

use crate::ffa::{CallError, SELF, registers};
use crate::ram::Ram;
use arm_ffa::{FfaError, FuncId};

/// Data access that a receiver is offered (table 1.15).
pub const READ_ONLY: u8 = 0b01;
/// As above.
pub const READ_WRITE: u8 = 0b10;

/// Lengths of a descriptor's parts (tables 1.20, 1.16, 1.13, 1.14), in bytes.
const HEADER: u64 = 48;
const ACCESS: u64 = 32;
const COMPOSITE: u64 = 16;
const CONSTITUENT: u64 = 16;

/// Writes a transaction descriptor to the start of `transmit`: receivers with their data access, ranges as first address and
/// number of pages. Returns its length.
pub fn describe(transmit: &Ram, receivers: &[(u16, u8)], ranges: impl Iterator<Item = (u64, u32)>) -> u64 {
    let count = receivers.len() as u64;
    let composite_at = HEADER + count * ACCESS;
    write(transmit, 0, [u64::from(SELF), 0, 0, ACCESS | count << 32, HEADER, 0]);
    let mut at = HEADER;
    for (id, access) in receivers {
        write(transmit, at, [u64::from(*id) | u64::from(*access) << 16 | composite_at << 32, 0, 0, 0]);
        at += ACCESS;
    }
    at += COMPOSITE;
    let mut pages = 0;
    let mut entries = 0;
    for (start, length) in ranges {
        write(transmit, at, [start, u64::from(length)]);
        at += CONSTITUENT;
        pages += u64::from(length);
        entries += 1_u64;
    }
    write(transmit, composite_at, [pages | entries << 32, 0]);
    at
}

fn write<const N: usize>(transmit: &Ram, at: u64, words: [u64; N]) {
    for (offset, word) in (at..).step_by(8).zip(words) {
        transmit.write(offset, &word.to_le_bytes());
    }
}

/// Registers of a call that sends what [`describe`] wrote.
#[must_use]
pub fn send_call(function: FuncId, length: u64) -> [u64; 18] {
    let mut call = [0; 18];
    (call[0], call[1], call[2]) = (u64::from(u32::from(function)), length, length);
    call
}

/// Registers of FFA_MEM_RECLAIM.
#[must_use]
pub fn reclaim_call(handle: u64) -> [u64; 18] {
    let mut call = [0; 18];
    (call[0], call[1], call[2]) = (u64::from(u32::from(FuncId::MemReclaim)), handle & LOW, handle >> 32);
    call
}

const LOW: u64 = 0xffff_ffff;

/// Returns the handle in an answer.
///
/// # Errors
/// What the answer says instead.
pub fn handle(answer: &[u64; 18]) -> Result<u64, CallError> {
    let function = answer[0] & LOW;
    if function == u64::from(u32::from(FuncId::Success32)) {
        return Ok(answer[2] & LOW | answer[3] << 32);
    }
    let status = u32::try_from(answer[2] & LOW).unwrap_or_default().cast_signed();
    match FfaError::try_from(status) {
        Ok(error) if function == u64::from(u32::from(FuncId::Error32)) => Err(CallError::Ffa(error)),
        _ => Err(CallError::Unexpected(function)),
    }
}

/// Shares, lends or donates ranges; returns the handle.
///
/// # Errors
/// What the callee answers.
pub fn send(
    transmit: &Ram,
    function: FuncId,
    receivers: &[(u16, u8)],
    ranges: &[(u64, u32)],
) -> Result<u64, CallError> {
    let length = describe(transmit, receivers, ranges.iter().copied());
    handle(&registers(send_call(function, length)))
}

/// Shares ranges with one partition, which has a data access, and says what memory they are: TF-A's SPMC at EL3 tells the
/// receiver nothing else than what stands here. Returns the handle.
///
/// # Errors
/// What the callee answers.
pub fn send_normal(
    transmit: &Ram,
    function: FuncId,
    receiver: (u16, u8),
    ranges: &[(u64, u32)],
) -> Result<u64, CallError> {
    let length = describe(transmit, &[receiver], ranges.iter().copied());
    write(transmit, 0, [u64::from(SELF) | NORMAL << 16]);
    handle(&registers(send_call(function, length)))
}

/// Attributes (table 1.18): normal memory, write-back, inner shareable.
const NORMAL: u64 = 0b10_11_11;

/// Takes back what nobody borrows any more.
///
/// # Errors
/// What the callee answers.
pub fn reclaim(handle: u64) -> Result<(), CallError> {
    self::handle(&registers(reclaim_call(handle))).map(|_| ())
}

/// As [`reclaim`]; the memory is filled with zeros.
///
/// # Errors
/// What the callee answers.
pub fn reclaim_zeroed(handle: u64) -> Result<(), CallError> {
    let mut call = reclaim_call(handle);
    call[3] = ZERO;
    self::handle(&registers(call)).map(|_| ())
}

/// Flag of FFA_MEM_RECLAIM (table 1.23): zeros before the memory is the owner's again.
const ZERO: u64 = 1;
