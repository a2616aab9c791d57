// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What partitions do in these cases, one step each time that they are asked; and how the normal world asks.

use super::*;
use crate::exchange::{PartitionEndpoint, ask};
use crate::outcome::{Failure, same};

/// A side maps its buffers.
pub(super) const STEP_MAP: u64 = 1;
/// Sends a page: function; receiver, and from bit 16 on permissions; the page's offset.
const STEP_SEND: u64 = 2;
/// Retrieves: handle; sender, from bit 16 on permissions, from bit 32 on another receiver; flags.
const STEP_RETRIEVE: u64 = 3;
/// Gives back: handle; flags.
const STEP_RELINQUISH: u64 = 4;
/// Takes back: handle; flags.
const STEP_RECLAIM: u64 = 5;
/// Reads from a page that it was given: address; whether it is secure.
const STEP_LOAD: u64 = 6;
/// Writes to it: likewise, and what.
const STEP_STORE: u64 = 7;
/// Tells a page's address and first word, having written what is not 0 to it: the word; the page's offset.
const STEP_OWN: u64 = 8;
/// Lets its RX buffer be full.
pub(super) const STEP_FILL: u64 = 9;

/// What a partition does in these cases.
pub(super) fn side(endpoint: &mut dyn PartitionEndpoint, [step, a, b, c]: [u64; 4]) -> Outcome<[u64; 4]> {
    let own = endpoint.id();
    let (id, permissions, other) = (low16(b), low16(b >> 16).to_le_bytes()[0], low16(b >> 32));
    let told = |answer: Answer| {
        let handle = u64::from(answer.w(2)) | u64::from(answer.w(3)) << 32;
        Ok([u64::from(answer.w(0)), u64::from(answer.w(2)), handle, 0])
    };
    match step {
        STEP_MAP => {
            // It may have them.
            let _ = call(endpoint, FuncId::RxTxUnmap, &[]);
            map_buffers(endpoint).map(|()| [0; 4])
        }
        STEP_SEND => {
            let kinds = [FuncId::MemShare32, FuncId::MemLend32, FuncId::MemDonate32];
            let function = kinds.into_iter().find(|kind| u64::from(u32::from(*kind)) == a);
            let function = function.ok_or_else(|| Failure::here([a, 0, 0]))?;
            told(send_page(endpoint, function, c, id, permissions, 0))
        }
        STEP_RETRIEVE => {
            let both = [(own, permissions), (other, permissions)];
            let receivers = if other == 0 { both.get(..1) } else { both.get(..) };
            let region = Region {
                sender: id,
                flags: low32(c),
                handle: a,
                receivers: receivers.unwrap_or_default(),
                ranges: &[],
            };
            let answer = send(endpoint, FuncId::MemRetrieveReq32, &region);
            if answer.w(0) != u32::from(FuncId::MemRetrieveResp) {
                return told(answer);
            }
            retrieved(endpoint, a, &answer)
        }
        STEP_RELINQUISH => {
            put(endpoint, 0, &[a, u64::from(low32(b)) | 1 << 32, u64::from(own)]);
            told(call(endpoint, FuncId::MemRelinquish, &[]))
        }
        STEP_RECLAIM => told(reclaim(endpoint, a, low32(b))),
        STEP_LOAD => {
            let value = endpoint.load(a, b != 0).ok_or_else(|| Failure::here([a, b, 0]))?;
            Ok([value, 0, 0, 0])
        }
        STEP_STORE => {
            endpoint.store(a, b != 0, c).ok_or_else(|| Failure::here([a, b, 0]))?;
            Ok([0; 4])
        }
        STEP_OWN => {
            if a != 0 {
                endpoint.write(b, &a.to_le_bytes());
            }
            Ok([endpoint.pages() + b, word(endpoint, b), 0, 0])
        }
        STEP_FILL => call(endpoint, FuncId::PartitionInfoGet, &[]).success().map(|()| [0; 4]),
        _ => Err(Failure::here([step, 0, 0])),
    }
}

/// Reads a response that may come in fragments (§2.8). Tells the first address, the number of pages, attributes and, from bit
/// 16 on, permissions, and the exclusive or of all first addresses.
fn retrieved(endpoint: &mut dyn PartitionEndpoint, handle: u64, answer: &Answer) -> Outcome<[u64; 4]> {
    let (total, mut end) = (u64::from(answer.w(1)), u64::from(answer.w(2)));
    let told = response(endpoint);
    same(total, told.constituents + told.ranges * CONSTITUENT)?;
    let first = word(endpoint, told.constituents);
    let (mut at, mut all) = (told.constituents, 0);
    let mut begin = 0;
    loop {
        while at < end {
            all ^= word(endpoint, at - begin);
            at += CONSTITUENT;
        }
        call(endpoint, FuncId::RxRelease, &[]).success()?;
        if end >= total {
            break;
        }
        let (low, high) = (handle & 0xffff_ffff, handle >> 32);
        let more = call(endpoint, FuncId::MemFragRx, &[low, high, end]);
        more.is(FuncId::MemFragTx)?;
        same(u64::from(more.w(1)) | u64::from(more.w(2)) << 32, handle)?;
        begin = end;
        end += u64::from(more.w(3));
        if end == begin {
            return Err(Failure::here([begin, total, 0]));
        }
    }
    same(end, total)?;
    let access = told.attributes | told.permissions << 16 | told.pages << 32;
    Ok([u64::from(u32::from(FuncId::MemRetrieveResp)), first, access, all])
}

