// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is told that a core goes off, and how one answers.

use super::*;
use crate::framework_message::{PSCI_SUCCESS, core_off_status, tell_core_off};
use crate::work::{OpenRequest, RequestKind, Requester};

const CPU_OFF: u64 = 0x8400_0002;
/// A partition's answer: framework bit, power management response.
const AGREED: [u64; 4] = [0x8400_0070, FIRST << 16 | 0x8000, 0x8000_0002, 0];

/// Three partitions: two vCPUs that want to know, two that do not, one that may run on any core.
fn spmc() -> Spmc {
    let mut partitions = Partitions::new();
    for (id, contexts, wants) in [(0x8001, 2, true), (0x8002, 2, false), (0x8003, 1, true)] {
        let service = Service { uuid: Uuid::from_u128(u128::from(id)), messaging: ALL };
        let partition = partition_edited(id, &[service], contexts, |manifest| {
            manifest.power_messages = if wants { PowerMessages::CPU_OFF } else { PowerMessages::NONE };
        });
        partitions.push(partition).unwrap();
    }
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

fn told(spmc: &Spmc, at: u64) -> Vec<VcpuRef, 4> {
    let mut told = Vec::new();
    let mut place = 0;
    while let Some(vcpu) = spmc.claim_for_core_off(place, core(at)) {
        place = vcpu.partition + 1;
        told.push(vcpu).unwrap();
    }
    told
}

#[test]
fn whoever_wants_it_and_has_a_context_of_that_core_is_told() {
    assert_eq!(told(&spmc(), 0)[..], [VcpuRef { partition: 0, vcpu: 0 }]);
    assert_eq!(told(&spmc(), 1)[..], [VcpuRef { partition: 0, vcpu: 1 }]);
    assert!(told(&spmc(), 2).is_empty(), "it has no third context");
}

#[test]
fn one_that_does_not_wait_is_not_told() {
    for state in [VcpuState::Running, VcpuState::Blocked, VcpuState::Yielded, VcpuState::Preempted] {
        let spmc = spmc();
        let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
        vcpu.transition(VcpuState::Waiting, VcpuState::Running).unwrap();
        if state != VcpuState::Running {
            vcpu.transition(VcpuState::Running, state).unwrap();
        }
        assert!(told(&spmc, 0).is_empty(), "{state:?}");
        assert_eq!(vcpu.state(), state);
    }
}

#[test]
fn the_message_is_answered_as_a_message_of_the_framework_and_not_otherwise() {
    let spmc = spmc();
    let vcpu = told(&spmc, 0)[0];
    let mut message = [0x5555; 18];
    tell_core_off(EndpointId(0x8000), EndpointId(0x8001), &mut message);
    assert_eq!(message[..8], [0x8400_006f, 0x8000_8001, 0x8000_0000, CPU_OFF, 0, 0, 0, 0]);
    for wrong in [
        [AGREED[0], AGREED[1], 0, 0],
        [AGREED[0], AGREED[1], 0x8000_0001, 0],
        [AGREED[0], FIRST << 16, AGREED[2], 0],
        [AGREED[0], SECOND << 16 | 0x8000, AGREED[2], 0],
        [0xc400_0070, AGREED[1], AGREED[2], 0],
        [0xc400_008e, AGREED[1], AGREED[2], 0],
    ] {
        assert_eq!(call_as(&spmc, vcpu, &wrong).0, PartitionNext::Answer, "{wrong:x?}");
    }
    let (next, answer) = call_as(&spmc, vcpu, &AGREED);
    assert_eq!(next, PartitionNext::Response(0x8400_0070));
    assert_eq!(core_off_status(&registers(&answer)), Some(PSCI_SUCCESS));
    assert_eq!(call_as(&spmc, vcpu, &AGREED).0, PartitionNext::Answer, "there is one answer to one message");
}

#[test]
fn who_works_on_it_can_call_nobody() {
    let spmc = spmc();
    let vcpu = told(&spmc, 0)[0];
    for request in [0x8400_006f, 0xc400_006f, 0xc400_008d] {
        let (next, answer) = call_as(&spmc, vcpu, &[request, FIRST << 16 | SECOND]);
        assert_eq!((next, answer[2]), (PartitionNext::Answer, DENIED), "{request:#x}");
    }
    // One that it had called before, and that yielded to it.
    let left = spmc.partitions()[1].vcpu(0).unwrap();
    left.transition(VcpuState::Waiting, VcpuState::Yielded).unwrap();
    let requester = Requester::Partition { vcpu: 0, spmc_scheduled: false };
    let kind = RequestKind::Direct64;
    left.set_work(Work::Request(OpenRequest { sender: EndpointId(0x8001), requester, kind }));
    assert_eq!(call_as(&spmc, vcpu, &[0x8400_006d, SECOND << 16]).1[2], DENIED);
    assert_eq!(left.state(), VcpuState::Yielded);
    assert_eq!(call_as(&spmc, vcpu, &AGREED).0, PartitionNext::Response(0x8400_0070));
}

#[test]
fn a_request_is_not_answered_as_a_message_of_the_framework() {
    let spmc = spmc();
    assert!(matches!(
        spmc.from_normal_world(&mut registers(&[0x8400_006f, FIRST]), core(0), &FakeHardware::default()),
        NormalNext::Request(..)
    ));
    let vcpu = VcpuRef { partition: 0, vcpu: 0 };
    let (next, answer) = call_as(&spmc, vcpu, &[0x8400_0070, FIRST << 16, 0x8000_0002, 0]);
    assert_eq!((next, answer[2]), (PartitionNext::Answer, INVALID_PARAMETERS));
}

#[test]
fn the_spmd_says_that_a_core_goes_off() {
    let spmc = spmc();
    let mut message = registers(&[0x8400_006f, 0xffff_8000, 0x8000_0000, 0x8400_0002]);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    assert_eq!(next, NormalNext::CoreOff);
    spmc.agree_to_core_off(&mut message);
    assert_eq!(message[..8], [0x8400_0070, 0x8000_ffff, 0x8000_0002, 0, 0, 0, 0, 0]);
}
