// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cores get memory management in turn, however often others ask for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::memory::share::Phase;
use crate::sync::WAITS;

#[test]
fn whoever_waits_is_served_before_whoever_asks_later() {
    let bench = Bench::new();
    let memory = bench.spmc.memory();
    for _ in 0..100 {
        let held = memory.0.lock();
        let waits = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                WAITS.set(Some(Arc::clone(&waits)));
                bench.give(Who::Sp(0), SHARE, &[(B, READ)], &[(page(0, 0), 1)])
            });
            while !waits.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            drop(held);
            // At once again, as a core does that has one call after the other.
            let state = memory.0.lock();
            let served = state.shares.places().any(|place| state.shares.get(place).phase != Phase::Free);
            drop(state);
            let handle = waiter.join().unwrap().unwrap();
            assert!(served, "the lock was taken before the one that waited for it");
            bench.reclaim(Who::Sp(0), handle, 0).unwrap();
        });
    }
}
