// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Notifications as callers of the SPMC have them: by version and by who they are, with the interrupts that come of them.

use super::*;
use crate::hardware::InterruptAction;
use crate::interrupts::InterruptLine;
use crate::notifications::Receiver;

const CREATE: u64 = 0x8400_007d;
const BIND: u64 = 0x8400_007f;
const SET: u64 = 0x8400_0081;
const GET: u64 = 0x8400_0082;
const INFO_GET_64: u64 = 0xc400_0083;
const DELAY: u64 = 2;

/// The first partition takes notifications, and sends indirect messages; the second does neither.
fn spmc_with_notifications() -> Spmc {
    let mut spmc = spmc();
    spmc.partitions[0].notifications = Some(Receiver::default());
    assert_eq!(call(&spmc, &[CREATE, 0, 8])[..3], [OK, 0, 0]);
    spmc
}

fn raised(hardware: &FakeHardware) -> usize {
    hardware
        .interrupts
        .lock()
        .unwrap()
        .iter()
        .filter(|action| **action == InterruptAction::ScheduleReceiver)
        .count()
}

/// A call of the first partition's vCPU on `core`.
fn from_first(spmc: &Spmc, core: CoreIndex, hardware: &FakeHardware, values: &[u64]) -> u64 {
    let mut message = registers(values);
    assert_eq!(spmc.from_partition(AT_FIRST, &mut message, core, hardware), PartitionNext::Answer);
    message[0]
}

#[test]
fn a_partition_notifies_the_normal_world() {
    let (spmc, hardware) = (spmc_with_notifications(), FakeHardware::default());
    assert_eq!(call(&spmc, &[BIND, FIRST << 16, 0, 1])[0], OK);
    assert_eq!(from_first(&spmc, core(0), &hardware, &[SET, FIRST << 16, 0, 1]), OK);
    assert_eq!(raised(&hardware), 1);
    let mut message = registers(&[INFO_GET_64]);
    spmc.from_normal_world(&mut message, core(0), &hardware);
    assert_eq!(message[..4], [0xc400_0061, 0, 1 << 7, 0], "one list: ID 0");
    assert_eq!(message[8..], [0x5555_5555_5555_5555; 10]);
    assert_eq!(call(&spmc, &[GET, 0, 5])[..5], [OK, 0, 1, 0, 0]);
    assert_eq!(raised(&hardware), 1);
}

#[test]
fn a_partition_is_interrupted_for_its_notifications() {
    let (spmc, hardware) = (spmc_with_notifications(), FakeHardware::default());
    let own = |call: &[u64]| from_first(&spmc, core(0), &hardware, call);
    assert_eq!(own(&[BIND, FIRST, 0, 1]), OK);
    let interrupts = &spmc.partitions()[0].vcpu(0).unwrap().interrupts;
    assert!(!interrupts.is_pending(InterruptLine::NOTIFICATION));
    let mut message = registers(&[SET, FIRST, 0, 1]);
    spmc.from_normal_world(&mut message, core(2), &hardware);
    assert_eq!(message[0], OK);
    assert!(interrupts.is_pending(InterruptLine::NOTIFICATION));
    assert_eq!(
        spmc.partitions()[0].vcpu(0).unwrap().state(),
        VcpuState::Waiting,
        "its scheduler lets it run"
    );
    // What is left of others keeps it pending.
    assert_eq!(own(&[GET, FIRST, 1]), OK);
    assert!(interrupts.is_pending(InterruptLine::NOTIFICATION));
    assert_eq!(own(&[GET, FIRST, 2]), OK);
    assert!(!interrupts.is_pending(InterruptLine::NOTIFICATION), "it would be for nothing");
}

#[test]
fn no_interrupt_is_lost_between_two_cores() {
    let (spmc, hardware) = (spmc_with_notifications(), FakeHardware::default());
    assert_eq!(from_first(&spmc, core(0), &hardware, &[BIND, FIRST, 0, 1]), OK);
    let interrupts = &spmc.partitions()[0].vcpu(0).unwrap().interrupts;
    for _ in 0..300 {
        let got = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut message = registers(&[SET, FIRST, 0, 1]);
                spmc.from_normal_world(&mut message, core(1), &FakeHardware::default());
                assert_eq!(message[0], OK);
            });
            let mut message = registers(&[GET, FIRST, 2]);
            spmc.from_partition(AT_FIRST, &mut message, core(0), &hardware);
            message[4]
        });
        if got == 0 {
            assert!(interrupts.is_pending(InterruptLine::NOTIFICATION), "it was set, and not got");
            assert_eq!(from_first(&spmc, core(0), &hardware, &[GET, FIRST, 2]), OK);
        }
        // What is pended behind the last call is for nothing, but harmless.
        interrupts.withdraw(InterruptLine::NOTIFICATION);
    }
}

