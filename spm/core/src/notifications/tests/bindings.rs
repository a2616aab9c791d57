// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_UNBIND (§10.4.2, §16.3, §16.4).

use super::*;

#[test]
fn a_receiver_binds_for_itself() {
    let world = World::new();
    // A partition: to another one, and to VMs, which spm cannot know.
    for sender in [MANY, DEAF, 0, VM, OTHER_VM, 0x7fff] {
        assert_eq!(world.bind(sender, ONE, 1 << (sender & 0x3f)), Ok(()), "{sender:#x}");
    }
    // The normal world: each VM's to partitions.
    assert_eq!(world.bind(ONE, 0, 1), Ok(()));
    assert_eq!(world.bind(DEAF, VM, 1), Ok(()));
}

#[test]
fn nobody_binds_for_others() {
    let world = World::new();
    for (by, sender, receiver) in [
        (ONE, ONE, MANY),
        (ONE, DEAF, MANY),
        (ONE, MANY, 0),
        (0, ONE, MANY),
        (0, VM, ONE),
        // Notifications among VMs are their hypervisor's.
        (0, VM, 0),
        (0, 0, VM),
        // To oneself.
        (ONE, ONE, ONE),
        (0, 0, 0),
    ] {
        for call in [BIND, UNBIND] {
            world.refused(by, &about(call, sender, receiver, 0, 1), FfaError::InvalidParameters);
        }
    }
}

#[test]
fn a_secure_sender_has_to_be_there() {
    let world = World::new();
    for sender in [NOBODY, 0x8000, 0xffff] {
        assert_eq!(world.bind(sender, ONE, 1), Err(FfaError::InvalidParameters));
        assert_eq!(world.bind(sender, 0, 1), Err(FfaError::InvalidParameters));
        assert_eq!(world.unbind(sender, ONE, 1), Err(FfaError::InvalidParameters));
    }
    world.partitions[1].abort();
    assert_eq!(world.bind(MANY, ONE, 1), Err(FfaError::Aborted));
    assert_eq!(world.unbind(MANY, 0, 1), Err(FfaError::Aborted));
}

#[test]
fn reserved_flags_are_refused_and_no_notifications_too() {
    let world = World::new();
    for bit in 1..32 {
        let call = about(BIND, ONE, 0, 1 << bit, 1);
        world.refused(0, &call, FfaError::InvalidParameters);
    }
    for call in [BIND, UNBIND] {
        world.refused(0, &about(call, ONE, 0, 0, 0), FfaError::InvalidParameters);
    }
    // w2 of FFA_NOTIFICATION_UNBIND, and upper halves, mean nothing.
    world.ok(0, &about(UNBIND, ONE, 0, 0xffff_ffff, 1));
    let [function, ids, _, low, high] = about(BIND, ONE, 0, 0, 1);
    let upper = 0xdead_beef_0000_0000;
    world.ok(0, &[function, upper | ids, upper, upper | low, upper | high]);
    assert_eq!(world.set(ONE, 0, 1 << 32), Err(FfaError::Denied));
}

#[test]
fn what_is_anothers_stays_anothers() {
    let world = World::new();
    world.bind(ONE, 0, 0b0110).unwrap();
    assert_eq!(world.bind(MANY, 0, 0b1100), Err(FfaError::Denied));
    assert_eq!(
        world.set(MANY, 0, 0b1000),
        Err(FfaError::Denied),
        "nothing was bound by the call that failed"
    );
    assert_eq!(world.unbind(MANY, 0, 0b0100), Err(FfaError::Denied));
    _ = world.set(ONE, 0, 0b0110).unwrap();
    // Once more, to the same sender; and what nobody has.
    assert_eq!(world.get(0), [0b0110, 0, 0, 0]);
    assert_eq!(world.bind(ONE, 0, 0b0111), Ok(()));
    assert_eq!(world.unbind(ONE, 0, u64::MAX), Ok(()));
    assert_eq!(world.bind(MANY, 0, u64::MAX), Ok(()));
}

#[test]
fn what_is_pending_is_neither_bound_nor_unbound() {
    let world = World::new();
    world.bind(ONE, 0, 0b11).unwrap();
    _ = world.set(ONE, 0, 0b10).unwrap();
    assert_eq!(world.unbind(ONE, 0, 0b11), Err(FfaError::Denied));
    assert_eq!(world.bind(ONE, 0, 0b11), Err(FfaError::Denied));
    assert_eq!(world.unbind(ONE, 0, 0b01), Ok(()));
    assert_eq!(world.get(0), [0b10, 0, 0, 0]);
    assert_eq!(world.unbind(ONE, 0, 0b10), Ok(()));
    assert_eq!(world.set(ONE, 0, 0b10), Err(FfaError::Denied));
}

#[test]
fn partitions_and_vms_have_bitmaps_of_their_own() {
    let world = World::new();
    world.bind(MANY, ONE, 1).unwrap();
    world.bind(VM, ONE, 1).unwrap();
    _ = world.set(VM, ONE, 1).unwrap();
    assert_eq!(world.unbind(MANY, ONE, 1), Ok(()), "the other one is pending");
    assert_eq!(world.get(ONE), [0, 1, 0, 0]);
}

#[test]
fn who_takes_no_notifications_binds_none() {
    let world = World::new();
    assert_eq!(world.bind(ONE, DEAF, 1), Err(FfaError::NotSupported));
    assert_eq!(world.unbind(ONE, DEAF, 1), Err(FfaError::NotSupported));
    world.refused(DEAF, &[GET, u64::from(DEAF), 1], FfaError::NotSupported);
}
