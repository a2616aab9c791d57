// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The fields of a descriptor that is sent: what they may hold, and that they fit each other and its length.

use super::*;

const INVALID: Result<u64, FfaError> = Err(FfaError::InvalidParameters);
const DENIED: Result<u64, FfaError> = Err(FfaError::Denied);

/// Sends a page of the normal world's to A with the bytes at `offset` changed.
fn patched(function: u64, offset: usize, bytes: &[u8]) -> Result<u64, FfaError> {
    let permissions = if function == DONATE { 0 } else { WRITE };
    let message = Message::new(0, &[(A, permissions)], &[(RAM, 1), (RAM + 0x2000, 2)]);
    let mut message = message.bytes();
    put(&mut message, offset, bytes);
    result(Bench::new().send_bytes(Who::Normal, function, message)).map(|answer| answer[2])
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
