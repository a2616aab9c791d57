// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors that are longer than a buffer: FFA_MEM_FRAG_TX from senders, FFA_MEM_FRAG_RX from receivers (MM §1.12, §2.8).

use super::*;
use crate::memory::spec::{u32_at, u64_at};

/// Pages of the normal world's, every second one, in a confused order.
fn scattered(count: u64) -> Vec<(u64, u32)> {
    (0..count).map(|index| (RAM + (index * 7 % count) * 0x2000, 1)).collect()
}

fn invalid(answer: [u64; 8]) -> bool {
    result(answer) == Err(FfaError::InvalidParameters)
}

/// Sends `bytes` in fragments of these lengths, the rest in one. Returns the last answer.
fn send_in_parts(bench: &Bench, who: Who, function: u64, bytes: &[u8], parts: &[usize]) -> [u64; 8] {
    let first = parts.first().copied().unwrap_or(bytes.len());
    bench.fill(who, bytes[..first].to_vec());
    let mut answer = bench.call(who, &[function, bytes.len() as u64, first as u64]);
    let mut at = first;
    for part in parts[1..].iter().copied().chain([usize::MAX]) {
        if answer[0] != FRAG_RX {
            return answer;
        }
        assert_eq!(answer[3], at as u64, "where the next fragment begins");
        let end = at.saturating_add(part).min(bytes.len());
        bench.fill(who, bytes[at..end].to_vec());
        answer = bench.call(who, &[FRAG_TX, answer[1], answer[2], (end - at) as u64]);
        at = end;
    }
    answer
}

#[test]
fn a_long_descriptor_arrives_in_parts_and_is_described_in_parts() {
    let bench = Bench::new();
    let message = Message::new(5, &[(B, WRITE)], &scattered(600));
    let bytes = message.bytes();
    let answer = send_in_parts(&bench, Who::Normal, SHARE, &bytes, &[80, 4096, 16, 4080]);
    assert_eq!(answer[0], SUCCESS, "{answer:x?}");
    let handle = answer[2] | answer[3] << 32;
    let request = Bench::request(5, handle, &[(B, 0)]);
    let mut answer = bench.send_bytes(Who::Sp(1), RETRIEVE, request.bytes());
    assert_eq!(answer[..3], [RESPONSE, bytes.len() as u64, 4096]);
    let mut received = bench.received(Who::Sp(1), 4096);
    let next = [FRAG_RX, handle & 0xffff_ffff, handle >> 32, 4096];
    assert_eq!(result(bench.call(Who::Sp(1), &next)), Err(FfaError::Busy), "the buffer is not free");
    while received.len() < bytes.len() {
        assert_eq!(bench.call(Who::Sp(1), &[0x8400_0065])[0], SUCCESS);
        answer =
            bench.call(Who::Sp(1), &[FRAG_RX, handle & 0xffff_ffff, handle >> 32, received.len() as u64]);
        assert_eq!((answer[0], answer[1] | answer[2] << 32, answer[4]), (FRAG_TX, handle, 0));
        received.extend(bench.received(Who::Sp(1), usize::try_from(answer[3]).unwrap()));
    }
    assert_eq!(received[64..], bytes[64..], "in the sender's order");
    for (address, _) in message.ranges {
        assert_eq!(bench.rights(1, address), Some(RW));
        assert_eq!(bench.rights(1, address + 0x1000), None);
    }
}

#[test]
fn the_normal_world_names_the_sender_of_a_fragment_or_none() {
    let bench = Bench::new();
    let bytes = Message::new(5, &[(B, WRITE)], &scattered(2)).bytes();
    for (w4, sound) in [(0, true), (5 << 16, true), (6 << 16, false), (5, false), (1 << 31, false)] {
        bench.fill(Who::Normal, bytes[..96].to_vec());
        let answer = bench.call(Who::Normal, &[SHARE, bytes.len() as u64, 96]);
        assert_eq!((answer[0], answer[3], answer[4]), (FRAG_RX, 96, 5 << 16));
        bench.fill(Who::Normal, bytes[96..].to_vec());
        let last = bench.call(Who::Normal, &[FRAG_TX, answer[1], answer[2], 16, w4]);
        assert_eq!(last[0] == SUCCESS, sound, "{w4:#x}");
        bench.reclaim(Who::Normal, answer[1] | answer[2] << 32, 0).unwrap();
    }
}

