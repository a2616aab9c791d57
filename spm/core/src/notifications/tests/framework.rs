// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The framework's own notification (§10.8), and what becomes of notifications when a partition stops.

use super::*;

fn fill(world: &World, sender: u16, receiver: u16, delay: bool) -> Effects {
    world.receivers().set_buffer_full(EndpointId(sender), EndpointId(receiver), delay, core(2))
}

#[test]
fn a_full_buffer_is_told_by_the_world_that_filled_it() {
    let world = World::new();
    let now = Some(ScheduleReceiver::Now);
    let effects = fill(&world, ONE, MANY, false);
    let vcpu = Some(VcpuRef { partition: 1, vcpu: 2 });
    assert_eq!(effects, Effects { schedule_receiver: now, notification_pending: vcpu, ..Effects::default() });
    assert_eq!(world.get(MANY), [0, 0, 1, 0], "a partition's message: spm's bitmap");
    _ = fill(&world, VM, MANY, false);
    assert_eq!(world.get(MANY), [0, 0, 0, 1], "a VM's message: the hypervisor's");
    let effects = fill(&world, ONE, 0, true);
    let later = Some(ScheduleReceiver::OnReturn);
    assert_eq!(
        effects,
        Effects { schedule_receiver: later, notification_pending: None, ..Effects::default() }
    );
    assert_eq!(world.ok(0, &[INFO_GET]), [1 << 7, 0, 0, 0, 0, 0]);
    world.refused(0, &[BITMAP_DESTROY, 0], FfaError::Denied);
    assert_eq!(world.get(0), [0, 0, 1, 0]);
}

#[test]
fn who_takes_no_notifications_is_not_told() {
    let world = World::new();
    world.partitions[0].abort();
    for receiver in [DEAF, NOBODY, OTHER_VM, ONE] {
        assert_eq!(fill(&world, MANY, receiver, false), Effects::default());
    }
    world.refused(0, &[INFO_GET], FfaError::NoData);
}

#[test]
fn a_stopped_partition_leaves_nothing_behind() {
    let world = World::new();
    world.bind(ONE, 0, 0b001).unwrap();
    world.bind(MANY, 0, 0b010).unwrap();
    world.bind(ONE, MANY, 0b100).unwrap();
    world.bind(VM, ONE, 1).unwrap();
    for (sender, receiver, bitmap) in [(ONE, 0, 1), (MANY, 0, 2), (ONE, MANY, 4), (VM, ONE, 1)] {
        _ = world.set(sender, receiver, bitmap).unwrap();
    }
    let one = &world.partitions[0];
    one.abort();
    world.receivers().forget(one);
    assert_eq!(world.get(0), [0b010, 0, 0, 0], "what the other one set stays");
    assert_eq!(world.get(MANY), [0; 4]);
    world.refused(0, &[INFO_GET], FfaError::NoData);
    // What was bound to it can be bound to others.
    assert_eq!(world.bind(MANY, 0, 0b011), Ok(()));
    assert_eq!(world.bind(DEAF, MANY, 0b100), Ok(()));
}
