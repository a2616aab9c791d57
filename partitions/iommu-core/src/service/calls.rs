// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The call page: what is asked in a page of an area is answered there, by the same functions that answer it in registers
//! where there are such.
//!
//! A client writes to its page while it is read. So a request is copied once, then read; nothing of the page is looked at
//! again, and an answer is made before any of it is written.

use super::{Service, record};
use crate::client::Client;
use crate::smmu::Smmu;
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::{
    CALL_ANSWER_BYTES, CALL_REQUEST_BYTES, Call, CallAnswer, CallRequest, DEVICES_PER_CALL, DeviceEntry,
    Response, Status,
};
use heapless::Vec;

/// Words of a page.
const PAGE_WORDS: usize = 512;
/// Bytes of a word.
const WORD: usize = size_of::<u64>();

impl<S: Smmu> Service<'_, S> {
    // Never in the place of its call: the others pay for what it does to the registers.
    #[inline(never)]
    pub(super) fn call(&self, client: Client, call: Call) -> Result<Response, Status> {
        let area = self.areas.hold(client, call.area)?;
        area.with(|words| {
            let (page, _) = words.as_chunks::<PAGE_WORDS>();
            let page = page.get(usize::from(call.page)).ok_or(Status::OutOfRange)?;
            let request = copy(page);
            let length = usize::from(call.bytes);
            let request =
                request.get(..length).filter(|bytes| !bytes.is_empty()).ok_or(Status::OutOfRange)?;
            let answer = self.answer_call(client, CallRequest::decode(request)?);
            let mut bytes = [0; CALL_ANSWER_BYTES];
            // The longest answer fits, as the wire's tests show.
            let length = answer.encode(&mut bytes).ok_or(Status::NotSupported)?;
            let whole = length.div_ceil(WORD).saturating_mul(WORD);
            write(page, bytes.get(..whole).unwrap_or_default());
            Ok(Response::value(length as u64))
        })
    }

    fn answer_call(&self, client: Client, request: CallRequest) -> CallAnswer {
        match request {
            CallRequest::Devices { first } => self.devices_from(client, first),
            CallRequest::Statistics => {
                let quota = self.quotas.of(client);
                CallAnswer::Statistics { pool_used: quota.used(), pool_left: quota.left() }
            }
            CallRequest::PolicyDigest => CallAnswer::PolicyDigest(self.digest),
        }
    }

    fn devices_from(&self, client: Client, first: u16) -> CallAnswer {
        let mut devices = Vec::new();
        let mut next = None;
        for (place, device) in (0..=u16::MAX).zip(self.held(client)).skip(first.into()) {
            let known = record(device);
            let entry = DeviceEntry {
                smmu: known.smmu.0,
                first: known.first.0,
                count: known.count,
                name: known.name,
                window_base: device.iova.base,
                window_size: device.iova.size,
                identity: device.identity,
            };
            if devices.push(entry).is_err() {
                next = Some(place);
                break;
            }
        }
        CallAnswer::Devices { next, devices }
    }
}

/// Reads what a request may take of a page, each word once.
fn copy(page: &[AtomicU64; PAGE_WORDS]) -> [u8; CALL_REQUEST_BYTES] {
    let mut bytes = [0; CALL_REQUEST_BYTES];
    for (to, from) in bytes.as_chunks_mut::<WORD>().0.iter_mut().zip(page) {
        *to = from.load(Ordering::Relaxed).to_le_bytes();
    }
    bytes
}

fn write(page: &[AtomicU64; PAGE_WORDS], bytes: &[u8]) {
    for (to, from) in page.iter().zip(bytes.as_chunks::<WORD>().0) {
        to.store(u64::from_le_bytes(*from), Ordering::Relaxed);
    }
}

const _: () = assert!(CALL_REQUEST_BYTES.is_multiple_of(WORD) && CALL_ANSWER_BYTES.is_multiple_of(WORD));
const _: () = assert!(CALL_ANSWER_BYTES <= PAGE_WORDS * WORD && DEVICES_PER_CALL > 0);
