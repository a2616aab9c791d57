// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that starts again: as new, once nobody has anything of it, and not without end.

use super::*;
use crate::abort::{End, Loss};
use crate::hardware::InterruptAction;
use crate::interrupts::InterruptLine;
use crate::interrupts::virtual_timer::TimerRegister;
use crate::life::MAX_RESTARTS;
use crate::restart::Start;

const SEND: u64 = 0xc400_006f;

fn restarting() -> (Spmc, FakeHardware) {
    (spmc_that(AbortAction::Restart), FakeHardware::default())
}

fn first(spmc: &Spmc) -> &Partition {
    &spmc.partitions()[0]
}

/// A vCPU that starts comes to its first FFA_MSG_WAIT.
fn wait_for_messages(spmc: &Spmc, at: VcpuRef, hardware: &FakeHardware) {
    let vcpu = spmc.partitions()[at.partition].vcpu(at.vcpu).unwrap();
    assert_eq!((vcpu.state(), vcpu.work()), (VcpuState::Running, Work::Start));
    spmc.started(at, hardware);
    vcpu.set_work(Work::Nothing);
    vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
}

#[test]
fn it_starts_on_the_core_that_has_ended_it_and_serves_again() {
    let (spmc, hardware) = restarting();
    assert_eq!(spmc.abort(AT_FIRST, &hardware), Some(AbortAction::Restart));
    assert_eq!(call(&spmc, &[SEND, FIRST])[2], ABORTED);
    assert_eq!(spmc.claim_for_start(core(3)), None, "not yet");
    assert_eq!(spmc.end(0, core(3), &hardware), Some(End::Restarts(1)));
    assert_eq!(*hardware.renewed.lock().unwrap(), [(0, 3)]);
    assert!(!first(&spmc).is_stopped());
    // Until it serves, callers are told to come again.
    let busy = || assert_eq!(call(&spmc, &[SEND, FIRST])[2], BUSY);
    busy();
    assert_eq!(call(&spmc, &[0x8400_006d, FIRST << 16])[2], BUSY);
    assert_eq!(spmc.claim_for_start(core(3)), Some(Start { at: AT_FIRST, entry: None }));
    busy();
    assert_eq!(spmc.claim_for_start(core(3)), None);
    wait_for_messages(&spmc, AT_FIRST, &hardware);
    let mut message = registers(&[SEND, FIRST]);
    let next = spmc.from_normal_world(&mut message, core(0), &hardware);
    assert_eq!(next, NormalNext::Request(AT_FIRST, 0xc400_006f));
}

#[test]
fn the_other_cores_start_theirs_when_the_first_one_waits() {
    let (spmc, hardware) = restarting();
    let on = |vcpu| VcpuRef { partition: 1, vcpu };
    fail(&spmc, on(2), &hardware);
    assert_eq!(spmc.claim_for_start(core(5)), None, "the first one has not started");
    assert_eq!(spmc.claim_for_start(core(2)), Some(Start { at: on(2), entry: None }));
    spmc.partitions()[1].set_secondary_entry(0x0e60_8000);
    hardware.interrupts.lock().unwrap().clear();
    wait_for_messages(&spmc, on(2), &hardware);
    let kicks: std::vec::Vec<_> = (0..8).filter(|&core| core != 2).map(InterruptAction::Kick).collect();
    assert_eq!(*hardware.interrupts.lock().unwrap(), kicks);
    assert_eq!(spmc.claim_for_start(core(5)), Some(Start { at: on(5), entry: Some(0x0e60_8000) }));
    wait_for_messages(&spmc, on(5), &hardware);
    assert_eq!(hardware.interrupts.lock().unwrap().len(), kicks.len(), "once is enough");
}

