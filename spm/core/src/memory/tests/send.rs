// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_SHARE, FFA_MEM_LEND, FFA_MEM_DONATE: what is taken, what is refused, and what it does to the sender.

use super::*;

const INVALID: Result<u64, FfaError> = Err(FfaError::InvalidParameters);
const DENIED: Result<u64, FfaError> = Err(FfaError::Denied);

/// Sends a page of the normal world's to A after `change`.
fn normal(change: impl FnOnce(&mut Message)) -> Result<u64, FfaError> {
    let mut message = Message::new(0, &[(A, WRITE)], &[(RAM, 1)]);
    change(&mut message);
    Bench::new().send(Who::Normal, SHARE, &message)
}

#[test]
fn each_kind_is_taken_and_keeps_or_takes_the_senders_access() {
    let bench = Bench::new();
    let sent = [(page(0, 0), 1), (page(0, 4), 2)];
    for (function, permissions, keeps) in [(SHARE, WRITE, true), (LEND, READ, false), (DONATE, 0, false)] {
        let handle = bench.give(Who::Sp(0), function, &[(B, permissions)], &sent).unwrap();
        assert_eq!(handle >> 63, 0, "MM §1.10.2: it is the SPMC's");
        for address in [page(0, 0), page(0, 4), page(0, 5)] {
            assert_eq!(bench.rights(0, address).is_some(), keeps);
            assert_eq!(bench.rights(1, address), None, "nothing before it is retrieved");
        }
        assert!(bench.rights(0, page(0, 1)).is_some());
        bench.reclaim(Who::Sp(0), handle, 0).unwrap();
        assert_eq!(bench.rights(0, page(0, 5)), Some(Rights::ALL));
    }
}

#[test]
fn handles_are_not_given_out_twice() {
    let bench = Bench::new();
    let mut handles = Vec::new();
    for _ in 0..5 {
        let handle = bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM, 1)]).unwrap();
        assert!(handle != 0 && handle != u64::MAX && !handles.contains(&handle));
        bench.reclaim(Who::Normal, handle, 0).unwrap();
        assert_eq!(bench.reclaim(Who::Normal, handle, 0), Err(FfaError::InvalidParameters));
        handles.push(handle);
    }
}

#[test]
fn a_sender_speaks_for_itself() {
    assert_eq!(normal(|message| message.sender = A), DENIED);
    assert!(normal(|message| message.sender = 7).is_ok(), "a VM, by its hypervisor");
    let bench = Bench::new();
    for wrong in [B, 0, 0x8000] {
        let message = Message::new(wrong, &[(C, WRITE)], &[(page(0, 0), 1)]);
        assert_eq!(bench.send(Who::Sp(0), SHARE, &message), DENIED);
    }
}

#[test]
fn receivers_are_partitions_and_each_once() {
    assert_eq!(normal(|message| message.access[0].0 = 0x8009), INVALID, "nobody");
    assert_eq!(normal(|message| message.access.clear()), INVALID);
    // MM table 1.7: not to the normal world, which is its hypervisor's matter or forbidden.
    assert_eq!(normal(|message| message.access[0].0 = 3), DENIED);
    let again = |message: &mut Message| message.access.push((A, READ, 0, 0));
    assert_eq!(normal(again), INVALID, "twice");
    assert!(normal(|message| message.access.push((B, READ, 0, 0))).is_ok());
    let bench = Bench::new();
    let own = [(page(0, 0), 1)];
    assert_eq!(bench.give(Who::Sp(0), SHARE, &[(A, READ)], &own), INVALID, "itself");
    assert_eq!(bench.give(Who::Sp(0), LEND, &[(1, READ)], &own), DENIED, "the normal world");
    assert_eq!(bench.give(Who::Sp(0), DONATE, &[(B, 0), (C, 0)], &own), INVALID, "two owners");
    bench.spmc.partitions()[1].abort();
    assert_eq!(bench.give(Who::Sp(0), SHARE, &[(B, READ)], &own), DENIED, "stopped");
}

