// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications that are for one vCPU of their receiver (§10.4.2, rule 7; §10.5, rule 4).

use super::*;

fn idle(vcpus: [bool; MOST_VCPUS]) -> Option<(usize, Vcpus)> {
    Some((1, Vcpus::where_true(vcpus)))
}

#[test]
fn each_vcpu_gets_its_own() {
    let world = World::new();
    world.bind_per_vcpu(ONE, MANY, 1 << 63 | 1).unwrap();
    world.bind_per_vcpu(0, MANY, 0b100).unwrap();
    _ = world.set_for(ONE, MANY, 7, 1 << 63).unwrap();
    _ = world.set_for(ONE, MANY, 2, 1 << 63 | 1).unwrap();
    _ = world.set_for(0, MANY, 2, 0b100).unwrap();
    assert_eq!(world.get_for(MANY, 0), [0; 4]);
    assert_eq!(world.get_for(MANY, 2), [1 << 63 | 1, 0b100, 0, 0]);
    assert_eq!(world.get_for(MANY, 2), [0; 4]);
    assert_eq!(world.get_for(MANY, 7), [1 << 63, 0, 0, 0]);
}

#[test]
fn global_ones_go_to_whoever_asks_first() {
    let world = World::new();
    world.bind(ONE, MANY, 0b01).unwrap();
    world.bind_per_vcpu(ONE, MANY, 0b10).unwrap();
    _ = world.set(ONE, MANY, 0b01).unwrap();
    _ = world.set_for(ONE, MANY, 5, 0b10).unwrap();
    assert_eq!(world.get_for(MANY, 1), [0b01, 0, 0, 0]);
    assert_eq!(world.get_for(MANY, 5), [0b10, 0, 0, 0]);
}

#[test]
fn the_kind_is_that_of_the_binding() {
    let world = World::new();
    world.bind(ONE, MANY, 0b01).unwrap();
    world.bind_per_vcpu(ONE, MANY, 0b10).unwrap();
    assert_eq!(world.set(ONE, MANY, 0b10), Err(FfaError::InvalidParameters));
    assert_eq!(world.set(ONE, MANY, 0b11), Err(FfaError::InvalidParameters));
    assert_eq!(world.set_for(ONE, MANY, 0, 0b01), Err(FfaError::InvalidParameters));
    assert_eq!(world.set_for(ONE, MANY, 0, 0b11), Err(FfaError::InvalidParameters));
    assert_eq!(world.set_for(ONE, MANY, 0, 0b110), Err(FfaError::Denied), "one is not bound");
    assert_eq!(world.set_for(0, MANY, 0, 0b10), Err(FfaError::Denied), "they are another's");
    assert_eq!(world.get(MANY), [0; 4]);
    // It is bound anew as something else.
    world.bind(ONE, MANY, 0b10).unwrap();
    assert_eq!(world.set_for(ONE, MANY, 0, 0b10), Err(FfaError::InvalidParameters));
    world.unbind(ONE, MANY, 0b01).unwrap();
    world.bind_per_vcpu(0x8001, MANY, 0b01).unwrap();
    _ = world.set_for(ONE, MANY, 0, 0b01).unwrap();
}

#[test]
fn the_vcpu_has_to_be_there() {
    let world = World::new();
    world.bind_per_vcpu(ONE, VM, 1).unwrap();
    world.bind_per_vcpu(MANY, ONE, 1).unwrap();
    for (sender, receiver, vcpus) in [(ONE, VM, 2), (MANY, ONE, 1)] {
        _ = world.set_for(sender, receiver, vcpus - 1, 1).unwrap();
        for vcpu in [vcpus, 0x7fff, 0xffff] {
            assert_eq!(world.set_for(sender, receiver, vcpu, 1), Err(FfaError::InvalidParameters));
        }
        assert_eq!(world.get_for(receiver, vcpus - 1), [1, 0, 0, 0]);
    }
}

