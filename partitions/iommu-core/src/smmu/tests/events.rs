// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The event queue: records, floods, overflow, and what somebody else may write there.

use super::super::fake::Faults;
use super::super::{Event, Polled, Smmu as _};
use super::{Driver, bring_up};
use ffa_abi::{FaultKind, Iova, StreamId};
use proptest::prelude::*;

/// Entries of the queue on this fake.
const ENTRIES: usize = 1024;

fn poll(driver: &Driver, budget: usize) -> (Vec<Event>, Polled) {
    let mut events = Vec::new();
    let polled = driver.poll_events(budget, &mut |event| events.push(event));
    (events, polled)
}

fn translation_fault(stream: u32, address: u64, read: bool) -> [u64; 4] {
    [0x10 | u64::from(stream) << 32, u64::from(read) << 35 | 1 << 39 | 2 << 40, address, 0]
}

#[test]
fn an_empty_queue_costs_no_write() {
    let (fake, driver) = bring_up(Faults::default());
    let writes = fake.writes().len();
    assert_eq!(poll(&driver, 100), (Vec::new(), Polled::default()));
    assert_eq!(fake.writes().len(), writes);
}

#[test]
fn records_are_read_in_order_and_given_back() {
    let (fake, driver) = bring_up(Faults::default());
    for address in 0..10 {
        fake.state().record(translation_fault(0x10, address << 12, address % 2 == 0));
    }
    let (first, polled) = poll(&driver, 4);
    assert_eq!(polled, Polled { taken: 4, overflow: false });
    let (rest, polled) = poll(&driver, 100);
    assert_eq!(polled.taken, 6);
    for (place, event) in (0..).zip(first.iter().chain(&rest)) {
        let expected = Event {
            sid: StreamId(0x10),
            iova: Iova(place << 12),
            kind: FaultKind::Translation,
            write: place % 2 == 1,
            number: 0x10,
            place,
        };
        assert_eq!(*event, expected);
    }
    fake.assert_no_violation();
}

#[test]
fn each_event_has_its_kind() {
    let (fake, driver) = bring_up(Faults::default());
    let kinds = [
        (0x01, FaultKind::Other, true),
        (0x02, FaultKind::Stream, false),
        (0x03, FaultKind::Structure, false),
        (0x04, FaultKind::Stream, false),
        (0x05, FaultKind::Permission, false),
        (0x06, FaultKind::Stream, false),
        (0x07, FaultKind::Permission, true),
        (0x08, FaultKind::Stream, false),
        (0x09, FaultKind::Structure, false),
        (0x0a, FaultKind::Structure, false),
        (0x0b, FaultKind::Structure, true),
        (0x10, FaultKind::Translation, true),
        (0x11, FaultKind::AddressSize, true),
        (0x12, FaultKind::Permission, true),
        (0x13, FaultKind::Permission, true),
        (0x20, FaultKind::Structure, true),
        (0x21, FaultKind::Structure, false),
        (0x24, FaultKind::Other, false),
        (0x25, FaultKind::Structure, false),
        (0xe0, FaultKind::Other, false),
    ];
    for (place, (number, kind, has_address)) in (0..).zip(kinds) {
        assert_eq!(driver.events_waiting(), place..place);
        fake.state().record([number | 0x18 << 32, 0, 0xabc0, 0]);
        assert_eq!(driver.events_waiting(), place..place + 1);
        let (events, _) = poll(&driver, 1);
        let iova = Iova(if has_address { 0xabc0 } else { 0 });
        let number = u8::try_from(number).unwrap();
        assert_eq!(events, [Event { sid: StreamId(0x18), iova, kind, write: has_address, number, place }]);
    }
}

#[test]
fn a_flood_is_drained_and_its_overflow_told_once_each_time() {
    let (fake, driver) = bring_up(Faults::default());
    for round in 1..=5 {
        for address in 0..3000 {
            fake.state().record(translation_fault(0x10, address << 12, true));
        }
        let (events, polled) = poll(&driver, ENTRIES);
        assert_eq!(polled, Polled { taken: ENTRIES, overflow: true });
        // The oldest are kept, the newest lost.
        assert_eq!(events[ENTRIES - 1].iova, Iova((ENTRIES as u64 - 1) << 12));
        assert_eq!(poll(&driver, ENTRIES).1, Polled::default());
        assert_eq!(driver.statistics().event_overflows, round);
    }
    fake.assert_no_violation();
}

#[test]
fn a_full_queue_that_is_told_as_an_aborted_access_loses_no_record_that_it_holds() {
    let (fake, driver) = bring_up(Faults { full_is_abort: true, ..Faults::default() });
    for round in 1..=3 {
        for address in 0..3000 {
            fake.state().record(translation_fault(0x10, address << 12, true));
        }
        let (events, polled) = poll(&driver, ENTRIES);
        assert_eq!(polled, Polled { taken: ENTRIES, overflow: true });
        assert_eq!(events.len(), ENTRIES);
        assert_eq!(fake.state().active_errors(), 0);
        assert_eq!(driver.statistics().event_aborts, round);
    }
}

#[test]
fn records_that_were_counted_and_never_written_are_told_as_lost() {
    let (fake, driver) = bring_up(Faults::default());
    // Twice round the queue, so that each entry held a record before.
    for _ in 0..2 {
        for _ in 0..ENTRIES {
            fake.state().record(translation_fault(0x10, 0x1000, true));
        }
        assert_eq!(poll(&driver, ENTRIES).0.len(), ENTRIES);
    }
    fake.faults(|faults| faults.records_vanish = true);
    for _ in 0..3 {
        fake.state().record(translation_fault(0x10, 0x1000, true));
    }
    fake.state().raise(4);
    assert_eq!(poll(&driver, 10), (Vec::new(), Polled { taken: 3, overflow: true }));
    fake.faults(|faults| faults.records_vanish = false);
    fake.state().record(translation_fault(0x18, 0, true));
    assert_eq!(poll(&driver, 10).0[0].sid, StreamId(0x18));
    fake.assert_no_violation();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]

    /// Whatever the producer index says, a look ends, and the queue works afterwards.
    #[test]
    fn an_impossible_index_is_survived(
        values in proptest::collection::vec(any::<u32>(), 1..10),
        budget in 0usize..5000,
    ) {
        let (fake, driver) = bring_up(Faults::default());
        for value in values {
            fake.state().tamper_with_event_producer(u64::from(value));
            let (events, polled) = poll(&driver, budget);
            prop_assert!(events.len() <= budget && polled.taken <= ENTRIES);
        }
        while poll(&driver, ENTRIES).1.taken > 0 {}
        fake.state().record(translation_fault(0x10, 0x5000, false));
        prop_assert_eq!(poll(&driver, 1).0[0].iova, Iova(0x5000));
    }

    #[test]
    fn any_record_is_read(words: [u64; 4]) {
        let event = super::super::events::decode(&words);
        prop_assert_eq!(u64::from(event.sid.0), words[0] >> 32);
        prop_assert_eq!(u64::from(event.number), words[0] & 0xff);
    }
}
