// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_PERM_GET and FFA_MEM_PERM_SET (MM §2.8, §2.9): partition A is at S-EL0, the others are at S-EL1.

use super::*;
use crate::work::Work;

/// Permissions as w2 of the answer and w3 of the call hold them (MM tables 2.35 and 2.39).
const READ_WRITE: u64 = 0b101;
const READ_ONLY_DATA: u64 = 0b111;
const READ_EXECUTE: u64 = 0b011;
const RX: Rights = Rights { write: false, execute: true };

fn bench() -> Bench {
    Bench::with_applications(Version(1, 1), 1, &[0])
}

fn get(bench: &Bench, address: u64) -> Result<u64, FfaError> {
    result(bench.call(Who::Sp(0), &[PERM_GET, address])).map(|answer| {
        assert_eq!((answer[0], answer[1], answer[3]), (SUCCESS, 0, 0));
        answer[2]
    })
}

fn set(bench: &Bench, address: u64, pages: u64, permissions: u64) -> Result<(), FfaError> {
    result(bench.call(Who::Sp(0), &[PERM_SET, address, pages, permissions])).map(|answer| {
        assert_eq!(answer[..4], [SUCCESS, 0, 0, 0]);
    })
}

#[test]
fn all_is_code_until_the_partition_says_otherwise() {
    let bench = bench();
    let (first, second) = (page(0, 0), page(0, 1));
    assert_eq!((get(&bench, first), bench.rights(0, first)), (Ok(READ_EXECUTE), Some(RX)));
    for (permissions, rights) in
        [(READ_WRITE, RW), (READ_ONLY_DATA, RO), (READ_EXECUTE, RX), (READ_WRITE, RW)]
    {
        assert_eq!(set(&bench, first, 1, permissions), Ok(()));
        assert_eq!((get(&bench, first), bench.rights(0, first)), (Ok(permissions), Some(rights)));
        assert_eq!((get(&bench, second), bench.rights(0, second)), (Ok(READ_EXECUTE), Some(RX)));
    }
    // By 32-bit calls too, whose upper halves are nobody's business.
    let wide = |low: u64| low | 0xdead_0000_0000_0000;
    let answer = bench.call(Who::Sp(0), &[0x8400_0089, wide(second), wide(1), wide(READ_ONLY_DATA)]);
    assert_eq!(answer[0], SUCCESS);
    assert_eq!(bench.call(Who::Sp(0), &[0x8400_0088, wide(second)])[2], READ_ONLY_DATA);
}

#[test]
fn ranges_may_lie_across_parts_with_different_permissions() {
    let bench = bench();
    set(&bench, page(0, 1), 1, READ_WRITE).unwrap();
    set(&bench, page(0, 3), 2, READ_ONLY_DATA).unwrap();
    set(&bench, page(0, 0), 4, READ_WRITE).unwrap();
    let seen: Vec<_> = (0..6).map(|number| get(&bench, page(0, number)).unwrap()).collect();
    assert_eq!(seen, [READ_WRITE, READ_WRITE, READ_WRITE, READ_WRITE, READ_ONLY_DATA, READ_EXECUTE]);
}

#[test]
fn what_is_not_to_be_had_changes_nothing() {
    let bench = bench();
    let (at, before) = (page(0, 0), bench.snapshot());
    let invalid = Err(FfaError::InvalidParameters);
    // Written and executed; no access; reserved; bits without a meaning (MM table 2.39).
    for permissions in [0b001, 0b000, 0b100, 0b010, 0b110, 0b1101, 1 << 31 | READ_WRITE] {
        assert_eq!(set(&bench, at, 1, permissions), invalid, "{permissions:#b}");
    }
    for (address, pages) in [
        (at + 8, 1),
        (at, 0),
        (own(0).end() - 4096, 2),
        (own(0).start() - 4096, 1),
        (page(1, 0), 1),
        (READ_ONLY, 1),
        (RAM, 1),
        (at, 0xffff_ffff),
        (0xffff_ffff_ffff_f000, 1),
    ] {
        assert_eq!(set(&bench, address, pages, READ_WRITE), invalid, "{address:#x}, {pages}");
    }
    for address in [at + 8, own(0).end(), page(1, 0), RAM, u64::MAX] {
        assert_eq!(get(&bench, address), Err(FfaError::InvalidParameters), "{address:#x}");
    }
    assert_eq!(bench.snapshot(), before);
}

