// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of the transactions of a partition that was stopped.

use super::*;
use crate::memory::Remainder;
use crate::spmc::tests::fail;

const NOTHING: Remainder = Remainder { lent: 0, borrowed: 0 };

#[test]
fn what_a_stopped_partition_borrowed_goes_back() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let shared = bench.give(Who::Normal, SHARE, &[(B, WRITE), (C, READ)], &[(RAM, 1)]).unwrap();
    let lent = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    let offered = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 1), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(0, shared, &[(B, 0), (C, 0)])).unwrap();
    bench.retrieve(1, &Message { flags: 1 << 2, ..Bench::request(A, lent, &[(B, 0)]) }).unwrap();
    assert_eq!(bench.release(1), NOTHING);
    assert_eq!((bench.rights(1, RAM), bench.rights(1, page(0, 0))), (None, None));
    assert_eq!(bench.pages(|pages| pages.zeroed.clone()), [range(page(0, 0), 1)]);
    for (handle, sender) in [(shared, 0), (lent, A), (offered, A)] {
        assert!(bench.retrieve(1, &Bench::request(sender, handle, &[(B, 0)])).is_err());
    }
    bench.retrieve(2, &Bench::request(0, shared, &[(B, 0), (C, 0)])).unwrap();
    bench.relinquish(2, shared, 0).unwrap();
    bench.reclaim(Who::Normal, shared, 0).unwrap();
    for handle in [lent, offered] {
        bench.reclaim(Who::Sp(0), handle, 0).unwrap();
    }
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn what_could_not_be_zeroed_is_not_given_back() {
    let bench = Bench::new();
    let lent = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Message { flags: 1 << 2, ..Bench::request(A, lent, &[(B, 0)]) }).unwrap();
    bench.pages(|pages| pages.fails_after = Some(0));
    assert_eq!(bench.release(1), Remainder { lent: 0, borrowed: 1 });
    bench.pages(|pages| pages.fails_after = None);
    assert_eq!(bench.reclaim(Who::Sp(0), lent, 0), Err(FfaError::Denied));
    assert_eq!(bench.release(1), NOTHING, "the next time");
    bench.reclaim(Who::Sp(0), lent, 0).unwrap();
}

#[test]
fn what_a_stopped_partition_lent_ends_with_its_borrowers() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let kept = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    let offered = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 1), 1)]).unwrap();
    bench.give(Who::Sp(0), DONATE, &[(B, 0)], &[(page(0, 2), 1)]).unwrap();
    let message = Message::new(A, &[(B, WRITE)], &[(page(0, 3), 1), (page(0, 4), 1)]).bytes();
    bench.fill(Who::Sp(0), message[..96].to_vec());
    assert_eq!(bench.call(Who::Sp(0), &[LEND, message.len() as u64, 96])[0], FRAG_RX);
    bench.retrieve(1, &Bench::request(A, kept, &[(B, 0)])).unwrap();
    assert_eq!(bench.release(0), Remainder { lent: 1, borrowed: 0 });
    assert_eq!(bench.rights(1, page(0, 0)), Some(RW), "B goes on working with it");
    assert!(bench.retrieve(1, &Bench::request(A, offered, &[(B, 0)])).is_err());
    bench.relinquish(1, kept, 0).unwrap();
    assert!(bench.retrieve(1, &Bench::request(A, kept, &[(B, 0)])).is_err());
    assert_eq!(bench.snapshot(), before);
    assert_eq!(bench.release(0), NOTHING);
}

#[test]
fn a_donation_that_nobody_needs_to_read_is_forgotten() {
    let bench = Bench::new();
    let handle = bench.give(Who::Normal, DONATE, &[(B, 0)], &[(RAM, 1)]).unwrap();
    bench.retrieve(1, &Bench::request(0, handle, &[(B, 0)])).unwrap();
    assert_eq!(bench.release(1), NOTHING);
    assert_eq!(bench.rights(1, RAM), Some(RW), "it stays its own");
    assert_eq!(bench.give(Who::Normal, SHARE, &[(A, READ)], &[(RAM, 1)]), Err(FfaError::Denied));
}

#[test]
fn stopping_a_partition_releases_what_it_has() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, handle, &[(B, 0)])).unwrap();
    fail(&bench.spmc, VcpuRef { partition: 1, vcpu: 0 }, &bench.hardware);
    bench.reclaim(Who::Sp(0), handle, 0).unwrap();
    assert_eq!(bench.snapshot(), before);
}
