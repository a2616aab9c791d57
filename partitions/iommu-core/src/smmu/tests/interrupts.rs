// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of events and of global errors: when they come, and that they come by wire.

use super::super::fake::{FakeSmmu, Faults};
use super::super::{Smmu as _, SmmuError, Unacknowledged};
use super::{bring_up, slow, try_bring_up};

const IRQ_CTRL: usize = 0x50;
const ERROR: u64 = 1;
const EVENT: u64 = 4;
/// GERROR.EVENTQ_ABT_ERR and GERROR.SFM_ERR.
const EVENTQ_ABT: u64 = 1 << 2;
const SFM: u64 = 1 << 8;
const RECORD: [u64; 4] = [0x10 | 0x10 << 32, 0, 0x1000, 0];

#[test]
fn none_comes_before_they_are_switched_on() {
    let (fake, driver) = bring_up(slow());
    fake.state().record(RECORD);
    fake.state().raise(EVENTQ_ABT);
    assert_eq!(fake.take_interrupts(), []);
    driver.poll_events(10, &mut |_| {});
    driver.set_interrupts(true).unwrap();
    assert_eq!(fake.state().controls()[3], ERROR | EVENT);
    fake.state().record(RECORD);
    fake.state().raise(EVENTQ_ABT);
    assert_eq!(fake.take_interrupts(), [EVENT, ERROR]);
    driver.poll_events(10, &mut |_| {});
    driver.set_interrupts(false).unwrap();
    assert_eq!(fake.state().controls()[3], 0);
    fake.state().record(RECORD);
    fake.state().raise(EVENTQ_ABT);
    assert_eq!(fake.take_interrupts(), []);
    fake.assert_no_violation();
}

#[test]
fn each_comes_again_once_its_cause_was_served() {
    let (fake, driver) = bring_up(slow());
    driver.set_interrupts(true).unwrap();
    for _ in 0..3 {
        for _ in 0..5 {
            fake.state().record(RECORD);
        }
        fake.state().raise(EVENTQ_ABT);
        assert_eq!(fake.take_interrupts(), [EVENT, ERROR]);
        assert_eq!(driver.poll_events(10, &mut |_| {}).taken, 5);
    }
    assert_eq!(driver.statistics().event_aborts, 3);
    fake.assert_no_violation();
}

/// What the service relies on: it looks until it has found none.
#[test]
fn a_record_that_comes_while_others_are_taken_raises_none() {
    let (fake, driver) = bring_up(slow());
    driver.set_interrupts(true).unwrap();
    fake.state().record(RECORD);
    let polled = driver.poll_events(10, &mut |_| fake.state().record(RECORD));
    assert_eq!((polled.taken, fake.take_interrupts()), (1, vec![EVENT]));
    assert_eq!(driver.poll_events(10, &mut |_| {}).taken, 1);
    fake.state().record(RECORD);
    assert_eq!(fake.take_interrupts(), [EVENT]);
    fake.assert_no_violation();
}

#[test]
fn an_error_that_ends_the_smmu_is_told_and_told_once() {
    let (fake, driver) = bring_up(slow());
    driver.set_interrupts(true).unwrap();
    fake.state().raise(SFM);
    assert_eq!(fake.take_interrupts(), [ERROR]);
    assert_eq!(driver.check_errors(), Err(SmmuError::Global(0x100)));
    assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
    fake.state().raise(SFM);
    assert_eq!(fake.take_interrupts(), []);
}

/// The message of a boot loader would be written to memory: the fake notes each one.
#[test]
fn a_boot_loaders_messages_are_not_sent() {
    let fake = FakeSmmu::new(slow());
    let driver = try_bring_up(&fake).unwrap();
    driver.set_interrupts(true).unwrap();
    fake.state().record(RECORD);
    fake.state().raise(EVENTQ_ABT);
    assert_eq!(fake.take_interrupts(), [EVENT, ERROR]);
    fake.assert_no_violation();
}

#[test]
fn an_smmu_that_does_not_acknowledge_is_told_of_and_goes_on() {
    let (fake, driver) = bring_up(slow());
    fake.faults(|faults| faults.interrupts_stuck = true);
    assert_eq!(driver.set_interrupts(true), Err(Unacknowledged));
    let last = fake.writes().last().copied();
    assert_eq!(last, Some((IRQ_CTRL, ERROR | EVENT)), "nothing else is done about it");
    fake.state().record(RECORD);
    assert_eq!(driver.poll_events(10, &mut |_| {}).taken, 1);
    assert_eq!(driver.check_errors(), Ok(()));
    assert!(fake.state().is_enabled());
    fake.assert_no_violation();
}

#[test]
fn an_smmu_whose_interrupts_stay_on_is_not_brought_up() {
    let fake = FakeSmmu::new(Faults { interrupts_stuck: true, ..slow() });
    let error = try_bring_up(&fake).unwrap_err();
    assert_eq!(error.to_string(), "IRQ_CTRL did not acknowledge");
    assert!(fake.state().aborts_when_off() && !fake.state().is_enabled());
}
