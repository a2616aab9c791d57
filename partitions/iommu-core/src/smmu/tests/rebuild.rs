// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMMUs that failed, lost their registers, or were written to by somebody else, and work again.

use super::super::fake::{FakeSmmu, Faults, Route, STREAMS};
use super::super::{Differences, Rebuilt, Smmu as _, SmmuError, Stage2, StreamConfig, Vmid};
use super::{Driver, bring_up, is_known, slow};
use crate::table::Geometry;
use ffa_abi::{PhysAddr, PowerHint, SmmuRegisters, SmmuState, StreamId};
use proptest::prelude::*;
use std::sync::Arc;

const ROOT: u64 = 0x4801_0000;
const ONE: u32 = 0x10;
const MANY: (u32, u16) = (0x100, 40);

fn stage2(vmid: u16) -> StreamConfig {
    let root = PhysAddr(ROOT + (u64::from(vmid) << 12));
    StreamConfig::Stage2(Stage2 { vmid: Vmid(vmid), root, geometry: Geometry::Bits39 })
}

/// An SMMU with one device set to a table, and one with many streams, and what its streams meet.
fn at_work(faults: Faults) -> (Arc<FakeSmmu>, Driver, Vec<Vec<Route>>) {
    let (fake, driver) = bring_up(Faults::default());
    // What attributes there are is another test's business.
    let route = |fake: &Arc<FakeSmmu>, stream: u32| fake.state().routes(stream);
    driver.set_streams(StreamId(ONE), 1, &stage2(1)).ok();
    let [Route::Translated(seen)] = route(&fake, ONE)[..] else { panic!("{:?}", route(&fake, ONE)) };
    let (fake, driver) = bring_up(faults);
    let allow = |first: u32, count: u16, vmid: u16| {
        for stream in first..first + u32::from(count) {
            fake.state().allow(stream, vmid, ROOT + (u64::from(vmid) << 12), seen.attributes);
        }
        driver.set_streams(StreamId(first), count, &stage2(vmid)).unwrap();
    };
    allow(ONE, 1, 1);
    allow(MANY.0, MANY.1, 2);
    let routes = routes(&fake);
    (fake, driver, routes)
}

fn routes(fake: &Arc<FakeSmmu>) -> Vec<Vec<Route>> {
    (0..STREAMS).map(|stream| fake.state().routes(stream)).collect()
}

/// Calls until it is rebuilt, and returns how often; DMA is aborted until then.
fn rebuild(fake: &Arc<FakeSmmu>, driver: &Driver) -> usize {
    for calls in 1..20 {
        match driver.rebuild().unwrap() {
            Rebuilt::Done => return calls,
            Rebuilt::Again => {
                assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
                assert!(driver.invalidate_vmid(Vmid(1)).is_err());
            }
        }
    }
    panic!("it does not end");
}

#[test]
fn an_smmu_that_stood_still_works_again_as_it_was() {
    let (fake, driver, before) = at_work(slow());
    fake.faults(|faults| faults.commands_stuck = true);
    assert_eq!(driver.invalidate_vmid(Vmid(1)), Err(SmmuError::Timeout));
    // While it stands still, it cannot be rebuilt, and aborts.
    assert_eq!(driver.rebuild(), Ok(Rebuilt::Again), "what is written needs no SMMU");
    while driver.rebuild() == Ok(Rebuilt::Again) {}
    assert_eq!(driver.rebuild(), Ok(Rebuilt::Again), "from the beginning");
    assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
    assert_eq!(driver.report().state, SmmuState::TimedOut);
    fake.faults(|faults| faults.commands_stuck = false);
    rebuild(&fake, &driver);
    assert_eq!(routes(&fake), before);
    assert_eq!(driver.check_errors(), Ok(()));
    assert_eq!(driver.compare(PowerHint::None), Ok(()));
    driver.invalidate_vmid(Vmid(1)).unwrap();
    driver.set_streams(StreamId(ONE), 1, &StreamConfig::Abort).unwrap();
    fake.state().disallow(ONE);
    fake.assert_no_violation();
    let report = driver.report();
    assert_eq!((report.state, report.rebuilt, report.tampered), (SmmuState::Works, 1, 0));
    assert_eq!(driver.rebuild(), Ok(Rebuilt::Done), "nothing is done where it works");
    assert_eq!(driver.report().rebuilt, 1);
}

#[test]
fn that_it_was_tried_in_vain_is_remembered_until_it_works() {
    let (fake, driver, _) = at_work(slow());
    fake.faults(|faults| faults.commands_stuck = true);
    assert!(driver.invalidate_vmid(Vmid(1)).is_err());
    assert!(!driver.is_beyond_repair());
    while driver.rebuild() == Ok(Rebuilt::Again) {}
    assert!(driver.is_beyond_repair());
    fake.faults(|faults| faults.commands_stuck = false);
    rebuild(&fake, &driver);
    assert!(!driver.is_beyond_repair());
}

