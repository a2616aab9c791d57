// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose interrupts are, how partitions take them, and that none is lost between cores.

#[cfg(feature = "interleavings")]
mod interleavings;

use super::*;
use crate::hardware::InterruptAction;
use crate::interrupts::hypercall::{
    INTERRUPT_DEACTIVATE, INTERRUPT_ENABLE, INTERRUPT_GET, INTERRUPT_RECONFIGURE, INTERRUPT_SEND_IPI, NONE,
    finish_all, reconfigure,
};
use crate::interrupts::routing::{Owner, Rounds};
use crate::interrupts::{InterruptLine, Signals};
use crate::manifest::interrupt::{DeviceInterrupt, MAX_INTERRUPTS, Trigger};

/// Partition 0x8001 has INTIDs 40 and 41, 0x8002 has 50 and 51, and so on.
pub(super) fn list(id: u16) -> Vec<DeviceInterrupt, MAX_INTERRUPTS> {
    let first = 30 + 10 * u32::from(id & 0xf);
    let interrupt = |intid| DeviceInterrupt { intid, priority: 0, trigger: Trigger::Level, target: None };
    Vec::from_slice(&[interrupt(first), interrupt(first + 1)]).unwrap()
}

const FAILED: u64 = u64::MAX;

fn hypercall(spmc: &Spmc, from: VcpuRef, hardware: &FakeHardware, values: &[u64]) -> u64 {
    let mut message = registers(values);
    let before = message;
    assert!(spmc.hypercall(from, &mut message, core(0), hardware));
    assert_eq!(message[1..], before[1..], "only x0 changes");
    message[0]
}

fn enable(spmc: &Spmc, from: VcpuRef, intid: u64) {
    let hardware = FakeHardware::default();
    assert_eq!(hypercall(spmc, from, &hardware, &[u64::from(INTERRUPT_ENABLE), intid, 1, 0]), 0);
}

fn done(hardware: &FakeHardware) -> std::vec::Vec<InterruptAction> {
    std::mem::take(&mut *hardware.interrupts.lock().unwrap())
}

const GET: [u64; 1] = [INTERRUPT_GET as u64];

#[test]
fn a_waiting_partition_runs_for_its_interrupt_once() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    enable(&spmc, AT_FIRST, 41);
    assert_eq!(spmc.take_interrupt(41, core(2), &hardware), Owner::Vcpu(AT_FIRST));
    let mut seen = 0;
    let (vcpu, line) = spmc.claim_for_interrupt(core(2), &mut seen).unwrap();
    assert_eq!((vcpu, spmc.partitions()[0].intid(line)), (AT_FIRST, 41));
    assert_eq!(spmc.partitions()[0].vcpu(0).unwrap().work(), Work::Interrupt);
    assert_eq!(spmc.claim_for_interrupt(core(2), &mut seen), None);
    assert_eq!(call(&spmc, &[0xc400_006f, FIRST])[2], BUSY);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &GET), 41);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &GET), NONE);
    assert_eq!(
        done(&hardware),
        [InterruptAction::Deactivate(41)],
        "whoever asks for the next has done with it"
    );
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006c]).1[2], DENIED, "FFA_YIELD on cycles of spm");
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b]).0, PartitionNext::Wait);
}

#[test]
fn an_interrupt_that_is_not_enabled_stays_pending() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    assert_eq!(spmc.take_interrupt(40, core(0), &hardware), Owner::Vcpu(AT_FIRST));
    assert_eq!(spmc.claim_for_interrupt(core(0), &mut 0), None);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &GET), NONE);
    enable(&spmc, AT_FIRST, 40);
    assert!(spmc.claim_for_interrupt(core(0), &mut 0).is_some());
}

#[test]
fn a_partition_that_takes_none_is_asked_once_and_keeps_no_core() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    enable(&spmc, AT_FIRST, 40);
    spmc.take_interrupt(40, core(0), &hardware);
    let mut seen = 0;
    assert!(spmc.claim_for_interrupt(core(0), &mut seen).is_some());
    finish(&spmc, AT_FIRST);
    assert_eq!(spmc.claim_for_interrupt(core(0), &mut seen), None, "not again in this round");
    assert!(spmc.claim_for_interrupt(core(0), &mut 0).is_some());
}

#[test]
fn nobodys_interrupts_are_nobodys() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for intid in [0, 3, 5, 9, 16, 39, 42, 1023, u32::MAX] {
        assert_eq!(spmc.take_interrupt(intid, core(0), &hardware), Owner::Nobody, "{intid}");
    }
    assert!(spmc.abort(AT_FIRST, &hardware).is_some());
    assert_eq!(spmc.take_interrupt(40, core(0), &hardware), Owner::Nobody, "of a stopped partition");
}

