// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is left of a partition that aborts, and when: not before the last core has left it.

use super::*;
use crate::hardware::InterruptAction;
use crate::interrupts::hypercall::{INTERRUPT_ENABLE, INTERRUPT_RECONFIGURE, reconfigure};
use crate::mailbox::MailboxOwner;

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
    assert!(spmc.abort(SECONDS[0], &hardware));
    assert_eq!(done(&hardware), [InterruptAction::Kick(3)], "not cores where a vCPU waits");
    assert!(!spmc.abort(SECONDS[1], &hardware), "it has aborted already");
    assert_eq!(done(&hardware), []);
    assert_eq!(call(&spmc, &[0x8400_006f, SECOND])[..3], [ERROR, 0, ABORTED]);
}

#[test]
fn the_last_core_that_leaves_it_cleans_up() {
    let (spmc, hardware) = on_two_cores();
    let off = [InterruptAction::Enable(50, false), InterruptAction::Enable(51, false)];
    for last in [1, 0] {
        let (spmc, hardware) = on_two_cores();
        assert!(spmc.abort(SECONDS[0], &hardware));
        done(&hardware);
        give_up(&spmc, SECONDS[1 - last]);
        assert!(!spmc.end(1, &hardware), "a core has it still");
        assert_eq!(done(&hardware), []);
        give_up(&spmc, SECONDS[last]);
        assert!(spmc.end(1, &hardware));
        assert_eq!(done(&hardware), off);
        assert!(!spmc.end(1, &hardware), "once is enough");
    }
    assert!(!spmc.end(1, &hardware), "it did not fail");
}

#[test]
fn a_call_behind_the_abort_is_not_served() {
    let (spmc, hardware) = on_two_cores();
    let at = SECONDS[1];
    assert!(spmc.abort(SECONDS[0], &hardware));
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
    assert!(spmc.abort(AT_FIRST, &hardware));
    assert_eq!(vcpu.state(), VcpuState::Aborted);
    assert_eq!(call(&spmc, &[0x8400_006d, FIRST << 16])[..3], [ERROR, 0, ABORTED]);
    assert!(!spmc.end(0, &hardware));
    vcpu.give_up();
    assert!(spmc.end(0, &hardware));
}
