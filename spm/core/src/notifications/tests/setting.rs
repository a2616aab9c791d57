// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_NOTIFICATION_SET and FFA_NOTIFICATION_GET (§10.5, §16.5, §16.6).

use super::*;

fn pends_for(partition: usize, vcpu: usize) -> Option<VcpuRef> {
    Some(VcpuRef { partition, vcpu })
}

#[test]
fn what_is_set_is_got_once() {
    let world = World::new();
    world.bind(ONE, 0, u64::MAX).unwrap();
    _ = world.set(ONE, 0, 1 << 63 | 1).unwrap();
    _ = world.set(ONE, 0, 1 << 32 | 1).unwrap();
    assert_eq!(world.ok(0, &[GET, 0, 0xf]), [1, 1 << 31 | 1, 0, 0, 0, 0]);
    assert_eq!(world.get(0), [0; 4]);
}

#[test]
fn only_what_is_asked_for_is_cleared() {
    let world = World::new();
    world.bind(MANY, ONE, 1 << 40).unwrap();
    world.bind(VM, ONE, 2).unwrap();
    _ = world.set(MANY, ONE, 1 << 40).unwrap();
    _ = world.set(VM, ONE, 2).unwrap();
    assert_eq!(world.ok(ONE, &[GET, u64::from(ONE), 0b1101]), [0, 1 << 8, 0, 0, 0, 0]);
    assert_eq!(world.ok(ONE, &[GET, u64::from(ONE), 0]), [0; 6]);
    assert_eq!(world.ok(ONE, &[GET, u64::from(ONE), 0b0010]), [0, 0, 2, 0, 0, 0]);
}

#[test]
fn only_its_sender_rings_a_doorbell() {
    let world = World::new();
    world.bind(ONE, 0, 0b01).unwrap();
    world.bind(MANY, 0, 0b10).unwrap();
    for (sender, bitmap) in [(ONE, 0b10), (ONE, 0b11), (MANY, 0b01), (DEAF, 0b01), (ONE, 0b100)] {
        assert_eq!(world.set(sender, 0, bitmap), Err(FfaError::Denied), "{sender:#x} {bitmap:#b}");
    }
    assert_eq!(world.get(0), [0; 4]);
}

#[test]
fn nobody_sets_in_anothers_name() {
    let world = World::new();
    world.bind(ONE, MANY, 1).unwrap();
    world.bind(VM, MANY, 1).unwrap();
    world.bind(ONE, 0, 1).unwrap();
    for (by, sender, receiver) in [
        (MANY, ONE, 0),
        (0, ONE, MANY),
        (ONE, VM, MANY),
        (0, 0, VM),
        (0, VM, 0),
        (ONE, ONE, ONE),
        (0, 0, 0),
        (ONE, ONE, NOBODY),
        (0, 0, 0x8000),
        (0, 0, 0xffff),
    ] {
        world.refused(by, &about(SET, sender, receiver, 0, 1), FfaError::InvalidParameters);
    }
    assert_eq!(world.get(MANY), [0; 4]);
}

#[test]
fn a_sender_needs_no_notifications_itself() {
    let world = World::new();
    world.bind(DEAF, ONE, 1).unwrap();
    _ = world.set(DEAF, ONE, 1).unwrap();
    assert_eq!(world.get(ONE), [1, 0, 0, 0]);
    assert_eq!(world.set(ONE, DEAF, 1), Err(FfaError::Denied), "a receiver does");
}

#[test]
fn flags_of_others_are_refused() {
    let world = World::new();
    world.bind(ONE, 0, 1).unwrap();
    world.bind(0, ONE, 1).unwrap();
    for bit in 0..32 {
        let flags = 1 << bit;
        // Bit 0, since these notifications are not of single vCPUs.
        world.refused(0, &about(SET, 0, ONE, flags, 1), FfaError::InvalidParameters);
        if bit != 1 {
            world.refused(ONE, &about(SET, ONE, 0, flags, 1), FfaError::InvalidParameters);
        }
    }
    world.refused(ONE, &about(SET, ONE, 0, 0, 0), FfaError::InvalidParameters);
    assert_eq!((world.get(0), world.get(ONE)), ([0; 4], [0; 4]));
}