#[test]
fn permissions_follow_the_kind() {
    let bench = Bench::new();
    let own = [(page(0, 0), 1)];
    // MM §1.10.2, §1.10.3: who shares or lends states data access, who donates does not; nobody states execution.
    for (function, permissions) in [
        (SHARE, 0),
        (LEND, 0),
        (SHARE, 0b11),
        (SHARE, WRITE | EXECUTE),
        (LEND, READ | 0b0100),
        (SHARE, READ | 0b1100),
        (SHARE, READ | 0x10),
        (DONATE, READ),
        (DONATE, WRITE),
    ] {
        let given = bench.give(Who::Sp(0), function, &[(B, permissions)], &own);
        assert_eq!(given, INVALID, "{function:#x} {permissions:#b}");
    }
    // Not more than the sender has.
    let read_only = [(READ_ONLY, 1)];
    assert_eq!(bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &read_only), DENIED);
    let mut zeroed = Message::new(A, &[(B, READ)], &read_only);
    zeroed.flags = 1;
    assert_eq!(bench.send(Who::Sp(0), LEND, &zeroed), DENIED);
    assert!(bench.give(Who::Sp(0), SHARE, &[(B, READ)], &read_only).is_ok());
}

#[test]
fn attributes_are_those_of_all_memory() {
    // MM table 1.18, §1.10.4.
    assert!(normal(|message| message.attributes = NORMAL).is_ok());
    for reserved in [NORMAL | 1 << 6, NORMAL | 1 << 7, 0x30, 0x23, 0x2d, 0x04, 0x11] {
        assert_eq!(normal(|message| message.attributes = reserved), INVALID, "{reserved:#x}");
    }
    for other in [0x10, 0x14, 0x27, 0x2e, 0x2c] {
        assert_eq!(normal(|message| message.attributes = other), DENIED, "{other:#x}");
    }
    let bench = Bench::new();
    for function in [LEND, DONATE] {
        let mut message =
            Message::new(A, &[(B, if function == LEND { READ } else { 0 })], &[(page(0, 0), 1)]);
        message.attributes = NORMAL;
        assert_eq!(bench.send(Who::Sp(0), function, &message), INVALID, "the receiver chooses");
    }
    let mut message = Message::new(A, &[(B, READ), (C, READ)], &[(page(0, 0), 1)]);
    message.attributes = NORMAL;
    assert!(bench.send(Who::Sp(0), LEND, &message).is_ok());
}

#[test]
fn a_sender_owns_what_it_sends() {
    let bench = Bench::new();
    for (what, address) in [
        ("spm's", 0x0e10_0000),
        ("a partition's", page(0, 0)),
        ("a partition's region", READ_ONLY),
        ("claimed by a manifest", CLAIMED),
        ("the end of what is claimed", CLAIMED + 0xf000),
        ("nobody's", 0x9000_0000),
        ("devices", 0x0900_0000),
        ("behind its end", 0x8000_0000),
        ("its receive buffer", 0x4000_1000),
        ("its send buffer", 0x4000_0000),
    ] {
        let sent = bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM, 1), (address, 1)]);
        assert_eq!(sent, DENIED, "{what}");
    }
    assert_eq!(bench.give(Who::Normal, SHARE, &[(A, READ)], &[(CLAIMED - 0x1000, 2)]), DENIED, "partly");
    for (what, address) in [
        ("another's", page(1, 0)),
        ("another's region", CLAIMED),
        ("the normal world's", RAM),
        ("its buffer", own(0).start()),
        ("spm's", 0x0e10_0000),
    ] {
        let sent = bench.give(Who::Sp(0), SHARE, &[(C, READ)], &[(page(0, 0), 1), (address, 1)]);
        assert_eq!(sent, DENIED, "{what}");
    }
    // Secure and non-secure memory are not one region.
    let mixed = [(page(1, 0), 1), (CLAIMED, 1)];
    assert_eq!(bench.give(Who::Sp(1), SHARE, &[(C, READ)], &mixed), DENIED);
    // What is mapped by blocks is not taken apart.
    assert_eq!(bench.give(Who::Sp(0), LEND, &[(C, READ)], &[(LARGE, 1)]), DENIED);
    assert!(bench.give(Who::Sp(0), SHARE, &[(C, READ)], &[(LARGE, 1)]).is_ok());
}

