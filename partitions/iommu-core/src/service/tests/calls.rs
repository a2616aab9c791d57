// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The call page: what is asked there is answered as in registers, and nothing that stands there harms anybody.

use super::rings::{self, RING};
use super::roles::with_hyp;
use super::*;
use crate::shared::MAX_AREA_PAGES;
use core::sync::atomic::Ordering::Relaxed;
use ffa_abi::{
    AreaHandle, CALL_ANSWER_BYTES, CALL_REQUEST_BYTES, Call, CallAnswer, CallRequest, DEVICES_PER_CALL,
};
use std::vec::Vec;

/// Words of a page.
const WORDS: usize = 512;

struct Page {
    machine: Machine,
    area: AreaHandle,
}

impl Page {
    fn on(machine: Machine) -> Self {
        machine.shared.share(1, &[RING, RING + K4]);
        let area = rings::open(&machine, 1).unwrap();
        Self { machine, area }
    }

    fn words(&self, page: usize) -> &[core::sync::atomic::AtomicU64] {
        &self.machine.shared.words(self.area.place())[page * WORDS..][..WORDS]
    }

    fn call(&self, page: u16, bytes: u16) -> Response {
        self.machine.ask(Request::Call(Call { area: self.area, page, bytes }))
    }

    fn put(&self, page: usize, bytes: &[u8]) {
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(8), 0xa5);
        for (word, bytes) in self.words(page).iter().zip(padded.as_chunks().0) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
    }

    fn bytes(&self, page: usize) -> Vec<u8> {
        self.words(page).iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect()
    }

    fn ask(&self, page: u16, request: CallRequest) -> CallAnswer {
        let mut bytes = [0; CALL_REQUEST_BYTES];
        let length = request.encode(&mut bytes).unwrap();
        self.put(page.into(), &bytes[..length]);
        let Response { status, values: [length, 0, 0, 0] } = self.call(page, length.try_into().unwrap())
        else {
            panic!("an answer with more than a length")
        };
        assert_eq!(status, Status::Ok);
        let answer = self.bytes(page.into());
        CallAnswer::decode(&answer[..usize::try_from(length).unwrap()]).unwrap()
    }
}

/// All devices, by as many calls as it takes.
fn devices(page: &Page) -> (Vec<ffa_abi::DeviceEntry>, usize) {
    let (mut all, mut first, mut calls) = (Vec::new(), 0, 0);
    loop {
        let CallAnswer::Devices { next, devices } = page.ask(1, CallRequest::Devices { first }) else {
            panic!("another answer")
        };
        all.extend(devices);
        calls += 1;
        match next {
            Some(next) => first = next,
            None => return (all, calls),
        }
    }
}

#[test]
fn devices_are_those_that_registers_tell_and_their_windows() {
    let page = Page::on(Machine::new());
    let (all, calls) = devices(&page);
    assert_eq!((all.len(), calls), (3, 1));
    for (index, entry) in (0..).zip(&all) {
        let told = DeviceRecord::from_registers(page.machine.ask(Request::DeviceDescribe { index }).values);
        let told = told.unwrap();
        assert_eq!((entry.smmu, entry.first), (told.smmu.0, told.first.0));
        assert_eq!((entry.count, entry.name), (told.count, told.name));
    }
    assert_eq!((all[0].window_base, all[0].window_size), (WINDOW.base, WINDOW.size));
    assert!(!all[0].identity);
    let none = CallAnswer::Devices { next: None, devices: heapless::Vec::new() };
    for first in [3, 4, u16::MAX] {
        assert_eq!(page.ask(0, CallRequest::Devices { first }), none);
    }
}

#[test]
fn more_devices_than_fit_are_told_by_several_answers() {
    let mut policy = policy();
    for number in 0..2 * DEVICES_PER_CALL {
        let sid = 0x1000 + u32::try_from(number).unwrap();
        policy.devices.push(device(&std::format!("more{number}"), 0, sid, 1, true, WINDOW)).unwrap();
    }
    let page = Page::on(Machine::of(policy, POOL_PAGES));
    let (all, calls) = devices(&page);
    assert_eq!((all.len(), calls), (2 * DEVICES_PER_CALL + 3, 3));
    let mut sids: Vec<_> = all.iter().map(|device| (device.smmu, device.first)).collect();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), all.len(), "none twice");
}