#[test]
fn a_hypervisor_reads_a_long_descriptor_as_pkvm_does() {
    let bench = Bench::new();
    let message = Message::new(0, &[(A, WRITE), (B, READ)], &scattered(300));
    let answer = send_in_parts(&bench, Who::Normal, LEND, &message.bytes(), &[4096]);
    let handle = answer[2] | answer[3] << 32;
    let request = Message { handle, ..Message::new(0, &[], &[]) };
    let answer = bench.send_bytes(Who::Normal, RETRIEVE, request.bytes());
    let expected = Message { handle, flags: 2 << 3, ..message }.bytes();
    assert_eq!(answer[..2], [RESPONSE, expected.len() as u64]);
    let mut received = bench.received(Who::Normal, usize::try_from(answer[2]).unwrap());
    while received.len() < expected.len() {
        assert_eq!(bench.call(Who::Normal, &[0x8400_0065])[0], SUCCESS);
        let more = [FRAG_RX, handle & 0xffff_ffff, handle >> 32, received.len() as u64, 0];
        let answer = bench.call(Who::Normal, &more);
        assert_eq!(answer[0], FRAG_TX);
        received.extend(bench.received(Who::Normal, usize::try_from(answer[3]).unwrap()));
    }
    assert_eq!(received, expected);
    bench.reclaim(Who::Normal, handle, 0).unwrap();
}

#[test]
fn fragments_end_between_constituents_and_with_the_descriptor() {
    let bench = Bench::new();
    let bytes = Message::new(0, &[(B, WRITE)], &scattered(8)).bytes();
    // Everything before the first constituent is in the first fragment (80 bytes).
    for first in [0, 16, 48, 64, 79, 81, 95] {
        bench.fill(Who::Normal, bytes[..first].to_vec());
        assert!(invalid(bench.call(Who::Normal, &[SHARE, bytes.len() as u64, first as u64])), "{first}");
    }
    // One that goes wrong ends its transaction.
    for length in [0, 8, 15, 17, 144] {
        bench.fill(Who::Normal, bytes[..80].to_vec());
        let answer = bench.call(Who::Normal, &[SHARE, bytes.len() as u64, 80]);
        bench.fill(Who::Normal, vec![0; 144]);
        assert!(invalid(bench.call(Who::Normal, &[FRAG_TX, answer[1], answer[2], length])), "{length}");
        let handle = answer[1] | answer[2] << 32;
        assert_eq!(bench.reclaim(Who::Normal, handle, 0), Err(FfaError::InvalidParameters));
    }
    assert_eq!(send_in_parts(&bench, Who::Normal, SHARE, &bytes, &[80, 16, 16])[0], SUCCESS);
}

#[test]
fn an_unfinished_transaction_does_nothing_and_can_be_given_up() {
    let bench = Bench::new();
    let sent = [(page(0, 0), 1), (page(0, 1), 1)];
    let bytes = Message::new(A, &[(B, WRITE)], &sent).bytes();
    let before = bench.snapshot();
    bench.fill(Who::Sp(0), bytes[..96].to_vec());
    let answer = bench.call(Who::Sp(0), &[LEND, bytes.len() as u64, 96]);
    assert_eq!((answer[0], answer[4]), (FRAG_RX, 0), "a partition is told no sender");
    let handle = answer[1] | answer[2] << 32;
    assert_eq!(bench.snapshot(), before);
    assert_eq!(bench.retrieve(1, &Bench::request(A, handle, &[(B, 0)])), Err(FfaError::Denied));
    // Nobody else goes on with it or ends it.
    for who in [Who::Sp(1), Who::Normal] {
        bench.fill(who, bytes[96..].to_vec());
        assert!(invalid(bench.call(who, &[FRAG_TX, answer[1], answer[2], 16])));
        assert_eq!(bench.reclaim(who, handle, 0), Err(FfaError::InvalidParameters));
    }
    bench.reclaim(Who::Sp(0), handle, 0).unwrap();
    bench.fill(Who::Sp(0), bytes[96..].to_vec());
    assert!(invalid(bench.call(Who::Sp(0), &[FRAG_TX, answer[1], answer[2], 16])));
    // What changes before the last fragment is found with it.
    bench.fill(Who::Sp(0), bytes[..96].to_vec());
    let answer = bench.call(Who::Sp(0), &[LEND, bytes.len() as u64, 96]);
    bench.give(Who::Sp(0), SHARE, &[(C, READ)], &[(page(0, 0), 1)]).unwrap();
    bench.fill(Who::Sp(0), bytes[96..].to_vec());
    let last = bench.call(Who::Sp(0), &[FRAG_TX, answer[1], answer[2], 16]);
    assert_eq!(result(last), Err(FfaError::Denied));
}