#[test]
fn the_scheduler_and_the_receiver_are_interrupted() {
    let world = World::new();
    world.bind(ONE, 0, 1).unwrap();
    world.bind(ONE, MANY, 1).unwrap();
    world.bind(VM, ONE, 1).unwrap();
    let now = Some(ScheduleReceiver::Now);
    let effects = |by, call: [u64; 5]| world.call(by, &call).0.unwrap();
    // The normal world, by the one and by the other (§10.9, rules 14 and 15).
    let effect = effects(ONE, about(SET, ONE, 0, 0, 1));
    assert_eq!(effect, Effects { schedule_receiver: now, notification_pending: None, ..Effects::default() });
    let effect = effects(0, about(SET, VM, ONE, 0, 1));
    assert_eq!(
        effect,
        Effects { schedule_receiver: now, notification_pending: pends_for(0, 0), ..Effects::default() }
    );
    // §16.5.1: the sender goes on first. Calls are made on core 3, whose vCPU gets the interrupt.
    let effect = effects(ONE, about(SET, ONE, MANY, 2, 1));
    let later = Some(ScheduleReceiver::OnReturn);
    assert_eq!(
        effect,
        Effects { schedule_receiver: later, notification_pending: pends_for(1, 3), ..Effects::default() }
    );
    // What is pending already interrupts the receiver no more (§10.5, rule 3).
    let effect = effects(ONE, about(SET, ONE, MANY, 0, 1));
    assert_eq!(effect.notification_pending, None);
    // What fails interrupts nobody.
    world.refused(MANY, &about(SET, MANY, 0, 0, 1), FfaError::Denied);
}

#[test]
fn the_scheduler_is_not_interrupted_for_what_it_knows() {
    let world = World::new();
    world.bind(ONE, 0, 0b11).unwrap();
    let set = |bitmap| world.set(ONE, 0, bitmap).unwrap().schedule_receiver;
    assert_eq!(set(1), Some(ScheduleReceiver::Now));
    // It may have missed the first (§10.4.1.1), since it never asked.
    assert_eq!(set(1), Some(ScheduleReceiver::Now));
    world.ok(0, &[INFO_GET]);
    assert_eq!(set(1), None);
    assert_eq!(set(2), Some(ScheduleReceiver::Now));
    world.ok(0, &[INFO_GET]);
    assert_eq!(world.get(0), [3, 0, 0, 0]);
    assert_eq!(set(1), Some(ScheduleReceiver::Now), "set anew");
}

#[test]
fn a_receiver_gets_its_own_alone() {
    let world = World::new();
    world.bind(ONE, MANY, 1).unwrap();
    _ = world.set(ONE, MANY, 1).unwrap();
    for (by, receiver) in [(ONE, MANY), (0, MANY), (ONE, 0), (ONE, NOBODY), (0, 0x8000)] {
        world.refused(by, &[GET, u64::from(receiver), 1], FfaError::InvalidParameters);
    }
    assert_eq!(world.get(MANY), [1, 0, 0, 0]);
}

#[test]
fn a_vcpu_that_is_not_there_gets_nothing() {
    let world = World::new();
    for (id, vcpus) in [(0, 8), (VM, 2), (ONE, 1), (MANY, 8)] {
        for vcpu in [0, vcpus - 1] {
            world.ok(id, &[GET, vcpu << 16 | u64::from(id), 1]);
        }
        for vcpu in [vcpus, 0xffff] {
            world.refused(id, &[GET, vcpu << 16 | u64::from(id), 1], FfaError::InvalidParameters);
        }
    }
}

#[test]
fn reserved_flags_get_nothing() {
    let world = World::new();
    for bit in 4..32 {
        world.refused(0, &[GET, 0, 1 << bit | 1], FfaError::InvalidParameters);
    }
}

#[test]
fn a_stopped_receiver_has_aborted() {
    let world = World::new();
    world.bind(0, MANY, 1).unwrap();
    world.partitions[1].abort();
    assert_eq!(world.set(0, MANY, 1), Err(FfaError::Aborted));
}