#[test]
fn buffers_and_memory_in_transactions_keep_theirs() {
    let bench = bench();
    set(&bench, page(0, 0), 4, READ_WRITE).unwrap();
    let handle = bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(page(0, 1), 1)]).unwrap();
    for (address, pages) in
        [(page(0, 1), 1), (page(0, 0), 4), (own(0).start(), 1), (own(0).start() + 4096, 1)]
    {
        assert_eq!(set(&bench, address, pages, READ_EXECUTE), Err(FfaError::Denied), "{address:#x}");
    }
    bench.reclaim(Who::Sp(0), handle, 0).unwrap();
    assert_eq!(set(&bench, page(0, 1), 1, READ_EXECUTE), Ok(()));
}

#[test]
fn what_others_send_is_no_code() {
    let bench = bench();
    assert_eq!(bench.call(Who::Sp(0), &[0x8400_0067])[0], SUCCESS);
    set(&bench, page(0, 1), 1, READ_WRITE).unwrap();
    let map = |send, receive| result(bench.call(Who::Sp(0), &[0xc400_0066, send, receive, 1])).map(|_| ());
    assert_eq!(map(page(0, 1), page(0, 0)), Err(FfaError::InvalidParameters));
    set(&bench, page(0, 0), 1, READ_ONLY_DATA).unwrap();
    assert_eq!(map(page(0, 1), page(0, 0)), Ok(()));
}

#[test]
fn memory_that_was_lent_comes_back_as_it_was() {
    let bench = bench();
    for (number, permissions, rights) in [(0, READ_EXECUTE, RX), (1, READ_ONLY_DATA, RO), (2, READ_WRITE, RW)]
    {
        let address = page(0, number);
        set(&bench, address, 1, permissions).unwrap();
        let handle = bench.give(Who::Sp(0), LEND, &[(B, READ)], &[(address, 1)]).unwrap();
        assert_eq!(bench.rights(0, address), None);
        bench.reclaim(Who::Sp(0), handle, 0).unwrap();
        assert_eq!(bench.rights(0, address), Some(rights));
    }
}

#[test]
fn nobody_gives_away_more_than_it_has() {
    let bench = bench();
    let code = page(0, 0);
    assert_eq!(bench.give(Who::Sp(0), SHARE, &[(B, WRITE)], &[(code, 1)]), Err(FfaError::Denied));
    assert!(bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(code, 1)]).is_ok());
}

#[test]
fn non_secure_memory_is_out_of_reach() {
    let bench = bench();
    let to = [(A, WRITE)];
    let handle = bench.give(Who::Normal, SHARE, &to, &[(RAM, 1)]).unwrap();
    let request = Bench::request(0, handle, &to);
    assert_eq!(bench.retrieve(0, &request).map(|_| ()), Err(FfaError::Denied));
    let handle = bench.give(Who::Sp(1), SHARE, &to, &[(page(1, 0), 1)]).unwrap();
    assert!(bench.retrieve(0, &Bench::request(B, handle, &to)).is_ok());
}

#[test]
fn permissions_are_for_the_start_of_partitions_at_s_el0() {
    let bench = bench();
    for who in [Who::Sp(1), Who::Normal] {
        let page = page(1, 0);
        for call in [&[PERM_GET, page][..], &[PERM_SET, page, 1, READ_WRITE]] {
            assert_eq!(result(bench.call(who, call)), Err(FfaError::NotSupported), "{who:?}");
        }
    }
    bench.spmc.partitions()[0].vcpu(0).unwrap().set_work(Work::Nothing);
    assert_eq!(get(&bench, page(0, 0)), Err(FfaError::Denied));
    assert_eq!(set(&bench, page(0, 0), 1, READ_WRITE), Err(FfaError::Denied));
}

#[test]
fn one_partition_leaves_room_for_what_others_need() {
    let bench = bench();
    let apart = (0..).map(|number| 2 * number).map_while(|number| {
        let done = set(&bench, page(0, number), 1, READ_WRITE);
        if done.is_err() {
            assert_eq!(done, Err(FfaError::NoMemory));
            assert_eq!(get(&bench, page(0, number)), Ok(READ_EXECUTE));
        }
        done.ok()
    });
    assert_eq!(apart.count(), 62);
    assert!(bench.give(Who::Sp(1), DONATE, &[(C, 0)], &[(page(1, 0), 1)]).is_ok());
}
