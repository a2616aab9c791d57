// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RETRIEVE_REQ by receivers, and by the normal world's hypervisor.

use super::*;
use crate::memory::spec::{u16_at, u32_at, u64_at};

const INVALID: Option<FfaError> = Some(FfaError::InvalidParameters);
const DENIED: Option<FfaError> = Some(FfaError::Denied);

/// Lends a page of A's to B and lets B ask for it after `change`.
fn lent(permissions: u8, change: impl FnOnce(&mut Message)) -> Option<FfaError> {
    let bench = Bench::new();
    let mut message = Message::new(A, &[(B, permissions)], &[(page(0, 0), 1)]);
    message.tag = 5;
    let handle = bench.send(Who::Sp(0), LEND, &message).unwrap();
    let before = bench.snapshot();
    let mut request = Bench::request(A, handle, &[(B, 0)]);
    request.tag = 5;
    change(&mut request);
    let error = bench.retrieve(1, &request).err();
    assert!(error.is_none() || bench.snapshot() == before);
    error
}

#[test]
fn a_receiver_gets_the_memory_and_its_description() {
    let bench = Bench::new();
    let ranges = [(RAM + 0x9000, 1), (RAM, 2)];
    let mut message = Message::new(9, &[(B, WRITE)], &ranges);
    (message.tag, message.attributes) = (0x1122_3344_5566_7788, NORMAL);
    let handle = bench.send(Who::Normal, SHARE, &message).unwrap();
    let mut request = Bench::request(9, handle, &[(B, READ)]);
    request.tag = message.tag;
    let response = bench.retrieve(1, &request).unwrap();
    // MM tables 1.20, 1.16, 1.13, 1.14.
    assert_eq!(u16_at(&response, 0), 9);
    assert_eq!(u16_at(&response, 2), NORMAL | 1 << 6, "bit 6: non-secure");
    assert_eq!(u32_at(&response, 4), 1 << 3, "MM table 1.23: shared");
    assert_eq!((u64_at(&response, 8), u64_at(&response, 16)), (handle, message.tag));
    assert_eq!([24, 28, 32].map(|at| u32_at(&response, at)), [16, 1, 48]);
    assert_eq!(response[36..48], [0; 12]);
    assert_eq!(
        (u16_at(&response, 48), response[50], response[51]),
        (B, READ | 0b0100, 0),
        "never executable"
    );
    assert_eq!((u32_at(&response, 52), u64_at(&response, 56)), (64, 0));
    assert_eq!([64, 68, 72, 76].map(|at| u32_at(&response, at)), [3, 2, 0, 0]);
    assert_eq!((u64_at(&response, 80), u64_at(&response, 88)), (RAM + 0x9000, 1));
    assert_eq!((u64_at(&response, 96), u64_at(&response, 104), response.len()), (RAM, 2, 112));
    for address in [RAM, RAM + 0x1000, RAM + 0x9000] {
        assert_eq!(bench.pages(|pages| pages.mapped.get(&(1, true, address)).copied()), Some(RO));
        assert_eq!(bench.rights(0, address), None);
    }
    assert_eq!(bench.rights(1, RAM + 0x2000), None);
}

