// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The memory of a partition that starts again is as its manifest says, or it does not start.

use super::*;
use crate::abort::End;
use crate::memory::AddressSpaces;
use crate::memory::Remainder;
use crate::memory::restore::NotItsOwn;
use crate::work::Work;

const READ_WRITE: u64 = 0b101;

fn restore(bench: &Bench, place: usize) -> Result<(), NotItsOwn> {
    assert_eq!(bench.release(place), Remainder::default());
    bench.spmc.memory().restore(place, &bench.spmc.memory_world(&bench.hardware))
}

#[test]
fn rights_that_it_gave_itself_are_gone() {
    let bench = Bench::with_applications(Version(1, 1), 1, &[0]);
    for number in [0, 1, 5] {
        assert_eq!(bench.call(Who::Sp(0), &[PERM_SET, page(0, number), 1, READ_WRITE])[0], SUCCESS);
    }
    assert_eq!(restore(&bench, 0), Ok(()));
    let code = Rights { write: false, execute: true };
    for at in (own(0).start()..own(0).end()).step_by(4096) {
        assert_eq!(bench.rights(0, at), Some(code), "{at:#x}");
    }
    assert_eq!(bench.call(Who::Sp(0), &[0x8400_0088, page(0, 5)])[2], 0b011);
}

#[test]
fn what_it_could_not_get_back_it_has_again() {
    let bench = Bench::new();
    let before = bench.snapshot();
    let spaces = &bench.hardware.spaces;
    spaces.unmap(0, Security::Secure, range(page(0, 0), 2));
    spaces.unmap(0, Security::Secure, range(READ_ONLY, 1));
    spaces.publish(0);
    assert_eq!(restore(&bench, 0), Ok(()));
    assert!(bench.snapshot() == before);
    // Without tables it cannot be.
    spaces.unmap(0, Security::Secure, own(0));
    spaces.trim(0, Security::Secure, own(0));
    spaces.publish(0);
    bench.pages(|pages| pages.fails_after = Some(0));
    assert_eq!(restore(&bench, 0), Err(NotItsOwn));
}

#[test]
fn what_it_has_donated_stays_away() {
    let bench = Bench::new();
    for memory in [page(0, 3), READ_ONLY] {
        let access = if memory == READ_ONLY { &[(C, 0)] } else { &[(B, 0)] };
        let given = bench.give(Who::Sp(0), DONATE, access, &[(memory, 1)]).unwrap();
        let (to, place) = if memory == READ_ONLY { (C, 2) } else { (B, 1) };
        bench.retrieve(place, &Bench::request(A, given, &[(to, 0)])).unwrap();
        assert_eq!(restore(&bench, 0), Err(NotItsOwn));
        assert!(bench.rights(place, memory).is_some());
    }
}

#[test]
fn what_was_donated_to_it_stays_its_own_beside_what_it_had() {
    let bench = Bench::new();
    // The page behind A's memory is B's first, where its buffers were.
    assert_eq!(bench.call(Who::Sp(1), &[0x8400_0067])[0], SUCCESS);
    assert_eq!(bench.call(Who::Sp(1), &[0xc400_0066, page(1, 8), page(1, 9), 1])[0], SUCCESS);
    let (own, theirs) = (own(0).end() - 4096, own(1).start());
    for (from, id, to, memory) in [(0, A, 2, own), (2, C, 0, own), (1, B, 0, theirs)] {
        let receiver = [A, B, C][to];
        let given = bench.give(Who::Sp(from), DONATE, &[(receiver, 0)], &[(memory, 1)]).unwrap();
        bench.retrieve(to, &Bench::request(id, given, &[(receiver, 0)])).unwrap();
    }
    let (mine, given) = (bench.rights(0, own), bench.rights(0, theirs));
    assert_eq!((mine, given), (Some(RW), Some(RW)));
    assert_eq!(restore(&bench, 0), Ok(()));
    assert_eq!(bench.rights(0, theirs), given);
    assert_eq!(bench.rights(0, own), bench.rights(0, page(0, 0)), "as at its start");
    assert_eq!(restore(&bench, 1), Err(NotItsOwn), "nor is it taken for B's");
}

#[test]
fn while_others_have_its_memory_it_waits() {
    let bench = Bench::new();
    let at = VcpuRef { partition: 0, vcpu: 0 };
    bench.spmc.partitions()[0].vcpu(0).unwrap().set_work(Work::Nothing);
    let lent = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
    bench.retrieve(1, &Bench::request(A, lent, &[(B, 0)])).unwrap();
    assert!(bench.spmc.abort(at, &bench.hardware).is_some());
    let core = CoreIndex::new(2).unwrap();
    let end = || bench.spmc.end(0, core, &bench.hardware);
    for _ in 0..2 {
        assert_eq!(end(), Some(End::Waits(Remainder { lent: 1, borrowed: 0 })));
        assert_eq!(bench.spmc.claim_for_start(core), None);
        assert!(bench.spmc.partitions()[0].is_stopped());
    }
    bench.relinquish(1, lent, 0).unwrap();
    assert_eq!(end(), Some(End::Restarts(1)));
    assert_eq!(bench.spmc.claim_for_start(core).map(|start| start.at), Some(at));
}
