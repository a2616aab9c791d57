// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts come to one core that is on, once each, and only those that are the partition's.

use crate::fake::{FakeGic, Line};
use crate::gic::MAX_POLLS;
use crate::{Gic, GicError, MAX_CORES, State};
use spin::mutex::SpinMutex;

const EVENT: u32 = 106;
const ERROR: u32 = 109;
const COUNT: u32 = 288;
/// MPIDR_EL1 of cores, with bits that are no affinity; Aff3 of the last one is not 0.
const CORES: [u64; 3] = [0x8000_0000, 0x8100_0001, 0x02_8000_0100];

fn open(fake: &FakeGic) -> Result<Gic<'static, &FakeGic>, GicError> {
    Gic::open(fake, Box::leak(Box::new(SpinMutex::new(State::NEW))))
}

fn with(fake: &FakeGic) -> Gic<'static, &FakeGic> {
    let gic = open(fake).unwrap();
    assert!(gic.adopt(EVENT) && gic.adopt(ERROR));
    gic
}

/// What a core finds, and ends.
fn taken(gic: &Gic<'_, &FakeGic>) -> Vec<u32> {
    std::iter::from_fn(|| gic.take().inspect(|intid| gic.end(*intid))).take(COUNT as usize).collect()
}

#[test]
fn an_edge_comes_once_and_can_come_again() {
    for ends_priority_only in [false, true] {
        let fake = FakeGic { ends_priority_only, ..FakeGic::new(COUNT) };
        let gic = with(&fake);
        assert_eq!(taken(&gic), []);
        for _ in 0..2 {
            fake.pulse(EVENT);
            fake.pulse(ERROR);
            assert_eq!(taken(&gic), [EVENT, ERROR]);
            assert_eq!(taken(&gic), []);
        }
        fake.pulse(EVENT);
        assert_eq!(gic.take(), Some(EVENT));
        fake.pulse(EVENT);
        assert_eq!(gic.take(), None, "it is active");
        gic.end(EVENT);
        assert_eq!(taken(&gic), [EVENT]);
    }
}

#[test]
fn an_adopted_interrupt_is_secure_and_its_neighbours_stay_as_they_were() {
    let fake = FakeGic::new(COUNT);
    let neighbour = Line { configuration: 0b10, enabled: true, pending: true, route: 7, ..fake.line(EVENT) };
    for intid in [EVENT - 1, EVENT + 1] {
        fake.change(intid, |line| *line = neighbour);
    }
    // What came before it was the partition's says nothing.
    fake.change(EVENT, |line| (line.pending, line.active, line.enabled) = (true, true, true));
    let _gic = with(&fake);
    let wanted = Line {
        non_secure: false,
        modifier: true,
        enabled: true,
        pending: false,
        active: false,
        priority: 0x40,
        configuration: 0b10,
        route: 0,
    };
    assert_eq!(fake.line(EVENT), wanted);
    for intid in [EVENT - 1, EVENT + 1] {
        assert_eq!(fake.line(intid), neighbour);
    }
    assert_eq!(fake.control.get(), 0b11_0100, "EnableGrp1S is set, and nothing else");
}

#[test]
fn only_shared_interrupts_that_are_there_and_not_el3s_are_adopted() {
    let fake = FakeGic { fixed_below: 64, ..FakeGic::new(COUNT) };
    // One of group 0; one that EL3's tables have made secure already; one that cannot be made secure.
    fake.change(70, |line| (line.non_secure, line.modifier) = (false, false));
    fake.change(71, |line| (line.non_secure, line.modifier) = (false, true));
    let before = fake.lines.borrow().clone();
    let gic = open(&fake).unwrap();
    for intid in [0, 8, 31, 288, 1019, 1020, 1023, 8192, u32::MAX] {
        assert!(!gic.adopt(intid), "{intid}");
        assert!(!gic.switch_off(intid), "{intid}");
    }
    assert!(!gic.adopt(70));
    assert_eq!(*fake.lines.borrow(), before);
    assert!(gic.adopt(71) && gic.adopt(287));
    assert!(!gic.adopt(40));
    assert!(!fake.line(40).enabled && !gic.switch_off(40));
}