#[test]
fn a_receiver_gets_no_more_than_it_was_offered() {
    for (offered, wanted, got) in [
        (READ, 0, None),
        (READ, READ, None),
        (READ, WRITE, DENIED),
        (WRITE, WRITE, None),
        (WRITE, READ, None),
        (READ, READ | EXECUTE, None),
        (WRITE, EXECUTE, None),
        (WRITE, WRITE | EXECUTE, DENIED),
        (READ, 0b11, INVALID),
        (READ, 0b1100, INVALID),
        (READ, 0x40, INVALID),
    ] {
        assert_eq!(lent(offered, |request| request.access[0].1 = wanted), got, "{offered:#b} {wanted:#b}");
    }
    // What is not for it alone, or not secure, or not executable for its sender, is not executed.
    let bench = Bench::new();
    let own = [(page(0, 0), 1)];
    let both = [(B, EXECUTE), (C, 0)];
    for (who, function, ranges) in
        [(Who::Sp(0), SHARE, own), (Who::Normal, LEND, [(RAM, 1)]), (Who::Sp(0), LEND, [(READ_ONLY, 1)])]
    {
        let handle = bench.give(who, function, &[(B, READ)], &ranges).unwrap();
        let sender = if who == Who::Normal { 0 } else { A };
        let refused = bench.retrieve(1, &Bench::request(sender, handle, &[(B, EXECUTE)]));
        assert_eq!(refused.err(), DENIED);
        bench.reclaim(who, handle, 0).unwrap();
    }
    let handle = bench.give(Who::Sp(0), LEND, &[(B, READ), (C, READ)], &own).unwrap();
    assert_eq!(bench.retrieve(1, &Bench::request(A, handle, &both)).err(), DENIED);
    let handle = bench.give(Who::Sp(2), LEND, &[(B, READ)], &[(EXECUTABLE, 1)]).unwrap();
    bench.retrieve(1, &Bench::request(C, handle, &[(B, EXECUTE)])).unwrap();
    assert_eq!(bench.rights(1, EXECUTABLE), Some(Rights { write: false, execute: true }));
}

#[test]
fn a_request_fits_the_transaction() {
    assert_eq!(lent(READ, |_| ()), None);
    assert_eq!(lent(READ, |request| request.sender = C), INVALID);
    assert_eq!(lent(READ, |request| request.tag = 6), INVALID);
    for handle in [0, u64::MAX, 1 << 63, 5, 1 << 40] {
        assert_eq!(lent(READ, |request| request.handle ^= handle.max(1 << 9)), INVALID);
    }
    for attributes in [1 << 6, 1 << 7, 0x30] {
        assert_eq!(lent(READ, |request| request.attributes = attributes), INVALID, "{attributes:#x}");
    }
    assert_eq!(lent(READ, |request| request.attributes = NORMAL), None);
    assert_eq!(lent(READ, |request| request.attributes = 0x10), DENIED, "as a device");
    // MM §2.4.2: memory is mapped where it is, so a receiver names no addresses.
    assert_eq!(lent(READ, |request| request.ranges.push((page(0, 0), 1))), INVALID);
    // Its own entry is the one that is retrieved for.
    assert_eq!(lent(READ, |request| request.access[0].2 = 1), INVALID);
    assert_eq!(lent(READ, |request| request.access[0].2 = 2), INVALID);
    assert_eq!(lent(READ, |request| request.access[0].0 = C), INVALID);
    assert_eq!(lent(READ, |request| request.access.clear()), INVALID);
    assert_eq!(lent(READ, |request| request.access.push((C, READ, 1, 0))), INVALID);
}

#[test]
fn flags_of_a_request_follow_the_transaction() {
    // MM table 1.22.
    for (flags, got) in [
        (1, DENIED),
        (1 << 1, INVALID),
        (1 << 2, None),
        (1 << 3, INVALID),
        (2 << 3, None),
        (3 << 3, INVALID),
        (1 << 5, INVALID),
        (1 << 9, INVALID),
        (1 << 10, INVALID),
        (1 << 31, INVALID),
    ] {
        assert_eq!(lent(WRITE, |request| request.flags = flags), got, "{flags:#x}");
    }
    assert_eq!(lent(READ, |request| request.flags = 1 << 2), DENIED, "zeros by who may not write");
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    for flags in [1, 1 << 2] {
        let request = Message { flags, ..Bench::request(A, handle, &[(B, 0)]) };
        assert_eq!(bench.retrieve(1, &request).err(), INVALID);
    }
    let mut zeroed = Message::new(A, &[(B, WRITE)], &[(page(0, 1), 1)]);
    zeroed.flags = 1;
    let handle = bench.send(Who::Sp(0), LEND, &zeroed).unwrap();
    let request = Message { flags: 1, ..Bench::request(A, handle, &[(B, 0)]) };
    let response = bench.retrieve(1, &request).unwrap();
    assert_eq!(u32_at(&response, 4), 1 | 2 << 3, "MM table 1.23");
}