#[test]
fn each_core_has_the_interrupt_for_its_own_vcpu() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for index in 0..8 {
        let vcpu = VcpuRef { partition: 1, vcpu: index };
        assert_eq!(spmc.take_interrupt(50, core(index as u64), &hardware), Owner::Vcpu(vcpu));
        enable(&spmc, vcpu, 50);
        assert_eq!(spmc.claim_for_interrupt(core(index as u64), &mut 0).unwrap().0, vcpu);
    }
    assert_eq!(done(&hardware), []);
}

#[test]
fn a_vcpu_that_runs_on_another_core_is_told_there() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
    let mut request = registers(&[0xc400_006f, FIRST]);
    spmc.from_normal_world(&mut request, core(3), &hardware);
    vcpu.set_core(core(3));
    enable(&spmc, AT_FIRST, 40);
    spmc.take_interrupt(40, core(1), &hardware);
    assert_eq!(done(&hardware), [InterruptAction::Kick(3)]);
    assert_eq!(vcpu.interrupts.signals(), Signals { irq: true, fiq: false });
    spmc.take_interrupt(40, core(3), &hardware);
    assert_eq!(done(&hardware), [], "its own core sees it anyway");
    for state in [VcpuState::Blocked, VcpuState::Yielded, VcpuState::Preempted] {
        vcpu.transition(vcpu.state(), state).unwrap();
        spmc.take_interrupt(40, core(1), &hardware);
        assert_eq!(
            spmc.claim_for_interrupt(core(1), &mut 0),
            None,
            "{state:?}: it waits until the vCPU goes on"
        );
        assert_eq!(done(&hardware), []);
    }
}

#[test]
fn another_core_is_interrupted_for_a_waiting_vcpu_if_that_runs_for_it() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let at = VcpuRef { partition: 1, vcpu: 5 };
    for (line, enabled, kicks) in
        [(InterruptLine::IPI, true, 0), (InterruptLine::TIMER, false, 0), (InterruptLine::TIMER, true, 1)]
    {
        spmc.partitions()[1].vcpu(5).unwrap().interrupts.enable(line, enabled, false);
        spmc.pend(at, line, core(0), &hardware);
        assert_eq!(done(&hardware), [InterruptAction::Kick(5)][..kicks], "{line:?}");
        spmc.pend(at, line, core(5), &hardware);
        assert_eq!(done(&hardware), [], "its own core looks anyway");
    }
}

#[test]
fn who_takes_one_interrupt_whenever_it_runs_gets_all_before_the_normal_world_goes_on() {
    for most in [1, 7, 48] {
        let spmc = spmc();
        let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
        for line in (0..most).filter_map(InterruptLine::device) {
            vcpu.interrupts.enable(line, true, false);
            vcpu.interrupts.pend(line);
        }
        let (mut rounds, mut taken) = (Rounds::default(), 0);
        while let Some((at, line)) = spmc.claim_next(core(0), &mut rounds) {
            assert_eq!(at, AT_FIRST);
            vcpu.interrupts.accept(line);
            taken += 1;
            finish(&spmc, AT_FIRST);
            rounds.note(vcpu.interrupts.wakes());
        }
        assert_eq!(taken, most);
        assert!(!vcpu.interrupts.wakes());
    }
}

#[test]
fn who_takes_none_is_not_asked_for_ever() {
    let spmc = spmc();
    enable(&spmc, AT_FIRST, 40);
    spmc.take_interrupt(40, core(0), &FakeHardware::default());
    let (mut rounds, mut asked) = (Rounds::default(), 0);
    while spmc.claim_next(core(0), &mut rounds).is_some() {
        asked += 1;
        finish(&spmc, AT_FIRST);
        rounds.note(true);
    }
    assert_eq!(asked, InterruptLine::COUNT + 1);
}

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