#[test]
fn a_delayed_interrupt_comes_once_on_its_core() {
    let (spmc, hardware) = (spmc_with_notifications(), FakeHardware::default());
    assert_eq!(call(&spmc, &[BIND, FIRST << 16, 0, 3])[0], OK);
    assert_eq!(from_first(&spmc, core(5), &hardware, &[SET, FIRST << 16, DELAY, 1]), OK);
    assert_eq!(from_first(&spmc, core(5), &hardware, &[SET, FIRST << 16, DELAY, 2]), OK);
    spmc.raise_what_is_due(core(4), &hardware);
    assert_eq!(raised(&hardware), 0, "not yet, and not on another core");
    spmc.raise_what_is_due(core(5), &hardware);
    spmc.raise_what_is_due(core(5), &hardware);
    assert_eq!(raised(&hardware), 1);
}

#[test]
fn a_message_notifies_its_receiver() {
    let (spmc, hardware) = (spmc_with_notifications(), FakeHardware::default());
    let mut message = registers(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1]);
    spmc.from_normal_world(&mut message, core(0), &hardware);
    let memory = spmc.partitions[0].memory().start();
    assert_eq!(from_first(&spmc, core(0), &hardware, &[0xc400_0066, memory, memory + 0x1000, 1]), OK);
    let message = |sender: u32, receiver: u32| {
        let words = [0, 0, 40, sender << 16 | receiver, 0, 0, 0, 0, 0, 0];
        words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect::<std::vec::Vec<u8>>()
    };
    // From a VM to a partition: the hypervisor's bitmap (§10.8.1).
    hardware.sent.lock().unwrap().push((MailboxOwner::NormalWorld, message(0, 0x8001)));
    let mut registers_of_call = registers(&[0x8400_0086]);
    spmc.from_normal_world(&mut registers_of_call, core(0), &hardware);
    assert_eq!(registers_of_call[0], OK);
    assert_eq!(raised(&hardware), 1);
    let (_, got) = call_as(&spmc, AT_FIRST, &[GET, FIRST, 0xf]);
    assert_eq!(got[..8], [OK, 0, 0, 0, 0, 0, 0, 1]);
    // From a partition to the normal world: spm's; the interrupt waits if the sender says so.
    hardware.sent.lock().unwrap().push((MailboxOwner::Partition(0), message(0x8001, 0)));
    assert_eq!(from_first(&spmc, core(1), &hardware, &[0x8400_0086, 0, DELAY]), OK);
    assert_eq!(raised(&hardware), 1);
    spmc.raise_what_is_due(core(1), &hardware);
    assert_eq!(raised(&hardware), 2);
    assert_eq!(call(&spmc, &[GET, 0, 0xf])[..8], [OK, 0, 0, 0, 0, 0, 1, 0]);
}

/// "Must be ignored by callee when SVC conduit is used" (table 15.3).
#[test]
fn a_message_from_s_el0_cannot_delay_the_interrupt() {
    let service = Service { uuid: Uuid::nil(), messaging: ALL };
    let application = partition_edited(0x8001, &[service], 1, |manifest| {
        manifest.exception_level = ExceptionLevel::SEl0;
    });
    let mut partitions = Partitions::new();
    partitions.push(application).unwrap();
    let (spmc, hardware) =
        (Spmc::new(0x8000, partitions, normal_memory(), memory()), FakeHardware::default());
    spmc.normal_version.negotiate(0x1_0002);
    assert_eq!(call(&spmc, &[CREATE, 0, 8])[..3], [OK, 0, 0]);
    let mut map = registers(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1]);
    spmc.from_normal_world(&mut map, core(0), &hardware);
    let [region, ..] = spmc.partitions[0].memory_regions() else { panic!() };
    let data = region.range.start();
    assert_eq!(from_first(&spmc, core(0), &hardware, &[0xc400_0066, data, data + 0x1000, 1]), OK);
    let words = [0, 0, 40, 0x8001_0000_u32, 0, 0, 0, 0, 0, 0];
    let message = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    hardware.sent.lock().unwrap().push((MailboxOwner::Partition(0), message));
    assert_eq!(from_first(&spmc, core(0), &hardware, &[0x8400_0086, 0, DELAY]), OK);
    assert_eq!(raised(&hardware), 1);
}