#[test]
fn errors_that_stop_it_are_acknowledged_when_it_is_rebuilt() {
    for error in [1, 0x100] {
        let (fake, driver, before) = at_work(slow());
        fake.state().raise(error);
        assert!(driver.check_errors().is_err());
        assert_eq!(u64::from(driver.report().errors), error);
        rebuild(&fake, &driver);
        assert_eq!(fake.state().active_errors(), 0);
        assert_eq!(driver.check_errors(), Ok(()));
        assert_eq!(routes(&fake), before);
        fake.assert_no_violation();
    }
}

#[test]
fn power_that_was_lost_is_noticed_and_made_up_for() {
    let (fake, driver, before) = at_work(slow());
    driver.set_interrupts(true).unwrap();
    assert_eq!(driver.compare(PowerHint::Goes), Ok(()));
    fake.state().lose_power();
    let Err(SmmuError::Differed(Differences(registers))) = driver.compare(PowerHint::Returned) else {
        panic!("not noticed")
    };
    assert!(SmmuRegisters::from_bits(registers).unwrap().contains(SmmuRegisters::CR0));
    rebuild(&fake, &driver);
    assert_eq!(routes(&fake), before, "what the caches held is gone");
    assert_eq!(fake.state().controls()[3], 5, "interrupts are on");
    fake.assert_no_violation();
    let report = driver.report();
    assert_eq!((report.tampered, report.lost, report.differed.bits()), (0, 1, registers));
}

#[test]
fn streams_in_quarantine_abort_unheard_and_still_do_afterwards() {
    let (fake, driver, _) = at_work(slow());
    driver.set_streams(StreamId(ONE), 1, &StreamConfig::Silent).unwrap();
    fake.state().disallow(ONE);
    driver.set_streams(StreamId(0x18), 1, &StreamConfig::Silent).unwrap();
    let before = routes(&fake);
    for stream in [0x10, 0x18] {
        assert_eq!(before[stream], [Route::Aborted(None)]);
    }
    fake.state().lose_power();
    assert!(driver.compare(PowerHint::None).is_err());
    rebuild(&fake, &driver);
    assert_eq!(routes(&fake), before);
    driver.set_streams(StreamId(ONE), 1, &StreamConfig::Abort).unwrap();
    assert_eq!(fake.state().routes(ONE), [Route::Aborted(Some(4))]);
    fake.assert_no_violation();
}

#[test]
fn power_that_nobody_spoke_of_is_noticed_by_the_first_command() {
    let (fake, driver, before) = at_work(slow());
    fake.state().lose_power();
    assert!(matches!(driver.invalidate_vmid(Vmid(1)), Err(SmmuError::Differed(_))));
    assert_eq!(driver.report().tampered, 1);
    rebuild(&fake, &driver);
    assert_eq!(routes(&fake), before);
    fake.assert_no_violation();
}

#[test]
fn what_is_said_of_power_is_believed_in_nothing() {
    let (fake, driver, before) = at_work(slow());
    let writes = fake.writes().len();
    for hint in [PowerHint::Goes, PowerHint::Returned, PowerHint::None, PowerHint::Returned] {
        assert_eq!(driver.compare(hint), Ok(()));
    }
    assert_eq!((fake.writes().len(), routes(&fake)), (writes, before));
    // What was said before it came back without a loss does not colour what comes later.
    fake.state().tamper(0x2c, 0);
    assert!(driver.compare(PowerHint::None).is_err());
    assert_eq!((driver.report().tampered, driver.report().lost), (1, 0));
}

