// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_RUN, FFA_YIELD and FFA_MSG_WAIT: whom they give the core to, and who may.

use super::*;

/// The first partition's vCPU, as w1 of FFA_RUN.
const RUN_FIRST: u64 = FIRST << 16;

#[test]
fn the_normal_world_lets_a_waiting_partition_run_until_it_waits_again() {
    let spmc = chain();
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Run));
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(normal(&spmc, &[0xc400_006f, FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(call_as(&spmc, at(0), &[0xc400_0070, FIRST << 16]).1[2], DENIED, "there is no request");
    assert_eq!(call_as(&spmc, at(0), &[YIELD]).0, PartitionNext::Yield);
    go(&spmc, 0, VcpuState::Running, VcpuState::Yielded);
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Run));
    assert_eq!(call_as(&spmc, at(0), &[WAIT]).0, PartitionNext::Wait);
}

#[test]
fn what_run_cannot_name() {
    let spmc = spmc();
    for (what, target, status) in [
        ("no partition", 0x8003_0000, INVALID_PARAMETERS),
        ("the normal world", 0, INVALID_PARAMETERS),
        ("no vCPU", RUN_FIRST | 1, INVALID_PARAMETERS),
        ("another core's vCPU", SECOND << 16 | 1, INVALID_PARAMETERS),
        ("nothing like a vCPU", SECOND << 16 | 0xffff, INVALID_PARAMETERS),
    ] {
        assert_eq!(normal(&spmc, &[RUN, target]), (NormalNext::Answer, status), "{what}");
    }
    fail(&spmc, AT_FIRST, &FakeHardware::default());
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]), (NormalNext::Aborted, ABORTED));
    go(&spmc, 1, VcpuState::Waiting, VcpuState::Blocked);
    assert_eq!(normal(&spmc, &[RUN, SECOND << 16]), (NormalNext::Answer, DENIED));
}

#[test]
fn a_preempted_vcpu_goes_on_as_it_was() {
    let spmc = chain();
    normal(&spmc, &[0xc400_006f, FIRST]);
    go(&spmc, 0, VcpuState::Running, VcpuState::Preempted);
    assert_eq!(normal(&spmc, &[0xc400_006f, FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Untouched));
    assert_eq!(call_as(&spmc, at(0), &[0xc400_0070, FIRST << 16]).0, PartitionNext::Response(0xc400_0070));
}

#[test]
fn only_whoever_gave_the_core_lets_a_vcpu_go_on() {
    let spmc = chain();
    // The normal world calls the first, which calls the second, which yields to the first.
    normal(&spmc, &[0xc400_006f, FIRST]);
    let (next, _) = call_as(&spmc, at(0), &[0xc400_006f, FIRST << 16 | SECOND]);
    assert_eq!(next, PartitionNext::Request(at(1), 0xc400_006f));
    go(&spmc, 0, VcpuState::Running, VcpuState::Blocked);
    assert_eq!(call_as(&spmc, at(1), &[YIELD]).0, PartitionNext::Yield);
    go(&spmc, 1, VcpuState::Running, VcpuState::Yielded);
    go(&spmc, 0, VcpuState::Blocked, VcpuState::Running);
    let target = [RUN, SECOND << 16];
    assert_eq!(normal(&spmc, &target), (NormalNext::Answer, DENIED), "the normal world did not call it");
    assert_eq!(normal(&spmc, &[RUN, 0x8003_0000]).0, NormalNext::Run(at(2), Resume::Run));
    assert_eq!(call_as(&spmc, at(2), &target).1[2], DENIED, "nor did the third");
    assert_eq!(spmc.partitions()[1].vcpu(0).unwrap().state(), VcpuState::Yielded, "it is left as it was");
    assert_eq!(call_as(&spmc, at(0), &target).0, PartitionNext::Run(at(1), Resume::Run));
    let (next, _) = call_as(&spmc, at(1), &[0xc400_0070, SECOND << 16 | FIRST]);
    assert_eq!(next, PartitionNext::Response(0xc400_0070));
}

#[test]
fn a_partition_begins_nothing_by_run() {
    let spmc = chain();
    normal(&spmc, &[RUN, RUN_FIRST]);
    assert_eq!(call_as(&spmc, at(0), &[RUN, SECOND << 16]).1[2], DENIED);
}

#[test]
fn what_starts_can_neither_yield_nor_run() {
    let spmc = chain();
    spmc.partitions()[0].vcpu(0).unwrap().set_work(Work::Start);
    assert_eq!(call_as(&spmc, at(0), &[YIELD]).1[2], DENIED);
    assert_eq!(call_as(&spmc, at(0), &[RUN, SECOND << 16]).1[2], DENIED);
    let (next, _) = call_as(&spmc, at(0), &[0xc400_006f, FIRST << 16 | SECOND]);
    assert_eq!(next, PartitionNext::Request(at(1), 0xc400_006f));
    assert_eq!(call_as(&spmc, at(1), &[YIELD]).1[2], DENIED, "it runs on the cycles of the start");
}

#[test]
fn a_partition_waits_logs_and_fails() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b]).0, PartitionNext::Wait);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b, 0, 2]).1[2], INVALID_PARAMETERS);
    let mut message = registers(&[0x8400_008a, 3, 0x0a_6968]);
    let next = spmc.from_partition(AT_FIRST, &mut message, core(0), &hardware);
    assert_eq!((next, message[0]), (PartitionNext::Answer, OK));
    assert_eq!(*hardware.logged.lock().unwrap(), [(0x8001, b"hi".to_vec())]);
    call(&spmc, &[0x8400_0064, 0]);
    let mut request = registers(&[0xc400_006f, FIRST]);
    spmc.from_normal_world(&mut request, core(0), &hardware);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b]).1[2], DENIED, "it has a request to answer");
    assert_eq!(call_as(&spmc, AT_FIRST, &[ERROR, 0, ABORTED]).0, PartitionNext::Failed(None));
}
