// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors by version: the header of FF-A 1.0 (MM table 4.17), the access descriptors of 16 and of 32 bytes.

use super::*;
use crate::memory::spec::{u16_at, u32_at};

fn message(format: Format) -> Message {
    let mut message = Message::new(0, &[(A, WRITE), (B, READ)], &[(RAM, 1), (RAM + 0x5000, 2)]);
    message.format = format;
    message.access[0].3 = 0xa5;
    message
}

#[test]
fn each_version_sends_retrieves_and_is_asked_for_in_its_own_layout() {
    for (version, format, header, entry) in [
        (Version(1, 0), Format::V1_0, 32, 16),
        (Version(1, 1), Format::V1_1, 48, 16),
        (Version(1, 2), Format::V1_2, 48, 32),
    ] {
        let bench = Bench::with(version, 1);
        let sent = message(format);
        assert_eq!(sent.prefix(), header + 2 * entry + 16);
        let handle = bench.send(Who::Normal, SHARE, &sent).unwrap();
        let request = Message { handle, ranges: Vec::new(), ..sent.clone() };
        let response = bench.retrieve(0, &request).unwrap();
        assert_eq!(response.len(), header + entry + 16 + 32);
        assert_eq!((u32_at(&response, 28), u16_at(&response, header)), (1, A));
        let composite_at = header + entry;
        assert_eq!(u32_at(&response, header + 4) as usize, composite_at);
        assert_eq!([0, 4].map(|at| u32_at(&response, composite_at + at)), [3, 2]);
        if format == Format::V1_2 {
            assert_eq!(response[header + 8..header + 24], [0xa5; 16], "the sender's word to its receiver");
        }
        // MM table 1.19: who speaks 1.0 is told of security only if it asked.
        let told = u16_at(&response, 2);
        assert_eq!(told, if format == Format::V1_0 { NORMAL } else { NORMAL | 1 << 6 });
        let mut asked = Message { handle, format, ..Message::new(0, &[], &[]) }.bytes();
        // As pKVM asks, whatever the version: by a structure of 48 bytes.
        asked.resize(48, 0);
        let answer = bench.send_bytes(Who::Normal, RETRIEVE, asked);
        let expected = Message { handle, flags: 1 << 3, ..sent }.bytes();
        assert_eq!(answer[..3], [RESPONSE, expected.len() as u64, expected.len() as u64]);
        assert_eq!(bench.received(Who::Normal, expected.len()), expected);
        bench.relinquish(0, handle, 0).unwrap();
    }
}

#[test]
fn a_layout_of_another_version_is_refused() {
    for version in [Version(1, 0), Version(1, 1)] {
        let bench = Bench::with(version, 1);
        for format in [Format::V1_0, Format::V1_1, Format::V1_2] {
            let sent = bench.send(Who::Normal, SHARE, &message(format));
            assert_eq!(sent.is_ok(), format == Format::of(version), "{version} {format:?}");
        }
    }
    // A client of 1.2 that was written for 1.1 says how long its entries are.
    let bench = Bench::with(Version(1, 2), 1);
    let mut short = message(Format::V1_1);
    short.access[0].3 = 0;
    bench.send(Who::Normal, SHARE, &short).unwrap();
    assert_eq!(bench.send(Who::Normal, SHARE, &message(Format::V1_0)), Err(FfaError::InvalidParameters));
}

#[test]
fn reserved_fields_of_1_0_and_1_2_are_zero() {
    for (version, format, offsets) in [
        (Version(1, 0), Format::V1_0, &[3, 24, 27, 40, 47][..]),
        (Version(1, 2), Format::V1_2, &[36, 47, 48 + 24, 48 + 31][..]),
    ] {
        for &offset in offsets {
            let mut bytes = message(format).bytes();
            bytes[offset] = 1;
            let answer = Bench::with(version, 1).send_bytes(Who::Normal, SHARE, bytes);
            assert_eq!(result(answer), Err(FfaError::InvalidParameters), "{version} {offset}");
        }
    }
}

#[test]
fn a_receiver_may_repeat_the_senders_word_and_no_other() {
    let bench = Bench::with(Version(1, 2), 1);
    let sent = message(Format::V1_2);
    let handle = bench.send(Who::Normal, SHARE, &sent).unwrap();
    for (word, refused) in [(0x11, true), (0, false), (0xa5, false)] {
        let mut request = Message { handle, ranges: Vec::new(), ..sent.clone() };
        request.access[0].3 = word;
        assert_eq!(bench.retrieve(0, &request).is_err(), refused);
        if !refused {
            bench.relinquish(0, handle, 0).unwrap();
        }
    }
}

#[test]
fn a_receiver_of_1_2_may_leave_the_others_out() {
    // MM table 1.22, bit 10.
    let bench = Bench::with(Version(1, 2), 1);
    let handle = bench.send(Who::Normal, SHARE, &message(Format::V1_2)).unwrap();
    let alone = Message { format: Format::V1_2, ..Bench::request(0, handle, &[(B, READ)]) };
    assert_eq!(bench.retrieve(1, &alone), Err(FfaError::InvalidParameters));
    bench.retrieve(1, &Message { flags: 1 << 10, ..alone }).unwrap();
}

#[test]
fn the_only_receiver_has_none_to_leave_out() {
    let bench = Bench::with(Version(1, 2), 1);
    let sent = Message { format: Format::V1_2, ..Message::new(0, &[(B, READ)], &[(RAM, 1)]) };
    let handle = bench.send(Who::Normal, SHARE, &sent).unwrap();
    let request = Message { format: Format::V1_2, ..Bench::request(0, handle, &[(B, READ)]) };
    let bypassing = Message { flags: 1 << 10, ..request.clone() };
    assert_eq!(bench.retrieve(1, &bypassing), Err(FfaError::InvalidParameters));
    bench.retrieve(1, &request).unwrap();
}

#[test]
fn who_speaks_1_0_can_ask_to_be_told_of_security() {
    let bench = Bench::with(Version(1, 0), 1);
    let features = |w2: u64| bench.call(Who::Sp(1), &[0x8400_0064, RETRIEVE, w2]);
    for (w2, told) in [(0, false), (1 << 1, true), (0, false)] {
        assert_eq!(features(w2)[..4], [SUCCESS, 0, 0b110, 0]);
        let message = Message { format: Format::V1_0, ..Message::new(0, &[(B, READ)], &[(RAM, 1)]) };
        let handle = bench.send(Who::Normal, SHARE, &message).unwrap();
        let request = Message { format: Format::V1_0, ..Bench::request(0, handle, &[(B, 0)]) };
        let response = bench.retrieve(1, &request).unwrap();
        assert_eq!(u16_at(&response, 2) & 1 << 6 != 0, told);
        bench.relinquish(1, handle, 0).unwrap();
        bench.reclaim(Who::Normal, handle, 0).unwrap();
    }
    // MM table 3.1: from 1.1 on it has to say so; a hypervisor retrieves nothing for itself.
    let bench = Bench::new();
    let answer = bench.call(Who::Sp(1), &[0x8400_0064, RETRIEVE]);
    assert_eq!(result(answer), Err(FfaError::NotSupported));
    assert_eq!(bench.call(Who::Sp(1), &[0x8400_0064, RETRIEVE | 1 << 30, 2])[2], 0b110);
    assert_eq!(bench.call(Who::Normal, &[0x8400_0064, RETRIEVE])[2], 0b110);
}
