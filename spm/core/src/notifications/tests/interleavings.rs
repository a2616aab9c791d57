// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores at once, in many orders ([`crate::interleavings`]): of two calls that exclude each other one is refused.

use std::sync::Arc;

use shuttle::thread;

use super::*;
use crate::interleavings::{both, in_many_orders};

fn shared() -> [Arc<World>; 3] {
    let world = Arc::new(World::new());
    [Arc::clone(&world), Arc::clone(&world), world]
}

#[test]
fn what_two_cores_set_is_got_exactly_once() {
    in_many_orders(|| {
        let [one, many, getter] = shared();
        getter.bind(ONE, 0, 0b01).unwrap();
        getter.bind(MANY, 0, 0b10).unwrap();
        let world = Arc::clone(&getter);
        let getter = thread::spawn(move || [getter.get(0)[0], getter.get(0)[0]]);
        let set = both(move || one.set(ONE, 0, 0b01).is_ok(), move || many.set(MANY, 0, 0b10).is_ok());
        assert_eq!(set, (true, true));
        let [first, second] = getter.join().unwrap();
        let got = [first, second, world.get(0)[0]];
        for bit in 0..64 {
            let times = got.iter().filter(|bitmap| *bitmap >> bit & 1 != 0).count();
            assert_eq!(times, usize::from(bit < 2), "{bit}: {got:x?}");
        }
    });
}

#[test]
fn a_notification_is_pending_if_and_only_if_it_was_bound_before_it_was_set() {
    in_many_orders(|| {
        let [binder, setter, world] = shared();
        let (bound, set) = both(move || binder.bind(ONE, MANY, 1), move || setter.set(ONE, MANY, 1));
        assert_eq!(bound, Ok(()));
        assert_eq!(world.get(MANY)[0], u64::from(set.is_ok()));
        assert_eq!(world.bind(DEAF, MANY, 1), Err(FfaError::Denied), "it is bound");
    });
}

#[test]
fn of_two_that_bind_one_notification_one_has_it() {
    in_many_orders(|| {
        let [one, many, world] = shared();
        let bound = both(move || one.bind(ONE, 0, 1).is_ok(), move || many.bind(MANY, 0, 1).is_ok());
        assert!(bound.0 != bound.1);
        assert_eq!(world.set(ONE, 0, 1).is_ok(), bound.0);
        assert_eq!(world.set(MANY, 0, 1).is_ok(), bound.1);
    });
}

#[test]
fn what_is_pending_is_never_unbound() {
    in_many_orders(|| {
        let [unbinder, setter, world] = shared();
        world.bind(ONE, MANY, 1).unwrap();
        let (unbound, set) =
            both(move || unbinder.unbind(ONE, MANY, 1).is_ok(), move || setter.set(ONE, MANY, 1).is_ok());
        assert!(unbound != set);
        assert_eq!(world.get(MANY)[0], u64::from(set));
    });
}

#[test]
fn bitmaps_with_something_pending_are_never_destroyed() {
    in_many_orders(|| {
        let [destroyer, setter, world] = shared();
        world.bind(ONE, VM, 1).unwrap();
        let (destroyed, set) = both(
            move || destroyer.call(0, &[BITMAP_DESTROY, u64::from(VM)]).0.is_ok(),
            move || setter.set(ONE, VM, 1).is_ok(),
        );
        assert!(destroyed != set);
        if set {
            assert_eq!(world.get(VM)[0], 1);
        }
    });
}

#[test]
fn bitmaps_are_made_once() {
    in_many_orders(|| {
        let [one, other, world] = shared();
        let create =
            |world: Arc<World>| move || world.call(0, &[BITMAP_CREATE, u64::from(OTHER_VM), 1]).0.is_ok();
        let made = both(create(one), create(other));
        assert!(made.0 != made.1);
        world.ok(0, &[BITMAP_DESTROY, u64::from(OTHER_VM)]);
        world.refused(0, &[BITMAP_DESTROY, u64::from(OTHER_VM)], FfaError::Denied);
    });
}

#[test]
fn the_scheduler_is_told_once() {
    in_many_orders(|| {
        let [one, other, world] = shared();
        world.bind(ONE, VM, 1).unwrap();
        _ = world.set(ONE, VM, 1).unwrap();
        let ask = |world: Arc<World>| move || world.call(0, &[INFO_GET]).0.is_ok();
        let told = both(ask(one), ask(other));
        assert!(told.0 != told.1);
    });
}

#[test]
fn nothing_is_left_bound_to_a_partition_that_is_stopped() {
    in_many_orders(|| {
        let [stopper, binder, world] = shared();
        both(
            move || {
                stopper.partitions[0].abort();
                stopper.receivers().forget(&stopper.partitions[0]);
            },
            move || _ = binder.bind(ONE, 0, 1),
        );
        assert_eq!(world.bind(MANY, 0, 1), Ok(()), "it is still bound to the stopped one");
    });
}
