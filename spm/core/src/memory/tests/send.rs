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

/// Sends a page of the normal world's to A with the bytes at `offset` changed.
fn patched(function: u64, offset: usize, bytes: &[u8]) -> Result<u64, FfaError> {
    let permissions = if function == DONATE { 0 } else { WRITE };
    let message = Message::new(0, &[(A, permissions)], &[(RAM, 1), (RAM + 0x2000, 2)]);
    let mut message = message.bytes();
    put(&mut message, offset, bytes);
    result(Bench::new().send_bytes(Who::Normal, function, message)).map(|answer| answer[2])
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
fn flags_follow_the_kind() {
    // MM table 1.21: zeroing is not for shared memory; no time slices; the rest is reserved.
    for bit in 0..32 {
        assert_eq!(patched(SHARE, header::FLAGS, &(1_u32 << bit).to_le_bytes()), INVALID, "{bit}");
        let lent = patched(LEND, header::FLAGS, &(1_u32 << bit).to_le_bytes());
        assert_eq!(lent.is_ok(), bit == 0, "{bit}");
    }
    assert!(patched(DONATE, header::FLAGS, &[1]).is_ok());
}

#[test]
fn reserved_fields_are_zero() {
    let composite_at = 48 + 16;
    for (what, offset) in [
        ("handle", header::HANDLE),
        ("handle's upper half", header::HANDLE + 7),
        ("header", header::RESERVED),
        ("header's end", 47),
        ("access flags", 48 + access::FLAGS),
        ("access", 48 + 8),
        ("access's end", 48 + 15),
        ("composite", composite_at + composite::RESERVED),
        ("composite's end", composite_at + 15),
        ("first constituent", composite_at + 16 + 12),
        ("last constituent", composite_at + 32 + 15),
    ] {
        assert_eq!(patched(SHARE, offset, &[1]), INVALID, "{what}");
    }
}

#[test]
fn counts_sizes_and_offsets_fit_the_length() {
    let composite_at = 48 + 16;
    for (what, offset, value) in [
        ("no ranges", composite_at + 4, 0_u32),
        ("a range less", composite_at + 4, 1),
        ("a range more", composite_at + 4, 3),
        ("ranges that overflow", composite_at + 4, 0x1000_0002),
        ("pages less", composite_at, 2),
        ("pages more", composite_at, 4),
        ("no receiver", header::ACCESS_COUNT, 0),
        ("receivers that are not there", header::ACCESS_COUNT, 9),
        ("receivers that overflow", header::ACCESS_COUNT, u32::MAX),
        ("a size of 1.2", header::ACCESS_SIZE, 32),
        ("a size of none", header::ACCESS_SIZE, 0),
        ("an array in the header", header::ACCESS_OFFSET, 32),
        ("an array unaligned", header::ACCESS_OFFSET, 56),
        ("an array behind the end", header::ACCESS_OFFSET, 0x1000),
        ("an array that overflows", header::ACCESS_OFFSET, 0xffff_fff0),
        ("no composite", 48 + access::COMPOSITE_OFFSET, 0),
        ("a composite in the header", 48 + access::COMPOSITE_OFFSET, 16),
        ("a composite in the array", 48 + access::COMPOSITE_OFFSET, 48),
        ("a composite behind the end", 48 + access::COMPOSITE_OFFSET, 0x1000),
        ("a composite that overflows", 48 + access::COMPOSITE_OFFSET, 0xffff_fff0),
    ] {
        assert_eq!(patched(SHARE, offset, &value.to_le_bytes()), INVALID, "{what}");
    }
    // Each receiver's entry leads to the same composite.
    let mut message = Message::new(0, &[(A, READ), (B, READ)], &[(RAM, 1)]).bytes();
    put(&mut message, 48 + 16 + access::COMPOSITE_OFFSET, &[96]);
    assert_eq!(
        result(Bench::new().send_bytes(Who::Normal, SHARE, message)),
        Err(FfaError::InvalidParameters)
    );
}

#[test]
fn ranges_are_pages_and_apart() {
    let bench = Bench::new();
    for ranges in [
        vec![(RAM + 0x800, 1)],
        vec![(RAM, 0)],
        vec![(!0xfff, 1)],
        vec![(RAM, 1), (RAM, 1)],
        vec![(RAM + 0x1000, 2), (RAM + 0x5000, 1), (RAM, 2)],
    ] {
        let sent = bench.give(Who::Normal, SHARE, &[(A, READ)], &ranges);
        assert_eq!(sent, INVALID, "{ranges:x?}");
    }
    // Their sum overflows what the composite can say, and before that the memory that there is.
    let many = [(RAM, u32::MAX), (RAM, u32::MAX)];
    assert_eq!(bench.give(Who::Normal, SHARE, &[(A, READ)], &many), DENIED);
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

#[test]
fn nobody_takes_the_places_of_others() {
    let bench = Bench::new();
    let mut open = 0;
    while bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM + open * 4096, 1)]).is_ok() {
        open += 1;
    }
    assert_eq!(open, 64);
    let full = bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM + open * 4096, 1)]);
    assert_eq!(full, Err(FfaError::NoMemory));
    for number in 0..8 {
        bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(page(0, number), 1)]).unwrap();
    }
    let full = bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(page(0, 9), 1)]);
    assert_eq!(full, Err(FfaError::NoMemory));
    bench.give(Who::Sp(1), SHARE, &[(A, READ)], &[(page(1, 0), 1)]).unwrap();
}