#[test]
fn what_a_partition_may_do_to_its_interrupts_and_not_to_others() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let change = u64::from(INTERRUPT_RECONFIGURE);
    for (arguments, action) in [
        ([40, reconfigure::ENABLE, 0], InterruptAction::Enable(40, false)),
        ([41, reconfigure::ENABLE, 1], InterruptAction::Enable(41, true)),
        ([40, reconfigure::SECURITY, 0], InterruptAction::Secure(40, false)),
        ([40, reconfigure::TARGET, 7], InterruptAction::Route(40, 7)),
    ] {
        let [intid, what, value] = arguments;
        assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &[change, intid, what, value]), 0);
        assert_eq!(done(&hardware), [action]);
    }
    let enable = u64::from(INTERRUPT_ENABLE);
    let end = u64::from(INTERRUPT_DEACTIVATE);
    for refused in [
        [change, 50, reconfigure::ENABLE, 0],
        [change, 5, reconfigure::ENABLE, 0],
        [change, 40, reconfigure::ENABLE, 2],
        [change, 40, 3, 0],
        [change, 40, reconfigure::TARGET, 8],
        [change, 1 << 32 | 40, reconfigure::ENABLE, 0],
        [enable, 50, 1, 0],
        [enable, 6, 1, 0],
        [enable, 40, 1, 2],
        [end, 40, 40, 0],
        [end, 50, 50, 0],
    ] {
        assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &refused), FAILED, "{refused:x?}");
    }
    assert_eq!(done(&hardware), []);
    let mut other = registers(&[0xff05]);
    assert!(!spmc.hypercall(AT_FIRST, &mut other, core(0), &hardware));
}

#[test]
fn an_interrupt_is_ended_by_its_own_call_too() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    enable(&spmc, AT_FIRST, 40);
    spmc.take_interrupt(40, core(0), &hardware);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &GET), 40);
    let end = u64::from(INTERRUPT_DEACTIVATE);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &[end, 40, 41]), FAILED);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &[end, 40, 40]), 0);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &[end, 40, 40]), FAILED);
    assert_eq!(done(&hardware), [InterruptAction::Deactivate(40)]);
}

#[test]
fn a_partition_that_aborts_leaves_no_interrupt_behind() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    enable(&spmc, AT_FIRST, 40);
    enable(&spmc, AT_FIRST, 41);
    spmc.take_interrupt(40, core(0), &hardware);
    assert_eq!(hypercall(&spmc, AT_FIRST, &hardware, &GET), 40);
    spmc.take_interrupt(41, core(0), &hardware);
    fail(&spmc, AT_FIRST, &hardware);
    let expected = [
        InterruptAction::Enable(40, false),
        InterruptAction::Enable(41, false),
        InterruptAction::Deactivate(40),
        InterruptAction::Deactivate(41),
    ];
    assert_eq!(done(&hardware), expected);
    assert_eq!(spmc.claim_for_interrupt(core(0), &mut 0), None);
}

/// Cores pend, others run the vCPU and wait again: each interrupt that was pended is taken, whatever the order.
#[test]
fn none_is_lost_between_cores() {
    let spmc = spmc();
    enable(&spmc, AT_FIRST, 40);
    let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    // Runs the vCPU for what is pending, as a core does that has reason to look.
    let look = |index| {
        let mut seen = 0;
        while spmc.claim_for_interrupt(core(index), &mut seen).is_some() {
            vcpu.set_core(core(index));
            while vcpu.interrupts.signals().irq {
                assert!(vcpu.interrupts.take().is_some());
            }
            vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
            if vcpu.interrupts.wakes() {
                seen = 0;
            }
        }
    };
    std::thread::scope(|scope| {
        for index in 0..3 {
            let (spmc, look) = (&spmc, &look);
            scope.spawn(move || {
                let hardware = FakeHardware::default();
                for _ in 0..ROUNDS {
                    spmc.take_interrupt(40, core(index), &hardware);
                    look(index);
                    // A core that is kicked looks, too; here all do at the end of a round.
                }
            });
        }
    });
    assert!(!vcpu.interrupts.wakes(), "nobody looks any more, and something is pending");
    assert_eq!(vcpu.state(), VcpuState::Waiting);
}

#[test]
fn at_s_el0_devices_are_on_from_the_start_and_taken_by_being_told() {
    let service = Service { uuid: Uuid::from_u128(UUID_1), messaging: ALL };
    let application = partition_edited(0x8001, &[service], 1, |manifest| {
        manifest.exception_level = ExceptionLevel::SEl0;
    });
    let vcpu = application.vcpu(0).unwrap();
    let lines: std::vec::Vec<_> = (0..2).filter_map(InterruptLine::device).collect();
    vcpu.interrupts.pend(InterruptLine::NOTIFICATION);
    vcpu.interrupts.pend(InterruptLine::TIMER);
    assert!(!vcpu.interrupts.wakes(), "nothing of spm's own comes");
    for line in &lines {
        vcpu.interrupts.pend(*line);
    }
    for line in lines {
        assert_eq!(vcpu.interrupts.first_waking(), Some(line));
        vcpu.interrupts.accept(line);
    }
    assert!(!vcpu.interrupts.wakes());
    let hardware = FakeHardware::default();
    finish_all(&application, &vcpu.interrupts, &hardware);
    assert_eq!(done(&hardware), [InterruptAction::Deactivate(40), InterruptAction::Deactivate(41)]);
}
