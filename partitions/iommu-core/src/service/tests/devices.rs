// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may set which device to what, and what becomes of its faults.

use super::*;
use ffa_abi::Difference;

const AT: u64 = 0x1000_0000;

#[test]
fn only_the_policy_s_devices_in_the_right_hands() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    for state in [DeviceState::Paging(domain), DeviceState::Blocked] {
        assert_eq!(machine.set(0, NOBODY_S, state), Status::Denied);
        assert_eq!(machine.set(0, EDU + 1, state), Status::Denied);
        assert_eq!(machine.set(0, u32::MAX, state), Status::Denied);
        assert_eq!(machine.set(1, MANY, state), Status::Denied);
        assert_eq!(machine.set(9, EDU, state), Status::Denied);
    }
    assert_eq!(machine.smmus[0].config(NOBODY_S), StreamConfig::Abort);
    assert_eq!(machine.map(domain, AT, RAM, K4, READ).0, Status::Ok);
    assert_eq!(machine.smmus[0].dma(NOBODY_S, AT, false), None);
}

#[test]
fn what_a_client_found_is_compared_field_by_field() {
    let machine = Machine::new();
    let register = |record: DeviceRecord| {
        let answer = machine.ask(Request::Register(record));
        assert_eq!(answer.values[1..], [0; 3]);
        (answer.status, Difference::from_bits(answer.values[0]).unwrap())
    };
    let described = |index| {
        let values = machine.ask(Request::DeviceDescribe { index }).values;
        DeviceRecord::from_registers(values).unwrap()
    };
    for index in 0..3 {
        let truth = described(index);
        let other_name = described((index + 1) % 3).name;
        for _ in 0..2 {
            assert_eq!(register(truth), (Status::Ok, Difference::empty()));
        }
        assert_eq!(register(DeviceRecord { name: [0; 16], ..truth }), (Status::Ok, Difference::empty()));
        let wrong = [
            (DeviceRecord { smmu: SmmuIndex(2), ..truth }, Difference::SMMU),
            (DeviceRecord { first: StreamId(truth.first.0 + 1), ..truth }, Difference::FIRST),
            (DeviceRecord { first: StreamId(u32::MAX), ..truth }, Difference::FIRST),
            (DeviceRecord { count: truth.count + 1, ..truth }, Difference::COUNT),
            (DeviceRecord { count: 0, ..truth }, Difference::COUNT),
            (DeviceRecord { name: [b'?'; 16], ..truth }, Difference::NAME),
            (
                DeviceRecord { smmu: SmmuIndex(9), first: StreamId(3), count: 9, ..truth },
                Difference::SMMU | Difference::FIRST | Difference::COUNT,
            ),
        ];
        for (record, difference) in wrong {
            assert_eq!(register(record), (Status::Differs, difference), "{record:?}");
        }
        // By another's name it is another device.
        let (status, difference) = register(DeviceRecord { name: other_name, ..truth });
        assert_eq!((status, difference.contains(Difference::NAME)), (Status::Differs, false));
    }
}

/// Of devices that a client may not hold, and of those that the policy does not name, it is told the same.
#[test]
fn registering_tells_nothing_of_others_devices() {
    let machine = Machine::new();
    let mut name = [0; 16];
    name[..6].copy_from_slice(b"nobody");
    for name in [name, [0; 16], [b'x'; 16]] {
        for first in [NOBODY_S, NOBODY_S + 1, 0, u32::MAX] {
            let record = DeviceRecord { smmu: SmmuIndex(0), first: StreamId(first), count: 1, name };
            assert_eq!(machine.ask(Request::Register(record)), Response::status(Status::Denied));
        }
    }
}

#[test]
fn domains_stay_with_their_smmu() {
    let machine = Machine::new();
    let (here, there) = (machine.alloc(0), machine.alloc(1));
    assert_eq!(machine.set(1, EDU, DeviceState::Paging(here)), Status::InvalidParameters);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(there)), Status::InvalidParameters);
    assert_eq!(machine.set(1, EDU, DeviceState::Paging(there)), Status::Ok);
    let alloc =
        |smmu| machine.status(Request::DomainAlloc { smmu: SmmuIndex(smmu), kind: DomainKind::Paging });
    // No device behind that SMMU is the host's; no such SMMU.
    assert_eq!(alloc(2), Status::Denied);
    assert_eq!(alloc(3), Status::InvalidParameters);
}

