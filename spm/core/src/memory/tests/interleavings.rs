// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores at once, in many orders ([`crate::interleavings`]): memory has one owner, and a handle ends once.

use std::sync::Arc;

use super::*;
use crate::interleavings::{both, in_many_orders};

fn shared() -> [Arc<Bench>; 3] {
    let bench = Arc::new(Bench::new());
    [Arc::clone(&bench), Arc::clone(&bench), bench]
}

/// As [`Bench::call`], on a core of its own: what another one did not publish yet is none of its business.
fn call(bench: &Bench, who: Who, values: &[u64]) -> Result<[u64; 8], FfaError> {
    let mut message: MessageRegisters = [0; 18];
    message[..values.len()].copy_from_slice(values);
    match who {
        Who::Normal => {
            let core = CoreIndex::new(0).unwrap();
            let next = bench.spmc.from_normal_world(&mut message, core, &bench.hardware);
            assert_eq!(next, NormalNext::Answer);
        }
        Who::Sp(partition) => {
            let core = CoreIndex::new(1 + partition as u64).unwrap();
            let from = VcpuRef { partition, vcpu: 0 };
            bench.spmc.from_partition(from, &mut message, core, &bench.hardware);
        }
    }
    result(*message.first_chunk().unwrap())
}

fn reclaim(bench: Arc<Bench>, handle: u64) -> impl FnOnce() -> bool {
    move || call(&bench, Who::Sp(0), &[RECLAIM, handle & 0xffff_ffff, handle >> 32, 0]).is_ok()
}

#[test]
fn a_handle_is_reclaimed_once() {
    in_many_orders(|| {
        let [one, other, bench] = shared();
        let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
        assert_eq!(bench.rights(0, page(0, 0)), None);
        let reclaimed = both(reclaim(one, handle), reclaim(other, handle));
        assert!(reclaimed.0 != reclaimed.1);
        assert!(bench.rights(0, page(0, 0)).is_some());
    });
}

#[test]
fn what_is_lent_is_its_borrowers_or_its_owners_again() {
    in_many_orders(|| {
        let [owner, borrower, bench] = shared();
        let handle = bench.give(Who::Sp(0), LEND, &[(B, WRITE)], &[(page(0, 0), 1)]).unwrap();
        let request = Bench::request(A, handle, &[(B, WRITE)]).bytes();
        let length = request.len() as u64;
        bench.fill(Who::Sp(1), request);
        let (reclaimed, retrieved) = both(reclaim(owner, handle), move || {
            call(&borrower, Who::Sp(1), &[RETRIEVE, length, length]).is_ok()
        });
        assert!(reclaimed != retrieved);
        assert_eq!(bench.rights(0, page(0, 0)).is_some(), reclaimed);
        assert_eq!(bench.rights(1, page(0, 0)).is_some(), retrieved);
    });
}

#[test]
fn memory_is_sent_to_one_at_a_time() {
    in_many_orders(|| {
        let [one, other, bench] = shared();
        let message = Message::new(A, &[(B, WRITE)], &[(page(0, 0), 1)]).bytes();
        let length = message.len() as u64;
        bench.fill(Who::Sp(0), message);
        let send = |bench: Arc<Bench>, function| {
            move || call(&bench, Who::Sp(0), &[function, length, length]).is_ok()
        };
        let sent = both(send(one, LEND), send(other, DONATE));
        assert!(sent.0 != sent.1);
        assert_eq!(bench.rights(0, page(0, 0)), None);
    });
}
