// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Events and errors by interrupt: that none is missed, and that nobody can keep the service busy with them.

use super::*;
use crate::smmu::{SmmuError, Unacknowledged};
use std::thread;

/// As many as are served, and as many records as one look takes.
const MOST: usize = 64;
const EVENT: u32 = WIRES.event;
const ERROR: u32 = WIRES.error;

/// A machine whose SMMUs interrupt, as far as they have wires.
fn watched() -> Machine {
    let machine = Machine::new();
    for smmu in [0, 2] {
        machine.service.watch(SmmuIndex(smmu)).unwrap();
        assert!(machine.smmus[usize::from(smmu)].has_interrupts_on());
    }
    machine
}

/// Lets a device fault behind SMMU 0.
fn fault(machine: &Machine) {
    assert_eq!(machine.smmus[0].dma(EDU, 0x1000, true), None);
}

/// Takes all reports, and returns how many there were.
fn drain(machine: &Machine) -> usize {
    (0..).take_while(|_| machine.poll().0 == Status::Ok).count()
}

#[test]
fn an_event_is_taken_when_it_interrupts_and_kept_for_the_host() {
    let machine = watched();
    fault(&machine);
    assert_eq!((machine.smmus[0].take_interrupts(), machine.smmus[0].waiting()), (1, 1));
    assert_eq!(machine.service.interrupted(EVENT), Ok(()));
    assert_eq!(machine.smmus[0].waiting(), 0);
    assert_eq!(machine.poll().1.fault.unwrap().sid, StreamId(EDU));
    assert_eq!(machine.smmus[2].dma(EDU, 0, false), None);
    assert_eq!(machine.service.interrupted(ONE_WIRE.event), Ok(()));
    assert_eq!(machine.smmus[2].waiting(), 0);
    assert_eq!(machine.poll().1.fault.unwrap().smmu, SmmuIndex(2));
}

#[test]
fn what_nobody_asked_for_is_refused_and_touches_nothing() {
    let machine = Machine::new();
    for intid in [EVENT, ERROR, ONE_WIRE.event, 0, 31, 107, u32::MAX] {
        fault(&machine);
        let waiting = machine.smmus[0].waiting();
        assert_eq!(machine.service.interrupted(intid), Err(InterruptError::Unexpected));
        assert_eq!(machine.smmus[0].waiting(), waiting);
    }
    assert_eq!(machine.service.watch(SmmuIndex(3)), Err(InterruptError::Unexpected));
    assert!(!machine.smmus[0].has_interrupts_on());
    assert!(drain(&machine) > 0, "it is polled");
    assert!(!machine.smmus[0].has_interrupts_on(), "and stays so");
}

#[test]
fn what_was_there_before_is_found() {
    let machine = Machine::new();
    fault(&machine);
    assert_eq!(machine.service.watch(SmmuIndex(0)), Ok(()));
    assert_eq!((machine.smmus[0].take_interrupts(), machine.smmus[0].waiting()), (0, 0));
    assert_eq!(drain(&machine), 1);
}

#[test]
fn a_storm_is_served_a_number_of_times_and_then_waits_for_the_host() {
    let machine = watched();
    for round in 0..3 {
        let mut served = 0;
        for _ in 0..10 * MOST {
            fault(&machine);
            for _ in 0..machine.smmus[0].take_interrupts() {
                served += 1;
                assert_eq!(machine.service.interrupted(EVENT), Ok(()));
            }
        }
        // The look at the start, when they were switched on, counts as one.
        assert!((MOST - 1..=MOST).contains(&served), "{served} in round {round}");
        assert!(!machine.smmus[0].has_interrupts_on());
        assert!(machine.smmus[0].waiting() > 0);
        assert!(drain(&machine) > MOST, "those that were kept, and those that waited in the event queue");
        assert!(machine.smmus[0].has_interrupts_on());
        assert_eq!(machine.smmus[0].waiting(), 0);
    }
}

