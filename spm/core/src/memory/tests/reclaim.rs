// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RELINQUISH and FFA_MEM_RECLAIM: how memory comes back.

use super::*;

const INVALID: Result<(), FfaError> = Err(FfaError::InvalidParameters);
const DENIED: Result<(), FfaError> = Err(FfaError::Denied);

#[test]
fn what_is_relinquished_is_gone() {
    let bench = Bench::new();
    for function in [SHARE, LEND] {
        let handle = bench.give(Who::Normal, function, &[(B, WRITE)], &[(RAM, 2)]).unwrap();
        let before = bench.snapshot();
        assert_eq!(bench.relinquish(1, handle, 0), DENIED, "not retrieved");
        bench.retrieve(1, &Bench::request(0, handle, &[(B, 0)])).unwrap();
        assert_eq!(bench.reclaim(Who::Normal, handle, 0), DENIED, "a borrower has it");
        bench.relinquish(1, handle, 0).unwrap();
        assert_eq!(bench.snapshot(), before);
        assert_eq!(bench.relinquish(1, handle, 0), DENIED);
        bench.reclaim(Who::Normal, handle, 0).unwrap();
        assert_eq!(bench.relinquish(1, handle, 0), INVALID);
        assert_eq!(
            bench.retrieve(1, &Bench::request(0, handle, &[(B, 0)])),
            Err(FfaError::InvalidParameters)
        );
    }
}

#[test]
fn a_borrower_relinquishes_for_itself() {
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, handle, &[(B, 0)])).unwrap();
    // MM table 2.25.
    let sound = |handle: u64, flags: u32, count: u32, id: u16| {
        let mut bytes = vec![0; 20];
        put(&mut bytes, 0, &handle.to_le_bytes());
        put(&mut bytes, 8, &flags.to_le_bytes());
        put(&mut bytes, 12, &count.to_le_bytes());
        put(&mut bytes, 16, &id.to_le_bytes());
        bench.fill(Who::Sp(1), bytes);
        result(bench.call(Who::Sp(1), &[RELINQUISH])).map(|_| ())
    };
    for (handle, flags, count, id) in [
        (handle, 0, 0, B),
        (handle, 0, 2, B),
        (handle, 0, u32::MAX, B),
        (handle, 0, 1, C),
        (handle, 1 << 1, 1, B),
        (handle, 1 << 31, 1, B),
        (handle, 1, 1, B),
        (handle ^ 1 << 8, 0, 1, B),
    ] {
        assert_eq!(sound(handle, flags, count, id), INVALID, "{flags} {count} {id:#x}");
    }
    assert_eq!(bench.relinquish(2, handle, 0), INVALID, "it was offered nothing");
    let other = result(bench.call(Who::Normal, &[RELINQUISH]));
    assert_eq!(other, Err(FfaError::NotSupported), "the normal world borrows nothing");
    assert_eq!(sound(handle, 0, 1, B), Ok(()));
}

#[test]
fn an_owner_reclaims_its_own() {
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1), (READ_ONLY, 1)]);
    assert_eq!(handle, Err(FfaError::Denied));
    let handle = bench.give(Who::Sp(0), LEND, &[(B, READ)], &[(page(0, 0), 1), (READ_ONLY, 1)]).unwrap();
    for who in [Who::Sp(1), Who::Sp(2), Who::Normal] {
        assert_eq!(bench.reclaim(who, handle, 0), INVALID, "{who:?}");
    }
    for flags in [1 << 1, 1 << 2, 1 << 31] {
        assert_eq!(bench.reclaim(Who::Sp(0), handle, flags), INVALID);
    }
    assert_eq!(bench.reclaim(Who::Sp(0), handle, 1), DENIED, "zeros where it may not write");
    bench.pages(|pages| pages.fails_after = Some(0));
    bench.reclaim(Who::Sp(0), handle, 0).unwrap();
    bench.pages(|pages| pages.fails_after = None);
    assert_eq!((bench.rights(0, page(0, 0)), bench.rights(0, READ_ONLY)), (Some(Rights::ALL), Some(RO)));
}

#[test]
fn zeros_are_written_when_the_last_borrower_is_gone() {
    let bench = Bench::new();
    let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE), (C, WRITE)], &[(page(0, 0), 1)]).unwrap();
    let request = Bench::request(A, handle, &[(B, WRITE), (C, WRITE)]);
    bench.retrieve(1, &request).unwrap();
    bench.retrieve(2, &Message { flags: 1 << 2, ..request.clone() }).unwrap();
    bench.relinquish(2, handle, 0).unwrap();
    assert_eq!(bench.pages(|pages| pages.zeroed.len()), 0, "B still works with it");
    bench.pages(|pages| pages.fails_after = Some(0));
    let before = bench.snapshot();
    assert_eq!(bench.relinquish(1, handle, 0), Err(FfaError::NoMemory));
    assert_eq!(bench.snapshot(), before, "it has it again");
    bench.pages(|pages| pages.fails_after = None);
    bench.relinquish(1, handle, 0).unwrap();
    assert_eq!(bench.pages(|pages| pages.zeroed.clone()), [range(page(0, 0), 1)]);
    bench.retrieve(1, &request).unwrap();
    bench.relinquish(1, handle, 1).unwrap();
    bench.reclaim(Who::Sp(0), handle, 1).unwrap();
    assert_eq!(bench.pages(|pages| pages.zeroed.len()), 3);
    // Who may not write may not zero; what is shared is not zeroed.
    let handle = bench.give(Who::Sp(0), LEND, &[(B, READ)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, handle, &[(B, 0)])).unwrap();
    assert_eq!(bench.relinquish(1, handle, 1), DENIED);
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 1), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, handle, &[(B, 0)])).unwrap();
    assert_eq!(bench.relinquish(1, handle, 1), INVALID);
}