#[test]
fn a_vm_with_more_vcpus_has_none() {
    let world = World::new();
    world.ok(0, &[BITMAP_CREATE, u64::from(OTHER_VM), 9]);
    let call = about(BIND, ONE, OTHER_VM, 1, 1);
    world.refused(0, &call, FfaError::InvalidParameters);
    world.bind(ONE, OTHER_VM, 1).unwrap();
    _ = world.set(ONE, OTHER_VM, 1).unwrap();
    assert_eq!(world.get_for(OTHER_VM, 8), [1, 0, 0, 0]);
}

#[test]
fn what_is_pending_for_any_vcpu_stays_bound() {
    let world = World::new();
    world.ok(0, &about(BIND, ONE, VM, 1, 0b11));
    _ = world.set_for(ONE, VM, 1, 0b10).unwrap();
    for refused in [world.unbind(ONE, VM, 0b10), world.bind(ONE, VM, 0b10), world.bind(MANY, VM, 0b10)] {
        assert_eq!(refused, Err(FfaError::Denied));
    }
    world.refused(0, &[BITMAP_DESTROY, u64::from(VM)], FfaError::Denied);
    assert_eq!(world.get_for(VM, 0), [0; 4]);
    world.unbind(ONE, VM, 0b01).unwrap();
    assert_eq!(world.get_for(VM, 1), [0b10, 0, 0, 0]);
    world.unbind(ONE, VM, 0b10).unwrap();
}

#[test]
fn the_vcpu_that_is_meant_is_interrupted() {
    let world = World::new();
    world.bind_per_vcpu(ONE, MANY, 0b11).unwrap();
    let pends = |effects: Effects| effects.notification_pending.map(|vcpu| (vcpu.partition, vcpu.vcpu));
    // Calls are made on core 3.
    assert_eq!(pends(world.set_for(ONE, MANY, 6, 0b01).unwrap()), Some((1, 6)));
    assert_eq!(pends(world.set_for(ONE, MANY, 6, 0b01).unwrap()), None, "§10.5, rule 4");
    assert_eq!(pends(world.set_for(ONE, MANY, 6, 0b10).unwrap()), Some((1, 6)));
    assert_eq!(pends(world.set_for(ONE, MANY, 2, 0b01).unwrap()), Some((1, 2)));
}

#[test]
fn only_who_has_nothing_left_is_not_interrupted() {
    let world = World::new();
    world.bind_per_vcpu(ONE, MANY, 0b01).unwrap();
    world.bind(ONE, MANY, 0b10).unwrap();
    let got = |vcpu: u64, flags| {
        world.call(MANY, &[GET, vcpu << 16 | u64::from(MANY), flags]).0.unwrap().nothing_pending
    };
    for vcpu in [1, 4] {
        _ = world.set_for(ONE, MANY, vcpu, 0b01).unwrap();
    }
    _ = world.set(ONE, MANY, 0b10).unwrap();
    assert_eq!(got(1, 0b1110), idle([false; 8]), "the global one is for anybody");
    _ = got(1, 0b0001);
    assert_eq!(got(1, 0b0001), idle([true, true, true, true, false, true, true, true]));
    assert_eq!(got(4, 0b0001), idle([true; 8]));
}

#[test]
fn lists_have_up_to_three_vcpus() {
    let world = World::new();
    world.bind_per_vcpu(ONE, MANY, 1).unwrap();
    world.bind(MANY, ONE, 1).unwrap();
    world.ok(0, &about(BIND, ONE, VM, 1, 1));
    for vcpu in [0, 2, 3, 4, 6] {
        _ = world.set_for(ONE, MANY, vcpu, 1).unwrap();
    }
    _ = world.set(MANY, ONE, 1).unwrap();
    _ = world.set_for(ONE, VM, 1, 1).unwrap();
    // One without vCPUs, one with three, one with two, one with one; as in table 16.50.
    let lists = 0b01_10_11_00 << 12 | 4 << 7;
    let ids = [0x0002_0000_8002_8001, 0x0006_0004_8002_0003, 0x0000_0000_0001_0005];
    assert_eq!(world.ok(0, &[INFO_GET_64]), [lists, ids[0], ids[1], ids[2], 0, 0]);
    world.refused(0, &[INFO_GET_64], FfaError::NoData);
    // What was told stays told until it was got.
    _ = world.set_for(ONE, MANY, 2, 1).unwrap();
    world.refused(0, &[INFO_GET_64], FfaError::NoData);
    world.get_for(MANY, 2);
    _ = world.set_for(ONE, MANY, 2, 1).unwrap();
    assert_eq!(world.ok(0, &[INFO_GET]), [1 << 12 | 1 << 7, 0x0002_8002, 0, 0, 0, 0]);
}

