// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_NOTIFICATION_BITMAP_CREATE and FFA_NOTIFICATION_BITMAP_DESTROY (§10.3, §16.1, §16.2).

use super::*;

#[test]
fn bitmaps_are_made_once() {
    let world = World::new();
    world.refused(0, &[BITMAP_CREATE, 0, 8], FfaError::Denied);
    world.refused(0, &[BITMAP_CREATE, u64::from(VM), 2], FfaError::Denied);
    assert_eq!(world.ok(0, &[BITMAP_CREATE, u64::from(OTHER_VM), 1]), [0; 6]);
}

#[test]
fn there_is_room_for_eight_vms() {
    let world = World::new();
    for id in 0x100..0x106 {
        world.ok(0, &[BITMAP_CREATE, id, 1]);
    }
    world.refused(0, &[BITMAP_CREATE, 0x106, 1], FfaError::NoMemory);
    world.refused(0, &[BITMAP_CREATE, 0x105, 1], FfaError::Denied);
    world.ok(0, &[BITMAP_DESTROY, 0x102]);
    world.ok(0, &[BITMAP_CREATE, 0x106, 1]);
}

#[test]
fn only_ids_of_the_normal_world_name_vms() {
    let world = World::new();
    for id in [ONE, NOBODY, 0x8000, 0xffff] {
        world.refused(0, &[BITMAP_CREATE, u64::from(id), 1], FfaError::InvalidParameters);
        world.refused(0, &[BITMAP_DESTROY, u64::from(id)], FfaError::InvalidParameters);
    }
    // Bits 31-16 of w1 must be zero (table 16.3); of FFA_NOTIFICATION_BITMAP_DESTROY they are ignored (table 16.8).
    for junk in [0x1_0000, 0x8000_0000] {
        let call = [BITMAP_CREATE, junk | u64::from(OTHER_VM), 1];
        world.refused(0, &call, FfaError::InvalidParameters);
        world.ok(0, &[BITMAP_DESTROY, junk | u64::from(VM)]);
        world.ok(0, &[BITMAP_CREATE, 0xffff_0000_0000 | u64::from(VM), 1]);
    }
}

#[test]
fn a_vm_has_as_many_vcpus_as_ids_can_tell() {
    let world = World::new();
    for vcpus in [0, 0x1_0000, 0xffff_ffff] {
        world.refused(0, &[BITMAP_CREATE, u64::from(OTHER_VM), vcpus], FfaError::InvalidParameters);
    }
    world.ok(0, &[BITMAP_CREATE, u64::from(OTHER_VM), 0xffff]);
    world.ok(0, &[GET, 0xfffe_0000 | u64::from(OTHER_VM), 1]);
    world.refused(0, &[GET, 0xffff_0000 | u64::from(OTHER_VM), 1], FfaError::InvalidParameters);
}

#[test]
fn what_is_destroyed_is_forgotten() {
    let world = World::new();
    world.bind(ONE, VM, 1).unwrap();
    world.ok(0, &[BITMAP_DESTROY, u64::from(VM)]);
    world.refused(0, &[BITMAP_DESTROY, u64::from(VM)], FfaError::Denied);
    assert_eq!(world.set(ONE, VM, 1), Err(FfaError::InvalidParameters));
    world.ok(0, &[BITMAP_CREATE, u64::from(VM), 2]);
    assert_eq!(world.set(ONE, VM, 1), Err(FfaError::Denied), "the new bitmaps are bound to nobody");
}

#[test]
fn what_is_pending_keeps_the_bitmaps() {
    let world = World::new();
    world.bind(ONE, VM, 1).unwrap();
    _ = world.set(ONE, VM, 1).unwrap();
    world.refused(0, &[BITMAP_DESTROY, u64::from(VM)], FfaError::Denied);
    assert_eq!(world.get(VM), [1, 0, 0, 0]);
    world.ok(0, &[BITMAP_DESTROY, u64::from(VM)]);
}

#[test]
fn without_bitmaps_nothing_can_be_received() {
    let world = World::new();
    world.ok(0, &[BITMAP_DESTROY, 0]);
    // ID 0 exists, but takes no notifications (§10.7, rule 6); another VM is not known to exist.
    for (id, status) in [(0, FfaError::NotSupported), (OTHER_VM, FfaError::InvalidParameters)] {
        assert_eq!(world.bind(ONE, id, 1), Err(status));
        assert_eq!(world.unbind(ONE, id, 1), Err(status));
        world.refused(0, &[GET, u64::from(id), 1], status);
    }
    assert_eq!(world.set(ONE, 0, 1), Err(FfaError::Denied), "§16.5: the receiver takes no notifications");
    assert_eq!(world.set(ONE, OTHER_VM, 1), Err(FfaError::InvalidParameters));
}

#[test]
fn partitions_make_no_bitmaps_and_schedule_nobody() {
    let world = World::new();
    for call in [BITMAP_CREATE, BITMAP_DESTROY, INFO_GET, INFO_GET_64] {
        world.refused(ONE, &[call, u64::from(OTHER_VM), 1], FfaError::NotSupported);
    }
}