#[test]
fn nothing_is_left_of_its_last_life() {
    let (spmc, hardware) = restarting();
    let (id, vcpu) = (FIRST, first(&spmc).vcpu(0).unwrap());
    // It speaks FF-A 1.0, has buffers, a timer, an interrupt, and notifications.
    first(&spmc).version.reset(Version(1, 0));
    let (_, answer) = call_as(&spmc, AT_FIRST, &[0x8400_0063, 0x1_0001]);
    assert_eq!(answer[0], 0x1_0002);
    let mut map = registers(&[0xc400_0066, 0x0e50_0000, 0x0e50_1000, 1]);
    spmc.from_partition(AT_FIRST, &mut map, core(0), &hardware);
    assert_eq!((map[0], first(&spmc).version.agreed()), (OK, Version(1, 1)));
    first(&spmc).set_secondary_entry(0x0e50_8000);
    spmc.write_timer(AT_FIRST, TimerRegister::CompareValue, 100, 0);
    spmc.write_timer(AT_FIRST, TimerRegister::Control, 1, 0);
    vcpu.interrupts.enable(InterruptLine::TIMER, true, false);
    vcpu.interrupts.pend(InterruptLine::TIMER);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_007f, id, 0, 1]).1[0], OK);
    assert_eq!(call(&spmc, &[0x8400_0081, id, 0, 1])[0], OK);

    fail(&spmc, AT_FIRST, &hardware);
    assert!(hardware.mapped.lock().unwrap().is_empty());
    assert!(spmc.claim_for_start(core(0)).is_some());
    assert_eq!(first(&spmc).version.agreed(), Version(1, 2));
    assert_eq!(first(&spmc).secondary_entry(), first(&spmc).entry());
    assert_eq!(spmc.run_timers(core(0), 1000, &hardware), None);
    assert!(!vcpu.interrupts.any_left() && !vcpu.interrupts.any_enabled());
    assert_eq!(vcpu.timer.read(TimerRegister::CompareValue, 0), 0);
    assert_eq!(call(&spmc, &[0x8400_0081, id, 0, 1])[2], DENIED, "nothing is bound");
    let (_, answer) = call_as(&spmc, AT_FIRST, &[0x8400_0063, 0x1_0000]);
    assert_eq!((answer[0], first(&spmc).version.agreed()), (0x1_0002, Version(1, 0)));
}

#[test]
fn what_is_on_from_the_start_is_on_again() {
    let edit = |manifest: &mut PartitionManifest| {
        manifest.abort_action = AbortAction::Restart;
        manifest.interrupt_actions.non_secure = NsInterruptsAction::ManagedExit;
    };
    let service = Service { uuid: Uuid::from_u128(1), messaging: ALL };
    let mut partitions = Partitions::new();
    partitions.push(partition_edited(0x8001, &[service], 1, edit)).unwrap();
    assert!(partitions[0].life().start_is_over());
    let (spmc, hardware) =
        (Spmc::new(0x8000, partitions, normal_memory(), memory()), FakeHardware::default());
    fail(&spmc, AT_FIRST, &hardware);
    let interrupts = &first(&spmc).vcpu(0).unwrap().interrupts;
    interrupts.pend(InterruptLine::MANAGED_EXIT);
    assert!(interrupts.signals().fiq);
}

#[test]
fn one_that_fails_while_it_starts_is_not_started_again() {
    let (spmc, hardware) = restarting();
    fail(&spmc, AT_FIRST, &hardware);
    assert!(spmc.claim_for_start(core(0)).is_some());
    assert_eq!(spmc.abort(AT_FIRST, &hardware), Some(AbortAction::Restart));
    first(&spmc).vcpu(0).unwrap().give_up();
    assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Lost(Loss::Start)));
    assert_eq!(call(&spmc, &[SEND, FIRST])[2], ABORTED);
    assert_eq!((spmc.claim_for_start(core(0)), spmc.end(0, core(0), &hardware)), (None, None));
}

#[test]
fn nor_one_that_has_failed_too_often() {
    let (spmc, hardware) = restarting();
    for life in 1..=MAX_RESTARTS {
        assert!(spmc.abort(AT_FIRST, &hardware).is_some());
        assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Restarts(life)));
        assert!(spmc.claim_for_start(core(0)).is_some());
        wait_for_messages(&spmc, AT_FIRST, &hardware);
    }
    assert!(spmc.abort(AT_FIRST, &hardware).is_some());
    assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Lost(Loss::TooOften)));
}

#[test]
fn nor_one_that_cannot_be_made_new() {
    let (spmc, hardware) = restarting();
    hardware.full.store(true, core::sync::atomic::Ordering::Relaxed);
    assert!(spmc.abort(AT_FIRST, &hardware).is_some());
    assert_eq!(spmc.end(0, core(0), &hardware), Some(End::Lost(Loss::Image)));
}

#[test]
fn its_notifications_can_be_bound_again() {
    let (spmc, hardware) = restarting();
    fail(&spmc, AT_FIRST, &hardware);
    assert!(spmc.claim_for_start(core(0)).is_some());
    wait_for_messages(&spmc, AT_FIRST, &hardware);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_007f, FIRST, 0, 1]).1[0], OK);
    assert_eq!(call(&spmc, &[0x8400_0081, FIRST, 0, 1])[0], OK);
}
