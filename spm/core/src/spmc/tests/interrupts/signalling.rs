// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A physical interrupt of a partition's: whose it is, who runs for it and where, and that none is lost between cores.

use super::*;

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

/// Cores pend, others run the vCPU and wait again: each interrupt that was pended is taken, whatever the order.
#[test]
fn none_is_lost_between_cores() {
    let spmc = spmc();
    enable(&spmc, AT_FIRST, 40);
    let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    std::thread::scope(|scope| {
        for index in 0..3 {
            let spmc = &spmc;
            scope.spawn(move || {
                let hardware = FakeHardware::default();
                for _ in 0..ROUNDS {
                    spmc.take_interrupt(40, core(index), &hardware);
                    look(spmc, index);
                    // A core that is kicked looks, too; here all do at the end of a round.
                }
            });
        }
    });
    assert!(!vcpu.interrupts.wakes(), "nobody looks any more, and something is pending");
    assert_eq!(vcpu.state(), VcpuState::Waiting);
}