#[test]
fn digest_and_statistics() {
    let page = Page::on(Machine::new());
    assert_eq!(page.ask(1, CallRequest::PolicyDigest), CallAnswer::PolicyDigest([7; 32]));
    let statistics = || match page.ask(0, CallRequest::Statistics) {
        CallAnswer::Statistics { pool_used, pool_left } => (pool_used, pool_left),
        other => panic!("{other:?}"),
    };
    let (used, left) = statistics();
    let domain = page.machine.alloc(0);
    assert_eq!(page.machine.map(domain, WINDOW.base, RAM, K4, READ), (Status::Ok, K4));
    let (more, less) = statistics();
    assert!(more > used && more - used == left - less, "{used} {left}, then {more} {less}");
}

#[test]
fn what_is_no_request_changes_nothing_in_the_page() {
    let page = Page::on(Machine::new());
    let long = u16::try_from(CALL_REQUEST_BYTES).unwrap();
    let cases: [(u16, &[u8], u16, Status); 9] = [
        (0, &[1], 0, Status::OutOfRange),
        (0, &[1], long + 1, Status::OutOfRange),
        (0, &[1], u16::MAX, Status::OutOfRange),
        (2, &[1], 1, Status::OutOfRange),
        (u16::MAX, &[1], 1, Status::OutOfRange),
        (0, &[1, 0], 2, Status::InvalidParameters),
        (1, &[0, 0x80], 2, Status::InvalidParameters),
        (1, &[0, 0xff, 0xff, 0xff, 0xff], 5, Status::InvalidParameters),
        (1, &[3], 1, Status::NotSupported),
    ];
    for (number, bytes, length, status) in cases {
        let place = usize::from(number).min(1);
        page.put(place, bytes);
        let before = page.bytes(place);
        assert_eq!(page.call(number, length), Response::status(status), "{bytes:x?} {length}");
        assert_eq!(page.bytes(place), before, "{bytes:x?} {length}");
    }
    let other = AreaHandle::new(page.area.place(), page.area.generation() + 1).unwrap();
    let stale = Request::Call(Call { area: other, page: 0, bytes: 1 });
    assert_eq!(page.machine.status(stale), Status::InvalidHandle);
    assert_eq!(page.machine.status(Request::AreaClose(page.area)), Status::Ok);
    assert_eq!(page.call(0, 1).status, Status::InvalidHandle);
}

#[test]
fn nobody_is_answered_before_the_claim() {
    let machine = with_hyp();
    let area = AreaHandle::new(0, 1).unwrap();
    let call = Request::Call(Call { area, page: 0, bytes: 1 });
    assert_eq!(machine.status(call), Status::NotReady);
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let page = Page::on(machine);
    assert_eq!(page.ask(0, CallRequest::PolicyDigest), CallAnswer::PolicyDigest([7; 32]));
}

proptest! {
    /// Whatever stands in a page, only the answer's words of it change.
    #[test]
    fn no_bytes_write_beyond_their_answer(bytes: [u8; 24], page in 0u16..4, length in 0u16..20, small: bool) {
        let client = Page::on(Machine::new());
        let mut bytes = bytes;
        if small {
            bytes[0] %= 4;
            bytes[1] &= 0x7f;
        }
        for place in 0..2 {
            client.put(place, &bytes);
        }
        let before = [0, 1].map(|place| client.bytes(place));
        let Response { status, values: [written, ..] } = client.call(page, length);
        prop_assert_eq!(status == Status::Ok, written != 0);
        let written = usize::try_from(written).unwrap();
        prop_assert!(written <= CALL_ANSWER_BYTES);
        for (place, before) in before.iter().enumerate() {
            let after = client.bytes(place);
            let changed = if usize::from(page) == place { written.next_multiple_of(8) } else { 0 };
            prop_assert_eq!(&after[changed..], &before[changed..]);
        }
        prop_assert!(client.machine.shared.words(client.area.place()).len() == MAX_AREA_PAGES * WORDS);
    }
}