#[test]
fn vcpus_without_room_come_next() {
    let world = World::new();
    for receiver in [MANY, 0] {
        world.ok(receiver, &about(BIND, ONE, receiver, 1, 1));
        for vcpu in 0..8 {
            _ = world.set_for(ONE, receiver, vcpu, 1).unwrap();
        }
    }
    // Ten IDs: two lists of four, and one of two.
    let lists = 0b01_11_11 << 12 | 3 << 7 | 1;
    let ids = [0x0000_8002, 0x0002_0001, 0x0003_8002, 0x0005_0004, 0x0006_8002];
    assert_eq!(world.ok(0, &[INFO_GET]), [lists, ids[0], ids[1], ids[2], ids[3], ids[4]]);
    // Then the last vCPU, and of the other receiver as many as fit.
    let lists = 0b11_11_01 << 12 | 3 << 7 | 1;
    let ids = [0x0007_8002, 0x0000_0000, 0x0002_0001, 0x0003_0000, 0x0005_0004];
    assert_eq!(world.ok(0, &[INFO_GET]), [lists, ids[0], ids[1], ids[2], ids[3], ids[4]]);
    assert_eq!(world.ok(0, &[INFO_GET]), [0b10 << 12 | 1 << 7, 0x0006_0000, 0x0007, 0, 0, 0]);
    world.refused(0, &[INFO_GET], FfaError::NoData);
}

#[test]
fn one_place_is_too_few_for_a_vcpu() {
    let world = World::new();
    // ID 0 is told of after the partitions.
    world.ok(0, &about(BIND, ONE, 0, 1, 1));
    world.ok(0, &about(BIND, ONE, 0, 0, 2));
    world.bind_per_vcpu(ONE, MANY, 1).unwrap();
    world.bind(MANY, ONE, 1).unwrap();
    for vcpu in 0..6 {
        _ = world.set_for(ONE, MANY, vcpu, 1).unwrap();
    }
    _ = world.set(MANY, ONE, 1).unwrap();
    _ = world.set_for(ONE, 0, 3, 1).unwrap();
    _ = world.set(ONE, 0, 2).unwrap();
    // One, four, four: one place is left.
    assert_eq!(world.ok(0, &[INFO_GET])[0], 0b11_11_00 << 12 | 3 << 7 | 1);
    // The global one comes with the vCPU's, and not again (§16.11.1, rule 1.3).
    assert_eq!(world.ok(0, &[INFO_GET]), [1 << 12 | 1 << 7, 0x0003_0000, 0, 0, 0, 0]);
    world.refused(0, &[INFO_GET], FfaError::NoData);
}

#[test]
fn a_stopped_sender_leaves_nothing_pending() {
    let world = World::new();
    world.bind_per_vcpu(ONE, MANY, 1).unwrap();
    world.ok(0, &about(BIND, ONE, VM, 1, 1));
    _ = world.set_for(ONE, MANY, 4, 1).unwrap();
    _ = world.set_for(ONE, VM, 1, 1).unwrap();
    world.partitions[0].abort();
    world.receivers().forget(&world.partitions[0]);
    world.refused(0, &[INFO_GET], FfaError::NoData);
    assert_eq!((world.get_for(MANY, 4), world.get_for(VM, 1)), ([0; 4], [0; 4]));
}