#[test]
fn what_is_sent_is_not_sent_again() {
    let bench = Bench::new();
    for function in [SHARE, LEND, DONATE] {
        let permissions = if function == DONATE { 0 } else { READ };
        let handle = bench.give(Who::Normal, function, &[(A, permissions)], &[(RAM, 4)]).unwrap();
        for again in [SHARE, LEND, DONATE] {
            let permissions = if again == DONATE { 0 } else { READ };
            let sent = bench.give(Who::Normal, again, &[(B, permissions)], &[(RAM + 0x3000, 2)]);
            assert_eq!(sent, DENIED);
        }
        // Nor does spm write messages there.
        assert_eq!(result(bench.call(Who::Normal, &[0x8400_0067])).map(|_| ()), Ok(()));
        let buffers = [0xc400_0066, RAM, RAM + 0x10_0000, 1];
        assert_eq!(result(bench.call(Who::Normal, &buffers)), Err(FfaError::InvalidParameters));
        let buffers = [0xc400_0066, 0x4000_0000, 0x4000_1000, 1];
        assert_eq!(bench.call(Who::Normal, &buffers)[0], SUCCESS);
        bench.reclaim(Who::Normal, handle, 0).unwrap();
    }
    // A borrower is no owner.
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, handle, &[(B, WRITE)])).unwrap();
    assert_eq!(bench.give(Who::Sp(1), SHARE, &[(C, READ)], &[(page(0, 0), 1)]), DENIED);
}

#[test]
fn buffers_beside_the_send_buffer_are_not_offered() {
    let bench = Bench::new();
    let message = Message::new(0, &[(A, WRITE)], &[(RAM, 1)]).bytes();
    let length = message.len() as u64;
    bench.fill(Who::Normal, message);
    for (function, address, pages) in
        [(SHARE, 0x4000_2000, 0), (SHARE, 0, 1), (SHARE | 1 << 30, 1 << 32, 0), (LEND | 1 << 30, 0, 1)]
    {
        let answer = bench.call(Who::Normal, &[function, length, length, address, pages]);
        assert_eq!(result(answer), Err(FfaError::InvalidParameters));
    }
    // The upper half of a register is no part of a 32-bit parameter.
    assert_eq!(bench.call(Who::Normal, &[SHARE, length, length, 1 << 32])[0], SUCCESS);
    let longer = bench.call(Who::Normal, &[SHARE, length, length + 16]);
    assert_eq!(result(longer), Err(FfaError::InvalidParameters));
    assert_eq!(result(bench.call(Who::Normal, &[SHARE, 5000, 5000])), Err(FfaError::InvalidParameters));
    assert_eq!(bench.call(Who::Normal, &[0x8400_0067])[0], SUCCESS);
    assert_eq!(result(bench.call(Who::Normal, &[SHARE, 96, 96])), Err(FfaError::Denied), "no buffer");
}

#[test]
fn zeros_are_written_when_nobody_has_the_memory() {
    let bench = Bench::new();
    let mut message = Message::new(A, &[(B, WRITE)], &[(page(0, 0), 2)]);
    message.flags = 1;
    let before = bench.snapshot();
    bench.pages(|pages| pages.fails_after = Some(0));
    assert_eq!(bench.send(Who::Sp(0), LEND, &message), Err(FfaError::NoMemory));
    assert_eq!(bench.snapshot(), before, "it has it back");
    bench.pages(|pages| pages.fails_after = None);
    bench.send(Who::Sp(0), LEND, &message).unwrap();
    assert_eq!(bench.pages(|pages| pages.zeroed.clone()), [range(page(0, 0), 2)]);
    let mut long = Message::new(0, &[(B, WRITE)], &[(RAM, 0x4001)]);
    long.flags = 1;
    assert_eq!(bench.send(Who::Normal, LEND, &long), DENIED, "more than a call may zero");
}