#[test]
fn one_that_is_switched_off_does_not_come_and_stays_off() {
    let fake = FakeGic { slow: 3, ..FakeGic::new(COUNT) };
    let gic = with(&fake);
    assert!(gic.switch_off(EVENT));
    fake.pulse(EVENT);
    fake.pulse(ERROR);
    assert_eq!(taken(&gic), [ERROR]);
    gic.core_off();
    fake.core.set(CORES[1]);
    gic.core_on();
    assert_eq!(taken(&gic), []);
    assert!(!gic.switch_off(EVENT + 1), "nobody's");
}

#[test]
fn a_distributor_that_never_settles_is_not_waited_for_without_end() {
    let fake = FakeGic { slow: u32::MAX, ..FakeGic::new(COUNT) };
    let gic = open(&fake).unwrap();
    let before = fake.reads_of_control.get();
    assert!(!gic.adopt(EVENT));
    assert!(fake.reads_of_control.get() - before <= MAX_POLLS);
    assert!(!fake.line(EVENT).enabled);
}

#[test]
fn what_is_no_interrupt_is_not_taken() {
    let fake = FakeGic::new(COUNT);
    let gic = with(&fake);
    for odd in [1020, 1021, 1022, 1023, 8192, 0xff_ffff] {
        fake.odd.set(Some(odd));
        assert_eq!(gic.take(), None, "{odd}");
    }
}

#[test]
fn when_a_core_goes_off_another_gets_what_is_pending_and_what_comes() {
    let fake = FakeGic::new(COUNT);
    let gic = with(&fake);
    let on = |core| {
        fake.core.set(core);
        gic.core_on();
    };
    on(CORES[1]);
    on(CORES[2]);
    fake.pulse(EVENT);
    assert_eq!(taken(&gic), [], "it is the first core's");
    fake.core.set(CORES[0]);
    gic.core_off();
    assert_eq!(taken(&gic), []);
    fake.core.set(CORES[1]);
    assert_eq!(taken(&gic), [EVENT]);
    gic.core_off();
    fake.core.set(CORES[2]);
    fake.pulse(ERROR);
    assert_eq!(taken(&gic), [ERROR]);
    assert_eq!(fake.line(EVENT).route, 0x02_0000_0100);
    // A core that comes back takes nothing away from one that is on.
    on(CORES[0]);
    fake.pulse(EVENT);
    assert_eq!(taken(&gic), []);
    fake.core.set(CORES[2]);
    assert_eq!(taken(&gic), [EVENT]);
}

#[test]
fn what_comes_while_all_cores_are_off_comes_to_the_first_that_is_on_again() {
    let fake = FakeGic::new(COUNT);
    let gic = with(&fake);
    gic.core_off();
    fake.pulse(EVENT);
    fake.core.set(CORES[1]);
    gic.core_on();
    assert_eq!(taken(&gic), [EVENT]);
}

#[test]
fn cores_that_come_on_without_having_gone_and_more_than_are_known_do_no_harm() {
    let fake = FakeGic::new(COUNT);
    let gic = with(&fake);
    for core in (0..2 * MAX_CORES as u64).chain(0..3) {
        fake.core.set(core);
        gic.core_on();
    }
    for core in (0..2 * MAX_CORES as u64).rev() {
        fake.core.set(core);
        gic.core_off();
    }
    // Those that are not known went first, so nobody was left at the end.
    fake.core.set(CORES[2]);
    gic.core_on();
    fake.pulse(EVENT);
    assert_eq!(taken(&gic), [EVENT]);
}

#[test]
fn a_gic_that_has_no_interrupts_for_a_partition_is_refused() {
    let none = FakeGic { interface: false, ..FakeGic::new(COUNT) };
    assert_eq!(open(&none).unwrap_err(), GicError::Interface);
    for (control, error) in
        [(0x50, GicError::OneState(0x50)), (0, GicError::Routing(0)), (4, GicError::Routing(4))]
    {
        let fake = FakeGic::new(COUNT);
        fake.control.set(control);
        assert_eq!(open(&fake).unwrap_err(), error);
        assert_eq!(fake.control.get(), control, "nothing was written");
    }
}