#[test]
fn memory_is_retrieved_once_by_receivers_alone() {
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    let request = Bench::request(A, handle, &[(B, WRITE)]);
    bench.retrieve(1, &request).unwrap();
    assert_eq!(bench.rights(1, page(0, 0)), Some(RW));
    assert_eq!(bench.retrieve(1, &request).err(), DENIED, "again");
    assert_eq!(bench.retrieve(2, &Bench::request(A, handle, &[(C, WRITE)])).err(), INVALID, "not a receiver");
    assert_eq!(bench.retrieve(0, &Bench::request(A, handle, &[(A, WRITE)])).err(), INVALID, "the sender");
    bench.relinquish(1, handle, 0).unwrap();
    bench.retrieve(1, &request).unwrap();
}

#[test]
fn each_of_several_receivers_names_all() {
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE), (C, READ)], &[(page(0, 0), 1)]).unwrap();
    let alone = Bench::request(A, handle, &[(B, WRITE)]);
    assert_eq!(bench.retrieve(1, &alone).err(), INVALID);
    let mut all = Bench::request(A, handle, &[(C, READ), (B, WRITE)]);
    all.access[0].2 = 1;
    let response = bench.retrieve(1, &all).unwrap();
    assert_eq!((u32_at(&response, 28), u16_at(&response, 48)), (1, B), "it learns of its own access");
    (all.access[0].2, all.access[1].2) = (0, 1);
    bench.retrieve(2, &all).unwrap();
    assert_eq!((bench.rights(1, page(0, 0)), bench.rights(2, page(0, 0))), (Some(RW), Some(RO)));
    assert_eq!(bench.rights(0, page(0, 0)), None);
}

#[test]
fn a_donation_makes_an_owner() {
    let bench = Bench::new();
    let handle = bench.give(Who::Normal, DONATE, &[(A, 0)], &[(RAM, 4)]).unwrap();
    let response = bench.retrieve(0, &Bench::request(0, handle, &[(A, 0)])).unwrap();
    assert_eq!((u32_at(&response, 4), response[50]), (3 << 3, WRITE | 0b0100));
    assert_eq!(bench.reclaim(Who::Normal, handle, 0), Err(FfaError::InvalidParameters));
    assert_eq!(bench.relinquish(0, handle, 0), Err(FfaError::InvalidParameters));
    assert_eq!(bench.give(Who::Normal, SHARE, &[(B, READ)], &[(RAM + 0x3000, 2)]), Err(FfaError::Denied));
    // The new owner lends a part, and gives another on.
    let lent = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(RAM + 0x1000, 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, lent, &[(B, 0)])).unwrap();
    assert_eq!((bench.rights(0, RAM + 0x1000), bench.rights(1, RAM + 0x1000)), (None, Some(RW)));
    bench.relinquish(1, lent, 0).unwrap();
    bench.reclaim(Who::Sp(0), lent, 0).unwrap();
    let given = bench.give(Who::Sp(0), DONATE, &[(C, 0)], &[(RAM + 0x2000, 1)]).unwrap();
    bench.retrieve(2, &Bench::request(A, given, &[(C, READ)])).unwrap();
    assert_eq!((bench.rights(0, RAM + 0x2000), bench.rights(2, RAM + 0x2000)), (None, Some(RO)));
    assert_eq!(bench.rights(0, RAM + 0x1000), Some(RW));
    assert_eq!(bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(RAM, 4)]), Err(FfaError::Denied));
    // A partition's own memory leaves it the same way, and cannot become its buffer.
    let given = bench.give(Who::Sp(0), DONATE, &[(C, 0)], &[(page(0, 8), 1)]).unwrap();
    bench.retrieve(2, &Bench::request(A, given, &[(C, EXECUTE)])).unwrap();
    assert_eq!(bench.call(Who::Sp(0), &[0x8400_0067])[0], SUCCESS);
    let buffers = [0xc400_0066, page(0, 8), page(0, 9), 1];
    assert_eq!(result(bench.call(Who::Sp(0), &buffers)), Err(FfaError::InvalidParameters));
}