#[test]
fn only_who_has_the_memory_reads_on() {
    let bench = Bench::new();
    let bytes = Message::new(0, &[(B, WRITE), (C, READ)], &scattered(300)).bytes();
    let answer = send_in_parts(&bench, Who::Normal, SHARE, &bytes, &[4096]);
    let (low, high) = (answer[2], answer[3]);
    let frag = |who, offset| bench.call(who, &[FRAG_RX, low, high, offset]);
    assert!(invalid(frag(Who::Sp(1), 4096)), "before it has retrieved it");
    let both = Bench::request(0, low | high << 32, &[(B, 0), (C, 0)]);
    bench.retrieve(1, &both).unwrap();
    for who in [Who::Sp(0), Who::Sp(2)] {
        assert!(invalid(frag(who, 4096)), "{who:?}");
    }
    // From the first constituent, at 80, on.
    for offset in [0, 16, 64, 81, 88, 80 + 300 * 16, u64::from(u32::MAX)] {
        assert!(invalid(frag(Who::Sp(1), offset)), "{offset}");
    }
    let again = frag(Who::Sp(1), 80);
    assert_eq!((again[0], again[3]), (FRAG_TX, 4096), "a fragment can be asked for again");
    assert_eq!(u64_at(&bench.received(Who::Sp(1), 16), 0), RAM);
    assert_eq!(bench.call(Who::Sp(1), &[0x8400_0065])[0], SUCCESS);
    assert_eq!(frag(Who::Sp(1), 80 + 299 * 16)[3], 16, "the last");
}

#[test]
fn the_parts_of_a_donation_are_read_after_it_is_made() {
    let bench = Bench::new();
    let bytes = Message::new(0, &[(B, 0)], &scattered(255)).bytes();
    let answer = send_in_parts(&bench, Who::Normal, DONATE, &bytes, &[4096]);
    let handle = answer[2] | answer[3] << 32;
    bench.retrieve(1, &Bench::request(0, handle, &[(B, 0)])).unwrap();
    let more = [FRAG_RX, answer[2], answer[3], 4096];
    assert_eq!(bench.call(Who::Sp(1), &more)[0], FRAG_TX);
    assert_eq!(u32_at(&bench.received(Who::Sp(1), 64), 8), 1);
    assert_eq!(bench.call(Who::Sp(1), &[0x8400_0065])[0], SUCCESS);
    // Until its place is needed for another.
    for number in 0..64 {
        bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM + 0x80_0000 + number * 4096, 1)]).unwrap();
    }
    assert!(invalid(bench.call(Who::Sp(1), &more)));
    assert_eq!(bench.rights(1, RAM), Some(RW));
}

#[test]
fn constituents_of_one_are_not_taken_by_others() {
    let bench = Bench::with(Version(1, 1), 16);
    let far = |share: u64, count: u64| -> Vec<(u64, u32)> {
        (0..count).map(|index| (RAM + share * 0x80_0000 + index * 0x1000, 1)).collect()
    };
    for (share, count) in [(0, 2048), (1, 2048), (2, 2048)] {
        bench.give(Who::Normal, SHARE, &[(A, READ)], &far(share, count)).unwrap();
    }
    let full = bench.give(Who::Normal, SHARE, &[(A, READ)], &far(3, 1));
    assert_eq!(full, Err(FfaError::NoMemory));
    let own: Vec<_> = (0..150).map(|number| (page(0, number), 1)).collect();
    bench.give(Who::Sp(0), SHARE, &[(B, READ)], &own).unwrap();
    let more: Vec<_> = (150..180).map(|number| (page(0, number), 1)).collect();
    bench.give(Who::Sp(0), SHARE, &[(B, READ)], &more).unwrap();
    let many: Vec<_> = (0..190).flat_map(|number| [(page(1, number), 1)]).collect();
    bench.give(Who::Sp(1), SHARE, &[(A, READ)], &many).unwrap();
}
