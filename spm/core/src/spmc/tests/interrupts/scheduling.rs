// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What one vCPU tells another, and what the normal world's scheduler is told of it.

use super::*;

#[test]
fn a_vcpu_tells_another_of_its_partition() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let from = VcpuRef { partition: 1, vcpu: 0 };
    let send = u64::from(INTERRUPT_SEND_IPI);
    assert_eq!(hypercall(&spmc, from, &hardware, &[send, 5]), 0);
    assert_eq!(done(&hardware), [], "nothing would run there");
    assert!(spmc.partitions()[1].vcpu(5).unwrap().interrupts.is_pending(InterruptLine::IPI));
    for nobody in [8, 0xffff_ffff, u64::MAX] {
        assert_eq!(hypercall(&spmc, from, &hardware, &[send, nobody]), FAILED);
    }
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &[send, 1]), FAILED, "it has one vCPU");
}

#[test]
fn a_waiting_vcpus_scheduler_is_told_of_what_another_one_wants() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let vcpu = |index| VcpuRef { partition: 1, vcpu: index };
    let send = |to| assert_eq!(hypercall(&spmc, vcpu(0), &hardware, &[u64::from(INTERRUPT_SEND_IPI), to]), 0);
    let told = || call(&spmc, &[0xc400_0083])[..4].to_vec();
    let nothing = [ERROR, 0, 0xffff_fff7, 0].to_vec();
    send(5);
    assert_eq!(done(&hardware), [], "it could not take it");
    assert_eq!(told(), nothing);
    enable(&spmc, vcpu(5), 9);
    assert_eq!(told()[2..], [0b01 << 12 | 1 << 7, 5 << 16 | SECOND], "vCPU 5 of the second partition");
    assert_eq!(told(), nothing, "it is told once");
    for _ in 0..2 {
        send(5);
        assert_eq!(done(&hardware), [InterruptAction::ScheduleReceiverOf(5)]);
    }
    // It runs and takes it: nobody has to be told any more.
    let running = spmc.partitions()[1].vcpu(5).unwrap();
    running.transition(VcpuState::Waiting, VcpuState::Running).unwrap();
    assert_eq!(told(), nothing, "it runs");
    running.set_core(core(5));
    send(5);
    assert_eq!(done(&hardware), [InterruptAction::Kick(5)]);
    assert!(running.wants_scheduler(), "and begins to wait without having taken it");
    assert_eq!(hypercall(&spmc, vcpu(5), &hardware, &GET), 9);
    assert!(!running.wants_scheduler());
    running.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
    assert_eq!(told(), nothing);
}

#[test]
fn vcpus_that_an_answer_has_no_room_for_are_told_in_the_next() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for index in 0..8 {
        enable(&spmc, VcpuRef { partition: 1, vcpu: index }, 9);
        let from = VcpuRef { partition: 1, vcpu: 7 - index };
        let send = [u64::from(INTERRUPT_SEND_IPI), index as u64];
        assert_eq!(hypercall(&spmc, from, &hardware, &send), 0);
    }
    let first = call(&spmc, &[0x8400_0083]);
    assert_eq!(first[2], 0b01_11_11 << 12 | 3 << 7 | 1, "seven in three lists, and there is more");
    let second = call(&spmc, &[0x8400_0083]);
    assert_eq!(second[2..4], [0b01 << 12 | 1 << 7, 7 << 16 | SECOND]);
    assert_eq!(call(&spmc, &[0x8400_0083])[0], ERROR);
}