#[test]
fn asking_counts_from_the_start_again() {
    let machine = watched();
    for _ in 0..10 * MOST {
        fault(&machine);
        assert_eq!(machine.smmus[0].take_interrupts(), 1);
        assert_eq!(machine.service.interrupted(EVENT), Ok(()));
        assert!(machine.smmus[0].has_interrupts_on());
        assert_eq!(machine.poll().0, Status::Ok);
    }
}

#[test]
fn more_records_than_a_look_takes_wait_for_the_host() {
    let machine = watched();
    for _ in 0..MOST + 1 {
        fault(&machine);
    }
    assert_eq!(machine.smmus[0].take_interrupts(), 1);
    assert_eq!(machine.service.interrupted(EVENT), Ok(()));
    assert!(!machine.smmus[0].has_interrupts_on(), "none would come for the one that is left");
    assert_eq!(machine.smmus[0].waiting(), 1);
    assert_eq!(drain(&machine), MOST);
    assert!(machine.smmus[0].has_interrupts_on());
    // The same where it is the host that finds too many.
    for _ in 0..3 * MOST {
        fault(&machine);
    }
    machine.poll();
    assert!(!machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.smmus[0].waiting(), 2 * MOST);
    machine.poll();
    assert_eq!(machine.smmus[0].waiting(), MOST, "one look a call");
    drain(&machine);
    assert!(machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.smmus[0].waiting(), 0);
}

#[test]
fn records_that_raise_no_interrupt_are_found() {
    let machine = watched();
    let smmu = &machine.smmus[0];
    fault(&machine);
    smmu.during_poll(|| smmu.record_without_interrupt(EDU));
    assert_eq!(machine.service.interrupted(EVENT), Ok(()));
    assert_eq!(smmu.waiting(), 0);
    for _ in 0..MOST + 1 {
        fault(&machine);
    }
    machine.service.interrupted(EVENT).unwrap();
    assert!(!smmu.has_interrupts_on());
    // Between the look that finds nothing and the interrupts that would tell.
    smmu.before_switching(|| smmu.record_without_interrupt(EDU));
    machine.poll();
    assert!(smmu.has_interrupts_on());
    assert_eq!(smmu.waiting(), 0);
}

#[test]
fn an_error_ends_the_interrupts_and_is_told() {
    let machine = watched();
    machine.smmus[0].fail();
    assert_eq!(machine.smmus[0].take_interrupts(), 1);
    assert_eq!(machine.service.interrupted(ERROR), Err(InterruptError::Failed(SmmuError::Timeout)));
    assert!(!machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.service.interrupted(ERROR), Ok(()), "one that was under way");
    assert_eq!(machine.poll().0, Status::Hardware);
    assert!(!machine.smmus[0].has_interrupts_on());
    assert!(machine.smmus[2].has_interrupts_on(), "the other one goes on");
}

#[test]
fn an_smmu_that_does_not_acknowledge_is_polled() {
    let machine = Machine::new();
    machine.smmus[0].never_acknowledge();
    assert_eq!(machine.smmus[0].set_interrupts(false), Err(Unacknowledged));
    assert_eq!(machine.service.watch(SmmuIndex(0)), Err(InterruptError::Unacknowledged));
    fault(&machine);
    assert_eq!(machine.service.interrupted(EVENT), Err(InterruptError::Unexpected));
    assert_eq!(drain(&machine), 1);

    let machine = watched();
    machine.smmus[0].never_acknowledge();
    for _ in 0..MOST + 1 {
        fault(&machine);
    }
    assert_eq!(machine.service.interrupted(EVENT), Err(InterruptError::Unacknowledged));
    assert_eq!(machine.service.interrupted(EVENT), Err(InterruptError::Unexpected));
    assert_eq!(drain(&machine), MOST);
    assert_eq!(machine.service.interrupted(EVENT), Err(InterruptError::Unexpected), "nobody trusts it again");
}

#[test]
fn interrupts_that_come_though_they_are_off_are_passed_over_and_not_for_ever() {
    let machine = watched();
    for _ in 0..MOST + 1 {
        fault(&machine);
    }
    machine.service.interrupted(EVENT).unwrap();
    for _ in 0..MOST {
        assert_eq!(machine.service.interrupted(EVENT), Ok(()));
        assert_eq!(machine.smmus[0].waiting(), 1, "no look");
    }
    assert_eq!(machine.service.interrupted(EVENT), Err(InterruptError::Unexpected));
    assert_eq!(drain(&machine), MOST);
    assert!(!machine.smmus[0].has_interrupts_on());
}