#[test]
fn notifications_are_for_callers_since_1_1() {
    // The normal world is of version 1.0 until it asks for another.
    let old = Spmc::new(0x8000, Partitions::new(), NormalMemory::default(), memory());
    for function in (0x8400_007d..=0x8400_0083).chain([INFO_GET_64]) {
        assert_eq!(call(&old, &[function, 0, 1])[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
        assert_eq!(call(&old, &[0x8400_0064, function])[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
    }
}

#[test]
fn who_takes_no_notifications_may_only_set_some() {
    let spmc = spmc_with_notifications();
    let second = VcpuRef { partition: 1, vcpu: 0 };
    for function in [CREATE, 0x8400_007e, BIND, 0x8400_0080, GET, 0x8400_0083, INFO_GET_64] {
        let (_, answer) = call_as(&spmc, second, &[function, SECOND, 0, 1]);
        assert_eq!(answer[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
        let (_, answer) = call_as(&spmc, second, &[0x8400_0064, function]);
        assert_eq!(answer[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
    }
    assert_eq!(call(&spmc, &[BIND, SECOND << 16, 0, 1])[0], OK);
    let (_, answer) = call_as(&spmc, second, &[SET, SECOND << 16, 0, 1]);
    assert_eq!(answer[0], OK);
}

#[test]
fn a_stopped_partition_leaves_no_notifications() {
    let spmc = spmc_with_notifications();
    assert_eq!(call(&spmc, &[BIND, FIRST << 16, 0, 1])[0], OK);
    assert_eq!(call_as(&spmc, AT_FIRST, &[SET, FIRST << 16, 0, 1]).1[0], OK);
    fail(&spmc, AT_FIRST, &FakeHardware::default());
    assert!(spmc.partitions()[0].is_stopped());
    assert_eq!(call(&spmc, &[GET, 0, 1])[..4], [OK, 0, 0, 0]);
    assert_eq!(call(&spmc, &[BIND, FIRST << 16, 0, 1])[..3], [ERROR, 0, ABORTED]);
}

#[test]
fn the_vcpu_that_a_notification_is_for_is_interrupted() {
    let mut spmc = spmc_with_notifications();
    spmc.partitions[1].notifications = Some(Receiver::default());
    let (spmc, hardware) = (spmc, FakeHardware::default());
    let from_second = |values: &[u64]| {
        let mut message = registers(values);
        let own = VcpuRef { partition: 1, vcpu: 5 };
        assert_eq!(spmc.from_partition(own, &mut message, core(5), &hardware), PartitionNext::Answer);
        message
    };
    let interrupted = || {
        let is_pending = |vcpu| {
            spmc.partitions()[1].vcpu(vcpu).unwrap().interrupts.is_pending(InterruptLine::NOTIFICATION)
        };
        (0..8).filter(|vcpu| is_pending(*vcpu)).collect::<std::vec::Vec<_>>()
    };
    let set = |vcpu: u64| assert_eq!(call(&spmc, &[SET, SECOND, vcpu << 16 | 1, 1])[0], OK);
    assert_eq!(from_second(&[BIND, SECOND, 1, 1])[0], OK);
    set(5);
    set(6);
    assert_eq!(interrupted(), [5, 6]);
    // The one gets its own, the other's interrupt stays.
    assert_eq!(from_second(&[GET, 5 << 16 | SECOND, 2])[4], 1);
    assert_eq!(interrupted(), [6]);
    // On whichever vCPU it is got.
    assert_eq!(from_second(&[GET, 6 << 16 | SECOND, 2])[4], 1);
    assert_eq!(interrupted(), []);
}

#[test]
fn no_interrupt_of_a_vcpu_is_lost_between_two_cores() {
    let mut spmc = spmc_with_notifications();
    spmc.partitions[1].notifications = Some(Receiver::default());
    let own = VcpuRef { partition: 1, vcpu: 0 };
    let get = |vcpu: u64| {
        let mut message = registers(&[GET, vcpu << 16 | SECOND, 2]);
        spmc.from_partition(own, &mut message, core(0), &FakeHardware::default());
        message[4]
    };
    assert_eq!(call_as(&spmc, own, &[BIND, SECOND, 1, 1]).1[0], OK);
    let interrupts = &spmc.partitions()[1].vcpu(3).unwrap().interrupts;
    for _ in 0..300 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut message = registers(&[SET, SECOND, 3 << 16 | 1, 1]);
                spmc.from_normal_world(&mut message, core(1), &FakeHardware::default());
                assert_eq!(message[0], OK);
            });
            // Whoever gets nothing for itself takes back the interrupts of all who have nothing.
            assert_eq!(get(0), 0);
        });
        assert!(interrupts.is_pending(InterruptLine::NOTIFICATION), "it was set, and not got");
        assert_eq!(get(3), 1);
        assert!(!interrupts.is_pending(InterruptLine::NOTIFICATION));
    }
}
