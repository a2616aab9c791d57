// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much room there is for transactions and for owners: nobody takes what others need, and what is done with makes room.

use super::*;

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

/// Every second page, from page `first` of what begins at `start`.
fn apart(start: u64, first: u64, count: u64) -> Vec<(u64, u32)> {
    (0..count).map(|number| (start + (first + 2 * number) * 4096, 1)).collect()
}

#[test]
fn nobody_uses_up_what_others_need_to_give_memory_away() {
    let bench = Bench::with(Version(1, 1), 2);
    let donate = |who, sender, receiver: usize, ranges: &[(u64, u32)]| {
        let id = [A, B, C][receiver];
        let handle = bench.give(who, DONATE, &[(id, 0)], ranges)?;
        bench.retrieve(receiver, &Bench::request(sender, handle, &[(id, 0)])).map(|_| ())
    };
    // A malicious normal world and a malicious partition give all away that they can, page by page.
    for sender in [Who::Normal, Who::Sp(0)] {
        let (id, start) = if sender == Who::Normal { (0, RAM) } else { (A, page(0, 0)) };
        let given = (0..).take_while(|number| donate(sender, id, 1, &apart(start, 2 * number, 1)).is_ok());
        let given = given.count();
        assert!(given > 30, "{sender:?} gave {given}");
        assert!(given < 600, "{sender:?} has no limit");
    }
    // B cuts up what it was given.
    let whole = RAM + 0x80_0000;
    assert_eq!(donate(Who::Normal, 0, 1, &[(whole, 64)]), Err(FfaError::NoMemory), "its share is used up");
    assert_eq!(donate(Who::Sp(1), B, 2, &[(RAM, 1)]), Ok(()));
    assert_eq!(donate(Who::Sp(2), C, 1, &apart(page(2, 0), 0, 16)), Ok(()), "C has its own share");
}

#[test]
fn whoever_cuts_memory_up_pays_for_the_pieces() {
    let bench = Bench::with(Version(1, 1), 2);
    let donate = |who, sender, receiver: usize, ranges: &[(u64, u32)]| {
        let id = [A, B, C][receiver];
        let handle = bench.give(who, DONATE, &[(id, 0)], ranges)?;
        bench.retrieve(receiver, &Bench::request(sender, handle, &[(id, 0)])).map(|_| ())
    };
    donate(Who::Normal, 0, 0, &[(RAM, 0x400)]).unwrap();
    let cut = (0..512).take_while(|number| donate(Who::Sp(0), A, 1, &apart(RAM, 1 + 2 * number, 1)).is_ok());
    assert!(cut.count() < 64);
    // As much as the normal world could do before.
    donate(Who::Normal, 0, 2, &apart(RAM + 0x80_0000, 0, 250)).unwrap();
}

/// Pages of the first partition's, side by side, each named for itself.
fn one_by_one(numbers: std::ops::Range<u64>) -> Vec<(u64, u32)> {
    numbers.map(|number| (own(0).start() + 0x1_0000 + number * 4096, 1)).collect()
}

/// The first partition donates pages to the second, or the other way round.
fn donate_between(bench: &Bench, from: usize, pages: &[(u64, u32)]) {
    let (sender, to, id) = if from == 0 { (A, 1, B) } else { (B, 0, A) };
    let handle = bench.give(Who::Sp(from), DONATE, &[(id, 0)], pages).unwrap();
    bench.retrieve(to, &Bench::request(sender, handle, &[(id, 0)])).unwrap();
}

#[test]
fn donations_go_to_and_fro_for_ever() {
    let bench = Bench::with(Version(1, 1), 2);
    let pages = one_by_one(0..30);
    for number in 0..30 {
        donate_between(&bench, number % 2, &pages);
    }
    bench.give(Who::Sp(0), SHARE, &[(C, READ)], &pages).unwrap();
}

#[test]
fn those_that_are_done_with_make_room_for_the_fragments_of_an_earlier_transaction() {
    let bench = Bench::with(Version(1, 1), 2);
    let bytes = Message::new(A, &[(C, READ)], &one_by_one(0..100)).bytes();
    let first = bytes.len() - 90 * 16;
    bench.fill(Who::Sp(0), bytes[..first].to_vec());
    let answer = bench.call(Who::Sp(0), &[SHARE, bytes.len() as u64, first as u64]);
    assert_eq!(answer[0], FRAG_RX);
    // Six of the first partition's.
    for number in 0..11 {
        donate_between(&bench, number % 2, &one_by_one(100..130));
    }
    bench.fill(Who::Sp(0), bytes[first..].to_vec());
    let last = bench.call(Who::Sp(0), &[FRAG_TX, answer[1], answer[2], (bytes.len() - first) as u64]);
    assert_eq!(last[0], SUCCESS, "{last:x?}");
}

#[test]
fn donations_that_are_done_with_make_room_for_new_transactions() {
    let bench = Bench::with(Version(1, 1), 2);
    for number in 0..40 {
        // Page by page, and yet in one piece.
        let pages: Vec<_> = (0..200).map(|page| (RAM + (200 * number + page) * 4096, 1)).collect();
        let handle = bench.give(Who::Normal, DONATE, &[(B, 0)], &pages);
        let handle = handle.unwrap_or_else(|status| panic!("donation {number}: {status}"));
        bench.retrieve(1, &Bench::request(0, handle, &[(B, 0)])).unwrap();
    }
}