#[test]
fn blocked_stops_a_device_at_once_and_a_domain_is_let_go() {
    let machine = Machine::new();
    let (one, two) = (machine.alloc(0), machine.alloc(0));
    let dma = || machine.smmus[0].dma(EDU, AT, false);
    assert_eq!(machine.map(one, AT, RAM, K4, READ).0, Status::Ok);
    assert_eq!(machine.map(two, AT, RAM + M2, K4, READ).0, Status::Ok);
    for _ in 0..3 {
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(one)), Status::Ok);
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(one)), Status::Ok);
        assert_eq!(dma(), Some(RAM));
        assert_eq!(machine.status(Request::DomainFree(one)), Status::Busy);
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(two)), Status::Ok);
        assert_eq!(dma(), Some(RAM + M2));
        assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
        assert_eq!(dma(), None);
    }
    assert_eq!(machine.status(Request::DomainFree(one)), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(two)), Status::Ok);
}

#[test]
fn all_streams_of_a_device_change_together() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    let last = MANY + u32::from(MANY_COUNT) - 1;
    let config = |sid| machine.smmus[0].config(sid);
    assert_eq!(machine.set(0, MANY + 7, DeviceState::Paging(domain)), Status::Ok);
    assert!((MANY..=last).all(|sid| config(sid) == config(MANY)));
    assert_ne!(config(MANY), StreamConfig::Abort);
    assert_eq!((config(MANY - 1), config(last + 1)), (StreamConfig::Abort, StreamConfig::Abort));
    assert_eq!(machine.set(0, last, DeviceState::Blocked), Status::Ok);
    assert!((MANY..=last).all(|sid| config(sid) == StreamConfig::Abort));
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
}

#[test]
fn faults_name_who_where_and_why() {
    let machine = Machine::new();
    assert_eq!(machine.poll().0, Status::Empty);
    let domain = machine.alloc(1);
    assert_eq!(machine.set(1, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.map(domain, AT, RAM, K4, READ).0, Status::Ok);
    machine.smmus[1].dma(EDU, AT + K4, false);
    machine.smmus[1].dma(EDU, AT, true);
    machine.smmus[0].dma(0x999, 0, true);
    let mut kinds = [0; 3].map(|_| {
        let (status, report) = machine.poll();
        assert_eq!((status, report.dropped), (Status::Ok, 0));
        let fault = report.fault.unwrap();
        (fault.smmu.0, fault.sid.0, fault.iova.0, fault.kind as u8, fault.write)
    });
    kinds.sort_unstable();
    assert_eq!(
        kinds,
        [
            (0, 0x999, 0, FaultKind::Stream as u8, true),
            (1, EDU, AT, FaultKind::Permission as u8, true),
            (1, EDU, AT + K4, FaultKind::Translation as u8, false),
        ]
    );
    assert_eq!(machine.poll().0, Status::Empty);
}

#[test]
fn a_flood_costs_reports_and_nothing_else() {
    let machine = Machine::new();
    for place in 0..10_000 {
        machine.smmus[0].dma(EDU, place * K4, false);
    }
    let (mut reports, mut dropped) = (0, 0);
    let mut places = std::vec::Vec::new();
    loop {
        match machine.poll() {
            (Status::Ok, report) => {
                reports += u64::from(report.fault.is_some());
                dropped += report.dropped;
                places.extend(report.fault.map(|fault| fault.iova.0));
            }
            (status, _) => break assert_eq!(status, Status::Empty),
        }
    }
    // All that the SMMU kept is reported or counted; what it dropped by itself counts as one.
    assert_eq!(reports + dropped, EVENT_QUEUE as u64 + 1);
    assert!(reports >= MAX_FAULTS as u64);
    assert!(places.is_sorted(), "the oldest first");
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
}
