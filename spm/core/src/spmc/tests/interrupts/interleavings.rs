// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores at once, in many orders ([`crate::interleavings`]).

use std::sync::Arc;

use super::*;
use crate::interleavings::{both, in_many_orders};
use crate::interrupts::VirtualTimer;
use crate::interrupts::virtual_timer::TimerRegister;

/// Takes an interrupt, and runs the vCPU for what is pending, if no other core does.
fn take_and_look(spmc: &Spmc, index: u64) {
    spmc.take_interrupt(40, core(index), &FakeHardware::default());
    look(spmc, index);
}

#[test]
fn no_interrupt_is_left_that_nobody_looks_at() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        enable(&spmc, AT_FIRST, 40);
        let (one, other) = (Arc::clone(&spmc), Arc::clone(&spmc));
        both(move || take_and_look(&one, 0), move || take_and_look(&other, 1));
        let vcpu = spmc.partitions()[0].vcpu(0).unwrap();
        assert!(!vcpu.interrupts.wakes());
        assert_eq!(vcpu.state(), VcpuState::Waiting);
    });
}

#[test]
fn a_direct_request_of_two_cores_reaches_its_vcpu_once() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        let request = |index| {
            let spmc = Arc::clone(&spmc);
            move || {
                let mut message = registers(&[0xc400_006f, FIRST]);
                let next = spmc.from_normal_world(&mut message, core(index), &FakeHardware::default());
                matches!(next, NormalNext::Request(..))
            }
        };
        let (one, other) = both(request(0), request(1));
        assert!(one != other);
    });
}

#[test]
fn a_timer_that_is_set_anew_is_told_of_whoever_tells_of_the_old_one() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        let timer = |spmc: &Arc<Spmc>| {
            let spmc = Arc::clone(spmc);
            move |work: &dyn Fn(&VirtualTimer)| work(&spmc.partitions()[0].vcpu(0).unwrap().timer)
        };
        let (vcpu, other, now) = (timer(&spmc), timer(&spmc), timer(&spmc));
        now(&|timer| {
            timer.write(TimerRegister::CompareValue, 1000, 0);
            timer.write(TimerRegister::Control, 1, 0);
        });
        both(
            move || vcpu(&|timer| timer.write(TimerRegister::CompareValue, 2000, 1500)),
            move || other(&|timer| _ = timer.tell(1500)),
        );
        now(&|timer| assert_eq!(timer.deadline(), Some(2000)));
    });
}

#[test]
fn that_a_timer_ran_out_is_told_by_one_core() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        let timer = &spmc.partitions()[0].vcpu(0).unwrap().timer;
        timer.write(TimerRegister::CompareValue, 1000, 0);
        timer.write(TimerRegister::Control, 1, 0);
        let tell = |spmc: &Arc<Spmc>| {
            let spmc = Arc::clone(spmc);
            move || spmc.partitions()[0].vcpu(0).unwrap().timer.tell(1000)
        };
        let told = both(tell(&spmc), tell(&spmc));
        assert!(told.0 != told.1);
        assert_eq!(timer.deadline(), None);
    });
}

#[test]
fn a_timer_that_runs_out_as_it_is_set_interrupts() {
    in_many_orders(|| {
        let spmc = Arc::new(spmc());
        let run_timers = |spmc: &Arc<Spmc>, index| {
            let spmc = Arc::clone(spmc);
            move || _ = spmc.run_timers(core(index), 1500, &FakeHardware::default())
        };
        let set = Arc::clone(&spmc);
        spmc.write_timer(AT_FIRST, TimerRegister::Control, 1, 0);
        both(
            move || set.write_timer(AT_FIRST, TimerRegister::CompareValue, 1200, 1500),
            run_timers(&spmc, 1),
        );
        run_timers(&spmc, 0)();
        assert!(spmc.partitions()[0].vcpu(0).unwrap().interrupts.is_pending(InterruptLine::TIMER));
    });
}

#[test]
fn what_one_vcpu_wants_of_another_is_taken_or_its_scheduler_is_told() {
    in_many_orders(|| {
        let (spmc, hardware) = (Arc::new(spmc()), Arc::new(FakeHardware::default()));
        let target = VcpuRef { partition: 1, vcpu: 5 };
        enable(&spmc, target, 9);
        let vcpu = |spmc: &Arc<Spmc>| Arc::clone(spmc);
        spmc.partitions()[1].vcpu(5).unwrap().transition(VcpuState::Waiting, VcpuState::Running).unwrap();
        let ((sender, its), (runner, own)) =
            ((vcpu(&spmc), Arc::clone(&hardware)), (vcpu(&spmc), Arc::clone(&hardware)));
        let (_, taken) = both(
            move || {
                let from = VcpuRef { partition: 1, vcpu: 0 };
                assert_eq!(hypercall(&sender, from, &its, &[u64::from(INTERRUPT_SEND_IPI), 5]), 0);
            },
            move || {
                let vcpu = runner.partitions()[1].vcpu(5).unwrap();
                vcpu.set_core(core(5));
                let taken = vcpu.interrupts.signals().irq && vcpu.interrupts.take().is_some();
                vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
                if vcpu.interrupts.any_left() && vcpu.wants_scheduler() {
                    own.raise_schedule_receiver_interrupt();
                }
                taken
            },
        );
        let raised = done(&hardware).iter().any(|action| {
            matches!(action, InterruptAction::ScheduleReceiver | InterruptAction::ScheduleReceiverOf(5))
        });
        let told = call(&spmc, &[0xc400_0083])[0] != ERROR;
        assert!(taken || (raised && told), "{taken} {raised} {told}");
        assert!(!(taken && told), "it is told of what was taken");
    });
}