#[test]
fn each_register_that_matters_is_noticed_by_name_and_set_right() {
    let registers = [
        (0x20, SmmuRegisters::CR0, 0b1100),
        (0x28, SmmuRegisters::CR1, 0),
        (0x2c, SmmuRegisters::CR2, 0),
        (0x44, SmmuRegisters::GBPA, 0x1000),
        (0x50, SmmuRegisters::IRQ_CTRL, 1),
        (0x68, SmmuRegisters::GERROR_IRQ_CFG0, 0x8000_0000),
        (0x80, SmmuRegisters::STRTAB_BASE, 0x4000_0000_4800_4000),
        (0x88, SmmuRegisters::STRTAB_BASE_CFG, 0x1_0186),
        (0x90, SmmuRegisters::CMDQ_BASE, 0x4000_0000_4800_4008),
        (0x98, SmmuRegisters::CMDQ_PROD, 0x1f),
        (0xa0, SmmuRegisters::EVENTQ_BASE, 0x4000_0000_4800_400a),
        (0xb0, SmmuRegisters::EVENTQ_IRQ_CFG0, 0x8000_0000),
    ];
    assert_eq!(registers.map(|(_, bit, _)| bit).into_iter().collect::<SmmuRegisters>(), SmmuRegisters::all());
    for (offset, bit, value) in registers {
        let (fake, driver, before) = at_work(slow());
        let right = fake.state().register(offset);
        assert_ne!(right, value, "{offset:#x}");
        // Commands that stand in the queue still are the service's own.
        fake.faults(|faults| faults.commands_stuck = bit == SmmuRegisters::CMDQ_PROD);
        fake.state().tamper(offset, value);
        let differed = SmmuError::Differed(Differences(bit.bits()));
        assert_eq!(driver.compare(PowerHint::None), Err(differed), "{offset:#x}");
        assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
        assert_eq!(driver.invalidate_vmid(Vmid(1)), Err(differed), "until it is rebuilt");
        assert_eq!((driver.report().state, driver.report().tampered), (SmmuState::Differed, 1));
        fake.faults(|faults| faults.commands_stuck = false);
        rebuild(&fake, &driver);
        if bit != SmmuRegisters::CMDQ_PROD {
            assert_eq!(fake.state().register(offset), right, "{offset:#x}");
        }
        assert_eq!(driver.compare(PowerHint::None), Ok(()));
        assert_eq!(routes(&fake), before);
    }
}

#[test]
fn a_stream_that_was_being_set_aborts_when_it_works_again() {
    for target in [stage2(3), StreamConfig::Abort] {
        for stuck_after in 0..3 {
            let (fake, driver, mut before) = at_work(slow());
            let fetched = fake.completed().len() as u64;
            fake.faults(|faults| faults.illegal = (fetched + stuck_after..fetched + 100).collect());
            if driver.set_streams(StreamId(ONE), 1, &target).is_ok() {
                continue;
            }
            // Before or in the middle of rebuilding, it makes no difference.
            assert_eq!(driver.rebuild(), Ok(Rebuilt::Again));
            assert!(driver.set_streams(StreamId(MANY.0), MANY.1, &stage2(3)).is_err());
            fake.faults(|faults| faults.illegal.clear());
            rebuild(&fake, &driver);
            let aborted = vec![Route::Aborted(Some(4))];
            before[usize::try_from(ONE).unwrap()] = aborted.clone();
            let many = usize::try_from(MANY.0).unwrap();
            before[many..many + usize::from(MANY.1)].fill(aborted);
            assert_eq!(routes(&fake), before);
            fake.assert_no_violation();
        }
    }
}

/// Its entry may be written by then, and compared later: it aborts, whatever its other words are.
#[test]
fn a_stream_that_is_set_while_its_smmu_is_rebuilt_does_not_keep_it_from_working() {
    for calls_before in 0..8 {
        let (fake, driver, mut before) = at_work(slow());
        fake.state().raise(0x100);
        assert!(driver.check_errors().is_err());
        if (0..calls_before).any(|_| driver.rebuild() != Ok(Rebuilt::Again)) {
            assert!(calls_before > 1, "it takes more than one call");
            break;
        }
        assert!(driver.set_streams(StreamId(ONE), 1, &StreamConfig::Abort).is_err());
        rebuild(&fake, &driver);
        before[usize::try_from(ONE).unwrap()] = vec![Route::Aborted(Some(4))];
        assert_eq!(routes(&fake), before);
        driver.set_streams(StreamId(ONE), 1, &stage2(1)).unwrap();
        assert!(matches!(fake.state().routes(ONE)[..], [Route::Translated(_)]));
        fake.assert_no_violation();
    }
}

#[test]
fn the_tables_are_written_again_word_for_word() {
    let (fake, driver, before) = at_work(Faults::default());
    fake.faults(|faults| faults.commands_stuck = true);
    assert!(driver.invalidate_vmid(Vmid(1)).is_err());
    fake.faults(|faults| faults.commands_stuck = false);
    let right = fake.memory();
    let (base, entries) = (fake.state().register(0x80) & 0xffff_ffff_f000, 8);
    let first = usize::try_from((base - super::super::fake::POOL_BASE) / 8).unwrap();
    let second =
        usize::try_from((right[first] & 0xffff_ffff_f000) - super::super::fake::POOL_BASE).unwrap() / 8;
    // The whole first level, and all tables of the second, which follow each other.
    let tables = right[first..first + entries].iter().filter(|word| **word != 0).count();
    let words = (first..first + entries).chain(second..second + tables * 512);
    words.clone().for_each(|word| fake.scribble(word, 0x0123_4567_89ab_cdef));
    rebuild(&fake, &driver);
    let now = fake.memory();
    words.for_each(|word| assert_eq!(now[word], right[word], "word {word:#x}"));
    assert_eq!(routes(&fake), before);
}

