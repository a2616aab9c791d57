// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An indirect message (DEN0077A 8.2, table 8.1) as cases send and look for it, and what partitions do in these cases: one
//! step each time that they are asked.

use crate::endpoint::{Answer, Endpoint, PAGE, call, map_buffers};
use crate::exchange::PartitionEndpoint;
use crate::outcome::{Failure, Outcome, ensure};
use arm_ffa::FfaError::Denied;
use arm_ffa::FuncId;
use uuid::Uuid;

/// A side maps its buffers.
pub(super) const STEP_MAP: u64 = 1;
/// A side sends a payload of a seed to an endpoint, and tells of the status.
pub(super) const STEP_SEND: u64 = 2;
/// A side looks for a message of an endpoint with the payload of a seed, and releases its buffer.
pub(super) const STEP_RECEIVE: u64 = 3;

/// Bytes of the header (table 8.1).
const HEADER: u64 = 40;
/// Bytes of the payloads that cases send.
const PAYLOAD: usize = 100;

/// A header, as it is written into a TX buffer.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) offset: u32,
    pub(super) sender: u16,
    pub(super) receiver: u16,
    pub(super) size: u32,
    pub(super) uuid: Uuid,
}

impl Header {
    /// A sound one, for [`PAYLOAD`] bytes.
    pub(super) fn new(sender: u16, receiver: u16) -> Self {
        Self { offset: 40, sender, receiver, size: 100, uuid: Uuid::nil() }
    }

    pub(super) fn bytes(self) -> [u8; 40] {
        let ids = u32::from(self.sender) << 16 | u32::from(self.receiver);
        let [u0, u1, u2, u3] = self.uuid.as_bytes().as_chunks::<4>().0 else { return [0; 40] };
        let words =
            [[0; 4], [0; 4], self.offset.to_le_bytes(), ids.to_le_bytes(), self.size.to_le_bytes(), [0; 4]];
        let mut bytes = [0; 40];
        let all = words.iter().chain([u0, u1, u2, u3]).flatten();
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }
}

/// The payload that a seed makes.
pub(super) fn payload(seed: u64) -> [u8; PAYLOAD] {
    let mut bytes = [0; PAYLOAD];
    for (place, byte) in bytes.iter_mut().enumerate() {
        let [first, ..] =
            (seed.rotate_left(u32::try_from(place % 64).unwrap_or(0)) ^ place as u64).to_le_bytes();
        *byte = first;
    }
    bytes
}

/// Writes a message into the TX buffer and sends it.
pub(super) fn send(endpoint: &mut dyn Endpoint, header: Header, seed: u64) -> Answer {
    endpoint.write(PAGE, &header.bytes());
    endpoint.write(PAGE + HEADER, &payload(seed));
    call(endpoint, FuncId::MsgSend2, &[])
}

/// Requires a message at an offset of the pages, where an RX buffer is.
pub(super) fn received(endpoint: &dyn Endpoint, at: u64, header: Header, seed: u64) -> Outcome {
    let mut head = [0; 40];
    endpoint.read(at, &mut head);
    for (place, (seen, sent)) in head.iter().zip(header.bytes()).enumerate() {
        ensure(*seen == sent, [place as u64, u64::from(*seen), u64::from(sent)])?;
    }
    let mut bytes = [0; PAYLOAD];
    endpoint.read(at + HEADER, &mut bytes);
    for (place, (seen, sent)) in bytes.iter().zip(payload(seed)).enumerate() {
        ensure(*seen == sent, [HEADER + place as u64, u64::from(*seen), u64::from(sent)])?;
    }
    Ok(())
}

/// What a partition does in these cases.
pub(super) fn side(endpoint: &mut dyn PartitionEndpoint, [step, id, seed, _]: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    let [low, high, ..] = id.to_le_bytes();
    let other = u16::from_le_bytes([low, high]);
    match step {
        STEP_MAP => map_buffers(endpoint).map(|()| [0; 4]),
        STEP_SEND => {
            let answer = send(endpoint, Header::new(own, other), seed);
            Ok([u64::from(answer.w(0)), u64::from(answer.w(2)), 0, 0])
        }
        STEP_RECEIVE => {
            received(endpoint, 0, Header::new(other, own), seed)?;
            call(endpoint, FuncId::RxRelease, &[]).success()?;
            // It was that one, and no other.
            call(endpoint, FuncId::RxRelease, &[]).error(Denied).map(|()| [0; 4])
        }
        _ => Err(Failure::here([step, 0, 0])),
    }
}
