// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls by which a partition configures its interrupts and ends them, and what is ended for it.

use super::*;

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