#[test]
fn what_fails_on_the_way_changes_nothing() {
    let bench = Bench::new();
    let ranges = [(RAM, 1), (RAM + 0x4000, 3), (RAM + 0x20_0000, 1)];
    for function in [SHARE, LEND, DONATE] {
        let offered = if function == DONATE { 0 } else { WRITE };
        let handle = bench.give(Who::Normal, function, &[(B, offered)], &ranges).unwrap();
        let request = Bench::request(0, handle, &[(B, 0)]);
        let before = bench.snapshot();
        for calls in 0..3 {
            bench.pages(|pages| pages.fails_after = Some(calls));
            assert_eq!(bench.retrieve(1, &request).err(), Some(FfaError::NoMemory));
            bench.pages(|pages| pages.fails_after = None);
            assert_eq!(bench.snapshot(), before);
        }
        // A receive buffer that is not free.
        assert_eq!(bench.call(Who::Sp(1), &[0x8400_0068, 0, 0, 0, 0])[0], SUCCESS);
        assert_eq!(bench.retrieve(1, &request).err(), Some(FfaError::Busy));
        assert_eq!(bench.snapshot(), before);
        assert_eq!(bench.call(Who::Sp(1), &[0x8400_0065])[0], SUCCESS);
        bench.reclaim(Who::Normal, handle, 0).unwrap();
    }
}

#[test]
fn a_hypervisor_gets_what_its_vm_wrote() {
    let bench = Bench::new();
    let mut message = Message::new(3, &[(B, WRITE), (C, READ)], &[(RAM, 2), (RAM + 0x7000, 1)]);
    (message.tag, message.attributes) = (77, NORMAL);
    let handle = bench.send(Who::Normal, SHARE, &message).unwrap();
    let before = bench.snapshot();
    // As pKVM asks: nothing but the handle.
    let request = Message { handle, ..Message::new(0, &[], &[]) };
    let answer = bench.send_bytes(Who::Normal, RETRIEVE, request.bytes());
    let expected = Message { handle, flags: 1 << 3, ..message.clone() }.bytes();
    assert_eq!(answer[..3], [RESPONSE, expected.len() as u64, expected.len() as u64]);
    assert_eq!(bench.received(Who::Normal, expected.len()), expected);
    assert_eq!(bench.snapshot(), before);
    assert_eq!(bench.call(Who::Normal, &[0x8400_0065])[0], SUCCESS);
    // Nothing else, and not what partitions send each other.
    let other = bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(page(0, 0), 1)]).unwrap();
    for wrong in [
        Message { handle: other, ..request.clone() },
        Message { flags: 1 << 3, ..request.clone() },
        Message { tag: 77, ..request.clone() },
        Message { sender: 4, ..request.clone() },
        Message { handle: handle ^ 1 << 9, ..request.clone() },
        Bench::request(3, handle, &[(B, WRITE), (C, READ)]),
    ] {
        let answer = bench.send_bytes(Who::Normal, RETRIEVE, wrong.bytes());
        assert_eq!(result(answer), Err(FfaError::InvalidParameters));
    }
    // A partition asks for nothing of the kind.
    let answer = bench.send_bytes(Who::Sp(1), RETRIEVE, request.bytes());
    assert_eq!(result(answer), Err(FfaError::InvalidParameters));
}