fn low16(value: u64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

fn low32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A partition of a case, as the normal world lets it do its steps.
pub(super) struct Side<'a> {
    pub(super) normal: &'a mut dyn NormalWorld,
    pub(super) partner: Partner,
}

/// What a retrieval came to.
#[derive(Clone, Copy)]
pub(super) struct Retrieved {
    pub(super) first: u64,
    pub(super) pages: u64,
    pub(super) attributes: u64,
    pub(super) permissions: u64,
    /// The exclusive or of all first addresses.
    pub(super) all: u64,
}

impl Side<'_> {
    #[track_caller]
    pub(super) fn step(&mut self, arguments: [u64; 4]) -> Outcome<[u64; 4]> {
        let number = self.normal.number();
        ask(self.normal.endpoint(), self.partner, number, arguments)
    }

    #[track_caller]
    pub(super) fn map(&mut self) -> Outcome {
        self.step([STEP_MAP, 0, 0, 0]).map(|_| ())
    }

    fn sending(&mut self, function: FuncId, receiver: u16, offset: u64) -> Outcome<[u64; 4]> {
        let receiver = u64::from(receiver) | u64::from(offered(function)) << 16;
        self.step([STEP_SEND, u64::from(u32::from(function)), receiver, offset])
    }

    /// It sends its page at an offset.
    #[track_caller]
    pub(super) fn sends(&mut self, function: FuncId, receiver: u16, offset: u64) -> Outcome<u64> {
        let [answer, _, handle, _] = self.sending(function, receiver, offset)?;
        same(answer, u32::from(FuncId::Success32))?;
        Ok(handle)
    }

    #[track_caller]
    pub(super) fn sends_not(
        &mut self,
        function: FuncId,
        receiver: u16,
        offset: u64,
        errors: &[FfaError],
    ) -> Outcome {
        refused(self.sending(function, receiver, offset)?, errors)
    }

    fn retrieving(&mut self, handle: u64, sender: u64, flags: u32) -> Outcome<[u64; 4]> {
        self.step([STEP_RETRIEVE, handle, sender, u64::from(flags)])
    }

    /// It retrieves. In `sender` are permissions from bit 16 on, and another receiver from bit 32 on.
    #[track_caller]
    pub(super) fn retrieves(&mut self, handle: u64, sender: u64, flags: u32) -> Outcome<Retrieved> {
        let [answer, first, access, all] = self.retrieving(handle, sender, flags)?;
        if answer != u64::from(u32::from(FuncId::MemRetrieveResp)) {
            return Err(Failure::here([answer, first, handle]));
        }
        Ok(Retrieved {
            first,
            pages: access >> 32,
            attributes: access & 0xffff,
            permissions: access >> 16 & 0xff,
            all,
        })
    }

    #[track_caller]
    pub(super) fn retrieves_not(
        &mut self,
        handle: u64,
        sender: u64,
        flags: u32,
        errors: &[FfaError],
    ) -> Outcome {
        refused(self.retrieving(handle, sender, flags)?, errors)
    }

    #[track_caller]
    pub(super) fn relinquishes(&mut self, handle: u64, flags: u32) -> Outcome {
        let [answer, status, ..] = self.step([STEP_RELINQUISH, handle, u64::from(flags), 0])?;
        succeeded(answer, status)
    }

    #[track_caller]
    pub(super) fn relinquishes_not(&mut self, handle: u64, flags: u32, errors: &[FfaError]) -> Outcome {
        refused(self.step([STEP_RELINQUISH, handle, u64::from(flags), 0])?, errors)
    }

    #[track_caller]
    pub(super) fn reclaims(&mut self, handle: u64) -> Outcome {
        let [answer, status, ..] = self.step([STEP_RECLAIM, handle, 0, 0])?;
        succeeded(answer, status)
    }

    #[track_caller]
    pub(super) fn reclaims_not(&mut self, handle: u64, errors: &[FfaError]) -> Outcome {
        refused(self.step([STEP_RECLAIM, handle, 0, 0])?, errors)
    }

    #[track_caller]
    pub(super) fn loads(&mut self, address: u64, secure: bool) -> Outcome<u64> {
        self.step([STEP_LOAD, address, u64::from(secure), 0]).map(|[value, ..]| value)
    }

    #[track_caller]
    pub(super) fn stores(&mut self, address: u64, secure: bool, value: u64) -> Outcome {
        self.step([STEP_STORE, address, u64::from(secure), value]).map(|_| ())
    }

    /// Writes a word to the partition's own page at an offset, but 0; returns the page's address, and what stands there.
    #[track_caller]
    pub(super) fn own(&mut self, value: u64, offset: u64) -> Outcome<(u64, u64)> {
        self.step([STEP_OWN, value, offset, 0]).map(|[address, word, ..]| (address, word))
    }
}

#[track_caller]
fn succeeded(answer: u64, status: u64) -> Outcome {
    if answer == u64::from(u32::from(FuncId::Success32)) {
        Ok(())
    } else {
        Err(Failure::here([answer, status, 0]))
    }
}

#[track_caller]
fn refused([answer, status, ..]: [u64; 4], errors: &[FfaError]) -> Outcome {
    let known = errors.iter().any(|error| status == u64::from(i32::from(*error).cast_unsigned()));
    if answer == u64::from(u32::from(FuncId::Error32)) && known {
        Ok(())
    } else {
        Err(Failure::here([answer, status, 0]))
    }
}
