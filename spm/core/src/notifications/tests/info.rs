// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_NOTIFICATION_INFO_GET (§16.7, table 16.31): who is told of, in which registers, and how often.

use arm_ffa::interface_args::SuccessArgs;
use arm_ffa::notification::{SuccessArgsNotificationInfoGet32, SuccessArgsNotificationInfoGet64};

use super::*;

/// Asks, and decodes the answer by `arm-ffa`: whether there are more, and who is told of.
fn ask(world: &World, function: u64) -> Option<(bool, std::vec::Vec<u16>)> {
    let (result, registers) = world.call(0, &[function]);
    match result {
        Err(FfaError::NoData) => return None,
        other => assert_eq!(other, Ok(Effects::default())),
    }
    assert_eq!(registers[1], 0);
    let lists: (bool, std::vec::Vec<(u16, std::vec::Vec<u16>)>) = if function == INFO_GET_64 {
        assert_eq!(registers[0], 0xc400_0061);
        let mut words = [0; 16];
        words[..6].copy_from_slice(&registers[2..8]);
        let args = SuccessArgsNotificationInfoGet64::try_from(SuccessArgs::Args64(words)).unwrap();
        (args.more_pending_notifications, args.iter().map(|(id, vcpus)| (id, vcpus.to_vec())).collect())
    } else {
        assert_eq!(registers[0], 0x8400_0061);
        let words: [u64; 6] = registers[2..8].try_into().unwrap();
        let args = SuccessArgs::Args32(words.map(|word| u32::try_from(word).unwrap()));
        let args = SuccessArgsNotificationInfoGet32::try_from(args).unwrap();
        (args.more_pending_notifications, args.iter().map(|(id, vcpus)| (id, vcpus.to_vec())).collect())
    };
    let (more, lists) = lists;
    assert!(lists.iter().all(|(_, vcpus)| vcpus.is_empty()), "all notifications are global: {lists:x?}");
    Some((more, lists.into_iter().map(|(id, _)| id).collect()))
}

#[test]
fn nothing_pending_is_no_data() {
    let world = World::new();
    world.refused(0, &[INFO_GET], FfaError::NoData);
    world.refused(0, &[INFO_GET_64], FfaError::NoData);
    world.bind(ONE, 0, 1).unwrap();
    world.refused(0, &[INFO_GET_64], FfaError::NoData);
}

#[test]
fn each_is_told_once_until_something_is_set() {
    for function in [INFO_GET, INFO_GET_64] {
        let world = World::new();
        world.bind(ONE, 0, 3).unwrap();
        world.bind(ONE, MANY, 1).unwrap();
        world.bind(0, ONE, 1).unwrap();
        _ = world.set(ONE, 0, 1).unwrap();
        _ = world.set(ONE, MANY, 1).unwrap();
        _ = world.set(0, ONE, 1).unwrap();
        assert_eq!(ask(&world, function), Some((false, vec![ONE, MANY, 0])));
        assert_eq!(ask(&world, function), None);
        _ = world.set(ONE, 0, 3).unwrap();
        assert_eq!(ask(&world, function), Some((false, vec![0])), "the second notification is new");
        assert_eq!(world.get(0), [3, 0, 0, 0]);
        assert_eq!(ask(&world, function), None);
        _ = world.set(ONE, 0, 1).unwrap();
        assert_eq!(ask(&world, function), Some((false, vec![0])));
    }
}

#[test]
fn what_was_got_is_not_told() {
    let world = World::new();
    world.bind(ONE, 0, 1).unwrap();
    _ = world.set(ONE, 0, 1).unwrap();
    assert_eq!(world.get(0), [1, 0, 0, 0]);
    assert_eq!(ask(&world, INFO_GET), None);
}

#[test]
fn registers_are_filled_from_the_lowest() {
    let world = World::new();
    for (sender, receiver) in [(MANY, ONE), (ONE, MANY), (ONE, 0), (ONE, VM)] {
        world.bind(sender, receiver, 1).unwrap();
        _ = world.set(sender, receiver, 1).unwrap();
    }
    assert_eq!(world.ok(0, &[INFO_GET_64]), [4 << 7, 0x0005_0000_8002_8001, 0, 0, 0, 0]);
    for (sender, receiver) in [(MANY, ONE), (ONE, MANY), (ONE, 0), (ONE, VM)] {
        world.get(receiver);
        _ = world.set(sender, receiver, 1).unwrap();
    }
    assert_eq!(world.ok(0, &[INFO_GET]), [4 << 7, 0x8002_8001, 0x0005_0000, 0, 0, 0]);
}

#[test]
fn what_has_no_room_comes_next() {
    // Eight partitions and eight VMs are too many for ten places, and few enough for twenty.
    for function in [INFO_GET, INFO_GET_64] {
        let mut partitions = Partitions::new();
        let ids: std::vec::Vec<u16> = (0x8001..0x8009).collect();
        for id in &ids {
            partitions.push(partition(*id, 1, true)).unwrap();
        }
        let world = World { partitions, vms: Vms::default() };
        let vms: std::vec::Vec<u16> = (0..8).collect();
        for id in &vms {
            world.ok(0, &[BITMAP_CREATE, u64::from(*id), 1]);
            world.bind(0x8001, *id, 1).unwrap();
            _ = world.set(0x8001, *id, 1).unwrap();
        }
        for id in &ids {
            world.bind(0, *id, 1).unwrap();
            _ = world.set(0, *id, 1).unwrap();
        }
        let all = [ids.as_slice(), vms.as_slice()].concat();
        if function == INFO_GET {
            assert_eq!(ask(&world, function), Some((true, all[..10].to_vec())));
            assert_eq!(ask(&world, function), Some((false, all[10..].to_vec())));
        } else {
            assert_eq!(ask(&world, function), Some((false, all)));
        }
        assert_eq!(ask(&world, function), None);
    }
}

#[test]
fn ten_are_all_there_are() {
    let world = World::new();
    world.ok(0, &[BITMAP_DESTROY, 0]);
    world.ok(0, &[BITMAP_DESTROY, u64::from(VM)]);
    for (sender, receiver) in [(MANY, ONE), (ONE, MANY)] {
        world.bind(sender, receiver, 1).unwrap();
        _ = world.set(sender, receiver, 1).unwrap();
    }
    for id in 0..8 {
        world.ok(0, &[BITMAP_CREATE, u64::from(id), 1]);
        world.bind(ONE, id, 1).unwrap();
        _ = world.set(ONE, id, 1).unwrap();
    }
    let (more, ids) = ask(&world, INFO_GET).unwrap();
    assert_eq!((more, ids.len()), (false, 10));
}

#[test]
fn a_stopped_partition_is_not_to_be_run() {
    let world = World::new();
    world.bind(0, ONE, 1).unwrap();
    _ = world.set(0, ONE, 1).unwrap();
    world.partitions[0].abort();
    assert_eq!(ask(&world, INFO_GET), None);
}
