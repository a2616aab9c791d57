// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is left of a partition that aborts, and when: not before the last core has left it.

use super::*;
use crate::abort::End;
use crate::hardware::InterruptAction;
use crate::interrupts::hypercall::{INTERRUPT_ENABLE, INTERRUPT_RECONFIGURE, reconfigure};
use crate::mailbox::MailboxOwner;

const RETRY: u64 = 0xffff_fff9;
const SECONDS: [VcpuRef; 2] = [VcpuRef { partition: 1, vcpu: 0 }, VcpuRef { partition: 1, vcpu: 3 }];

/// The second partition runs on cores 0 and 3.
fn on_two_cores() -> (Spmc, FakeHardware) {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for at in SECONDS {
        let mut message = registers(&[0x8400_006f, SECOND]);
        let next = spmc.from_normal_world(&mut message, core(at.vcpu as u64), &hardware);
        assert_eq!(next, NormalNext::Request(at, 0x8400_006f));
    }
    (spmc, hardware)
}

fn done(hardware: &FakeHardware) -> std::vec::Vec<InterruptAction> {
    std::mem::take(&mut *hardware.interrupts.lock().unwrap())
}

fn give_up(spmc: &Spmc, at: VcpuRef) {
    spmc.partitions()[at.partition].vcpu(at.vcpu).unwrap().give_up();
}

#[test]
fn other_cores_are_made_to_leave_it() {
    let (spmc, hardware) = on_two_cores();
    assert_eq!(spmc.abort(SECONDS[0], &hardware), Some(AbortAction::Stop));
    assert_eq!(done(&hardware), [InterruptAction::Kick(3)], "not cores where a vCPU waits");
    assert_eq!(spmc.abort(SECONDS[1], &hardware), None, "it has aborted already");
    assert_eq!(done(&hardware), []);
    assert_eq!(call(&spmc, &[0x8400_006f, SECOND])[..3], [ERROR, 0, ABORTED]);
}

#[test]
fn the_last_core_that_leaves_it_cleans_up() {
    let (spmc, hardware) = on_two_cores();
    let off = [InterruptAction::Enable(50, false), InterruptAction::Enable(51, false)];
    for last in [1, 0] {
        let (spmc, hardware) = on_two_cores();
        assert_eq!(spmc.abort(SECONDS[0], &hardware), Some(AbortAction::Stop));
        done(&hardware);
        give_up(&spmc, SECONDS[1 - last]);
        assert_eq!(spmc.end(1, core(0), &hardware), None, "a core has it still");
        assert_eq!(done(&hardware), []);
        give_up(&spmc, SECONDS[last]);
        assert_eq!(spmc.end(1, core(0), &hardware), Some(End::Stopped));
        assert_eq!(done(&hardware), off);
        assert_eq!(spmc.end(1, core(0), &hardware), None, "once is enough");
    }
    assert_eq!(spmc.end(1, core(0), &hardware), None, "it did not fail");
}

#[test]
fn a_call_behind_the_abort_is_not_served() {
    let (spmc, hardware) = on_two_cores();
    let at = SECONDS[1];
    assert_eq!(spmc.abort(SECONDS[0], &hardware), Some(AbortAction::Stop));
    done(&hardware);
    for values in [
        [u64::from(INTERRUPT_ENABLE), 50, 1, 0],
        [u64::from(INTERRUPT_RECONFIGURE), 50, reconfigure::ENABLE, 1],
    ] {
        let mut message = registers(&values);
        assert!(spmc.hypercall(at, &mut message, core(3), &hardware));
        assert_eq!(message, registers(&values), "no answer");
    }
    // FFA_RXTX_MAP, in its own memory.
    let map = [0xc400_0066, 0x0e60_0000, 0x0e60_1000, 1];
    assert_eq!(call_as(&spmc, at, &map), (PartitionNext::Answer, registers(&map)));
    assert!(hardware.mapped.lock().unwrap().is_empty());
    assert_eq!(done(&hardware), []);
    assert!(!spmc.partitions()[1].vcpu(3).unwrap().interrupts.any_enabled());
}

#[test]
fn its_buffers_are_unmapped() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let mut message = registers(&[0xc400_0066, 0x0e50_0000, 0x0e50_1000, 1]);
    assert_eq!(spmc.from_partition(AT_FIRST, &mut message, core(0), &hardware), PartitionNext::Answer);
    assert_eq!(message[0], OK);
    assert_eq!(hardware.mapped.lock().unwrap()[0].0, MailboxOwner::Partition(0));
    fail(&spmc, AT_FIRST, &hardware);
    assert!(hardware.mapped.lock().unwrap().is_empty());
}