#[test]
fn an_interrupt_waits_for_no_other_core_and_is_not_lost() {
    let machine = kept(watched());
    // SMMU 0 was looked at when the other core is at SMMU 2.
    machine.smmus[2].during_poll(|| {
        fault(machine);
        assert_eq!(machine.service.interrupted(EVENT), Ok(()));
        assert_eq!(machine.smmus[0].waiting(), 1);
    });
    assert_eq!(machine.poll().0, Status::Empty);
    assert_eq!(machine.smmus[0].waiting(), 0);
    assert_eq!(drain(machine), 1);
}

/// While an SMMU is looked at, the other one interrupts another core, so often.
fn in_turns(machine: &'static Machine, looked_at: usize, times: usize) {
    let (other, wire) = if looked_at == 0 { (2, ONE_WIRE.event) } else { (0, EVENT) };
    machine.smmus[looked_at].during_poll(move || {
        if times > 1 {
            in_turns(machine, other, times - 1);
        }
        assert_eq!(machine.smmus[other].dma(EDU, 0x1000, true), None);
        assert_eq!(machine.service.interrupted(wire), Ok(()));
    });
}

#[test]
fn interrupts_that_come_as_fast_as_they_are_served_wait_for_the_host() {
    let machine = kept(watched());
    in_turns(machine, 0, 30);
    fault(machine);
    assert_eq!(machine.service.interrupted(EVENT), Ok(()));
    let on = [0, 2].map(|smmu| machine.smmus[smmu].has_interrupts_on());
    let waiting = [0, 2].map(|smmu| machine.smmus[smmu].waiting());
    assert_eq!(on, [false, false], "with {waiting:?} records that nobody would look at");
    drain(machine);
    for smmu in [0, 2] {
        assert_eq!((machine.smmus[smmu].waiting(), machine.smmus[smmu].has_interrupts_on()), (0, true));
    }
}

#[test]
fn cores_that_poll_and_are_interrupted_at_once_leave_nothing_behind() {
    const ROUNDS: usize = 2000;
    let machine = kept(watched());
    let poll = || (0..ROUNDS).for_each(|_| _ = machine.poll());
    thread::scope(|scope| {
        scope.spawn(poll);
        scope.spawn(poll);
        for _ in 0..ROUNDS {
            fault(machine);
            while machine.smmus[0].take_interrupts() > 0 {
                assert_eq!(machine.service.interrupted(EVENT), Ok(()));
            }
        }
    });
    assert!(machine.smmus[0].waiting() == 0 || !machine.smmus[0].has_interrupts_on());
    drain(machine);
    assert_eq!((machine.smmus[0].waiting(), machine.smmus[0].has_interrupts_on()), (0, true));
}

proptest! {
    /// While interrupts are on and none is under way, no record waits; and so many are served between two polls.
    #[test]
    fn nothing_waits_that_no_interrupt_tells_of(
        steps in proptest::collection::vec((0..4_u8, 1..150_usize), 1..200),
    ) {
        let machine = watched();
        let smmu = &machine.smmus[0];
        let (mut raised, mut served) = (0, 0);
        for (step, count) in steps {
            match step {
                0 => (0..count).for_each(|_| fault(&machine)),
                1 => (0..count % 4).for_each(|_| {
                    smmu.during_poll(|| smmu.record_without_interrupt(EDU));
                    fault(&machine);
                }),
                2 => {
                    machine.poll();
                    served = 0;
                }
                _ => {}
            }
            raised += smmu.take_interrupts();
            if step != 1 {
                for _ in 0..core::mem::take(&mut raised) {
                    served += 1;
                    prop_assert_eq!(machine.service.interrupted(EVENT), Ok(()));
                }
                prop_assert!(smmu.waiting() == 0 || !smmu.has_interrupts_on());
                prop_assert!(served <= MOST + 1, "{} interrupts", served);
            }
        }
    }
}