#[test]
fn nothing_is_opened_where_the_tables_do_not_stay_as_they_were_written() {
    let (fake, driver, _) = at_work(Faults::default());
    fake.state().raise(0x100);
    assert!(driver.check_errors().is_err());
    // It takes two calls here: what somebody writes between them is found.
    assert_eq!(driver.rebuild(), Ok(Rebuilt::Again));
    let base = fake.state().register(0x80) & 0xffff_ffff_f000;
    let last = usize::try_from((base - super::super::fake::POOL_BASE) / 8).unwrap() + 7;
    fake.scribble(last, 0x4800_0000 | 7);
    let mut results = (0..8).map(|_| driver.rebuild());
    assert!(results.any(|result| result == Err(SmmuError::Global(0x100))));
    assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
}

#[test]
fn one_that_is_opened_in_between_is_begun_anew() {
    let (fake, driver, before) = at_work(slow());
    fake.state().raise(0x100);
    assert!(driver.check_errors().is_err());
    let calls = rebuild(&fake, &driver);
    assert!(calls > 1);
    fake.state().raise(0x100);
    assert!(driver.check_errors().is_err());
    for _ in 1..calls {
        assert_eq!(driver.rebuild(), Ok(Rebuilt::Again));
    }
    // The next call would be the last one.
    fake.state().tamper(0x20, 1);
    assert_eq!(driver.rebuild(), Ok(Rebuilt::Again));
    assert!(!fake.state().is_enabled());
    rebuild(&fake, &driver);
    assert_eq!(routes(&fake), before);
}

#[test]
fn registers_that_do_not_take_keep_it_shut() {
    for offset in [0x28, 0x2c, 0x80, 0x88, 0x90, 0xa0] {
        let (fake, driver, _) = at_work(slow());
        fake.state().lose_power();
        assert!(driver.compare(PowerHint::Returned).is_err());
        fake.faults(|faults| faults.read_only = Some(offset));
        while driver.rebuild() == Ok(Rebuilt::Again) {}
        assert!(driver.is_beyond_repair() && !fake.state().is_enabled() && fake.state().aborts_when_off());
        fake.faults(|faults| faults.read_only = None);
        rebuild(&fake, &driver);
        fake.assert_no_violation();
    }
}

#[test]
fn records_that_were_not_read_are_told_as_lost() {
    let (fake, driver, _) = at_work(slow());
    for _ in 0..3 {
        fake.state().record([0x10 | 0x10 << 32, 0, 0x1000, 0]);
    }
    fake.state().raise(0x100);
    assert!(driver.check_errors().is_err());
    let waiting = driver.events_waiting();
    assert_eq!(waiting, 0..3);
    rebuild(&fake, &driver);
    assert!(driver.events_waiting().start >= waiting.end, "what comes later is behind what was lost");
    let polled = driver.poll_events(10, &mut |event| panic!("{event:?}"));
    assert!(polled.overflow);
    fake.state().record([0x10 | 0x18 << 32, 0, 0x1000, 0]);
    let mut seen = Vec::new();
    assert!(!driver.poll_events(10, &mut |event| seen.push(event.sid)).overflow);
    assert_eq!(seen, [StreamId(0x18)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 24 }))]

    /// Whatever somebody writes to registers at any time, every call ends, and an SMMU that compares well works.
    #[test]
    fn any_tampering_ends_well(
        steps in proptest::collection::vec((0..6_u8, 0..11_usize, any::<u64>()), 1..24),
    ) {
        let offsets = [0x20, 0x28, 0x2c, 0x44, 0x50, 0x68, 0x80, 0x90, 0x98, 0xa0, 0xb0];
        let (fake, driver) = bring_up(Faults::default());
        for (kind, which, value) in steps {
            match kind {
                0 => fake.state().tamper(offsets[which], value & 0x7fff_ffff),
                1 => fake.state().lose_power(),
                2 => _ = driver.invalidate_vmid(Vmid(1)),
                3 => _ = driver.set_streams(StreamId(ONE), 1, &StreamConfig::Abort),
                _ => _ = driver.rebuild(),
            }
            if driver.compare(PowerHint::None).is_ok() {
                prop_assert!(fake.state().is_enabled() && fake.state().aborts_when_off());
                let streams = (0..STREAMS).filter(|stream| is_known(*stream));
                for stream in streams {
                    prop_assert_eq!(fake.state().routes(stream), [Route::Aborted(Some(4))]);
                }
            }
        }
    }
}
