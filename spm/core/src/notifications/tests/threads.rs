// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores at once: no notification is lost, none comes twice, and a stop is final.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;

#[test]
fn what_several_set_is_got_exactly_once() {
    const ROUNDS: usize = 300;
    let world = World::new();
    let senders: [u16; 4] = [ONE, MANY, DEAF, ONE];
    for (core, sender) in senders.iter().enumerate() {
        world.bind(*sender, 0, 0xffff << (core * 16)).unwrap();
    }
    let rounds: [AtomicU32; 64] = std::array::from_fn(|_| AtomicU32::new(0));
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for (core, sender) in senders.iter().enumerate() {
            let (world, rounds, done) = (&world, &rounds, &done);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let bit = core * 16 + round % 16;
                    let before = rounds[bit].load(Ordering::Acquire);
                    _ = world.set(*sender, 0, 1 << bit).unwrap();
                    // Nobody else sets this one: it has to come, once, before it is set again.
                    while rounds[bit].load(Ordering::Acquire) == before {
                        std::thread::yield_now();
                    }
                }
                done.fetch_add(1, Ordering::Release);
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while done.load(Ordering::Acquire) < 4 {
                    let [low, high, ..] = world.ok(0, &[GET, 0, 1]);
                    let got = high << 32 | low;
                    for (bit, count) in rounds.iter().enumerate() {
                        if got >> bit & 1 != 0 {
                            count.fetch_add(1, Ordering::AcqRel);
                        }
                    }
                }
            });
        }
    });
    let all: u32 = rounds.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    assert_eq!(usize::try_from(all).unwrap(), 4 * ROUNDS);
    assert_eq!(world.get(0), [0; 4]);
}

#[test]
fn one_of_many_creations_wins() {
    for _ in 0..100 {
        let world = World::new();
        let wins: usize = std::thread::scope(|scope| {
            let tries: std::vec::Vec<_> = (0..4)
                .map(|_| scope.spawn(|| world.call(0, &[BITMAP_CREATE, u64::from(OTHER_VM), 1]).0.is_ok()))
                .collect();
            tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(wins, 1);
        world.ok(0, &[BITMAP_DESTROY, u64::from(OTHER_VM)]);
        world.refused(0, &[BITMAP_DESTROY, u64::from(OTHER_VM)], FfaError::Denied);
    }
}

#[test]
fn nothing_is_bound_to_a_partition_that_is_gone() {
    for _ in 0..200 {
        let world = World::new();
        let go = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                // Bound before the stop, or refused after it: either way forgotten.
                _ = world.bind(ONE, 0, 1);
            });
            go.store(true, Ordering::Release);
            world.partitions[0].abort();
            world.receivers().forget(&world.partitions[0]);
        });
        assert_eq!(world.bind(MANY, 0, 1), Ok(()), "it is still bound to the stopped one");
    }
}