/// Whoever is in the middle of trying a vCPU, and finds that it may not have it, gives it up.
#[test]
fn a_refused_run_leaves_nothing_held() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
    vcpu.transition(VcpuState::Waiting, VcpuState::Running).unwrap();
    assert!(spmc.abort(AT_FIRST, &hardware).is_some());
    assert_eq!(vcpu.state(), VcpuState::Aborted);
    assert_eq!(call(&spmc, &[0x8400_006d, FIRST << 16])[..3], [ERROR, 0, ABORTED]);
    assert_eq!(spmc.end(0, core(0), &hardware), None);
    vcpu.give_up();
    assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Stopped));
}

/// FF-A 1.3 §7.2.1: R0066, R0067.
#[test]
fn a_destroyed_partition_is_as_if_it_had_never_been() {
    let (spmc, hardware) = (spmc_that(AbortAction::Destroy), FakeHardware::default());
    let registers_of = |index_and_tag| call_registers(&spmc, &[0xc400_008b, 0, 0, index_and_tag]);
    let before = registers_of(0);
    assert_eq!((before[2] & 0xffff, before[3] & 0xffff), (1, FIRST));
    assert_eq!(call(&spmc, &[0x8400_007d, 0, 1])[0], OK);
    assert_eq!(spmc.abort(AT_FIRST, &hardware), Some(AbortAction::Destroy));
    assert_eq!(call(&spmc, &[0xc400_006f, FIRST])[2], ABORTED, "not yet");
    assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Destroyed));
    for request in [
        [0xc400_006f, FIRST, 0, 0],
        [0x8400_006f, FIRST, 0, 0],
        [0xc400_008d, FIRST, 0, 0],
        // FFA_RUN, FFA_NOTIFICATION_BIND, FFA_NOTIFICATION_SET.
        [0x8400_006d, FIRST << 16, 0, 0],
        [0x8400_007f, FIRST << 16, 0, 1],
        [0x8400_0081, FIRST, 0, 1],
    ] {
        assert_eq!(call(&spmc, &request)[..3], [ERROR, 0, INVALID_PARAMETERS], "{request:x?}");
    }
    let second = VcpuRef { partition: 1, vcpu: 0 };
    let (_, answer) = call_as(&spmc, second, &[0xc400_006f, SECOND << 16 | FIRST]);
    assert_eq!(answer[..3], [ERROR, 0, INVALID_PARAMETERS]);
    // One is listed; the list's tag has changed.
    let count_only = [0x8400_0068, 0, 0, 0, 0, 1];
    assert_eq!(call(&spmc, &count_only)[..3], [OK, 0, 1]);
    let after = registers_of(0);
    assert_eq!((after[2] & 0xffff, after[3] & 0xffff), (0, SECOND));
    assert_ne!((before[2] ^ after[2]) >> 32 & 0xffff, 0);
    assert_eq!(registers_of(1)[..3], [ERROR, 0, RETRY]);
}

#[test]
fn who_fails_with_a_partition_is_told_so() {
    let (spmc, hardware) = (spmc_that(AbortAction::Propagate), FakeHardware::default());
    assert_eq!(spmc.abort(AT_FIRST, &hardware), Some(AbortAction::Propagate));
    assert_eq!(spmc.abort(AT_FIRST, &hardware), None);
}

/// FF-A 1.3 §13.14. Whose manifest has no life cycle has FFA_ERROR.
#[test]
fn ffa_abort_is_for_partitions_with_a_life_cycle() {
    for (spmc, may) in [(spmc_that(AbortAction::Stop), true), (spmc(), false)] {
        for (function, value) in [(0x8400_0090, 0x5678), (0xc400_0090, 0x1234_0000_5678)] {
            let (next, answer) = call_as(&spmc, AT_FIRST, &[function, 0, 0x1234_0000_5678]);
            let features = call_as(&spmc, AT_FIRST, &[0x8400_0064, function]).1;
            if may {
                assert_eq!(next, PartitionNext::Failed(Some(value)));
                assert_eq!(features[..3], [OK, 0, 0]);
            } else {
                assert_eq!((next, answer[2]), (PartitionNext::Answer, NOT_SUPPORTED));
                assert_eq!(features[..3], [ERROR, 0, NOT_SUPPORTED]);
            }
            assert_eq!(call(&spmc, &[function])[..3], [ERROR, 0, NOT_SUPPORTED]);
            assert_eq!(call(&spmc, &[0x8400_0064, function])[..3], [ERROR, 0, NOT_SUPPORTED]);
        }
    }
}

fn call_registers(spmc: &Spmc, values: &[u64]) -> MessageRegisters {
    let mut message = registers(values);
    assert_eq!(spmc.from_normal_world(&mut message, core(0), &FakeHardware::default()), NormalNext::Answer);
    message
}
