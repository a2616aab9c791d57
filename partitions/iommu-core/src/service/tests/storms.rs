// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reports go to who may hold the device, and devices that fault without end are put into quarantine.

use super::guests::{EITHER, alloc, assign, take_back};
use super::roles::{hyp, with_hyp_and};
use super::*;
use ffa_abi::{HypRequest, PageOwner};

/// A device that the hypervisor alone may hold, and one of the kernel's.
const THEIRS: u32 = NOBODY_S;
/// Faults in a second that are fine.
const RATE: u32 = 100;

/// A machine whose hypervisor has claimed its role, with a device of its own.
fn claimed(fault_rate: u32) -> Machine {
    let machine = with_hyp_and(|policy| {
        policy.fault_rate = fault_rate;
        policy.devices[2].holders = Holders { hyp: true, ..Holders::default() };
    });
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    machine
}

fn hyp_poll(machine: &Machine) -> (Status, FaultReport) {
    let Response { status, values: [x4, x5, x6, dropped] } = hyp(machine, KEY, HypRequest::FaultPoll);
    (status, FaultReport { fault: Fault::from_registers([x4, x5, x6]), dropped })
}

fn quarantine(machine: &Machine, smmu: u16, sid: u32, on: bool) -> Status {
    let request = HypRequest::Quarantine { smmu: SmmuIndex(smmu), sid: StreamId(sid), on };
    hyp(machine, KEY, request).status
}

fn free(machine: &Machine, domain: DomainHandle) -> Status {
    loop {
        match machine.status(Request::DomainFree(domain)) {
            Status::Again => {}
            status => return status,
        }
    }
}

/// Takes all of somebody's reports: by stream and kind, and how many were dropped.
fn drain(poll: impl Fn() -> (Status, FaultReport)) -> (std::vec::Vec<(u32, FaultKind)>, u64) {
    let (mut seen, mut dropped) = (std::vec::Vec::new(), 0);
    loop {
        match poll() {
            (Status::Ok, report) => {
                seen.extend(report.fault.map(|fault| (fault.sid.0, fault.kind)));
                dropped += report.dropped;
            }
            (status, _) => {
                assert_eq!(status, Status::Empty);
                return (seen, dropped);
            }
        }
    }
}

#[test]
fn each_client_sees_the_faults_of_its_own_devices() {
    let machine = claimed(0);
    for _ in 0..3 {
        machine.smmus[0].dma(EDU, 0, true);
        machine.smmus[0].dma(THEIRS, 0, true);
        machine.smmus[0].dma(0x777, 0, true);
    }
    let (theirs, dropped) = drain(|| hyp_poll(&machine));
    assert_eq!((theirs, dropped), (vec![(THEIRS, FaultKind::Stream); 3], 0));
    let (ours, dropped) = drain(|| machine.poll());
    assert!(ours.iter().all(|(sid, _)| [EDU, 0x777].contains(sid)), "{ours:?}");
    assert_eq!((ours.len(), dropped), (6, 0));
}

#[test]
fn what_a_guest_s_device_does_is_told_to_the_hypervisor_while_the_guest_has_it() {
    let machine = super::guests::claimed();
    let domain = alloc(&machine, PageOwner::Guest(7));
    let told = |to: &[(u32, FaultKind)]| to.iter().any(|(sid, _)| *sid == EITHER);
    let both = || {
        machine.smmus[0].dma(EITHER, 0, true);
        (drain(|| hyp_poll(&machine)).0, drain(|| machine.poll()).0)
    };
    let (theirs, ours) = both();
    assert!(told(&ours) && theirs.is_empty(), "it is the kernel's");
    assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
    let (theirs, ours) = both();
    assert!(told(&theirs) && ours.is_empty(), "it is a guest's");
    assert_eq!(take_back(&machine, EITHER), Status::Ok);
    let (theirs, ours) = both();
    assert!(told(&ours) && theirs.is_empty(), "it came back");
}

#[test]
fn a_flood_of_one_client_s_devices_drops_no_report_of_another_s() {
    for (noisy, quiet) in [(EDU, THEIRS), (THEIRS, EDU)] {
        let machine = claimed(0);
        machine.smmus[0].dma(quiet, 0, true);
        for _ in 0..3 * MAX_FAULTS {
            machine.smmus[0].dma(noisy, 0, true);
        }
        let (hyp, host) = (drain(|| hyp_poll(&machine)), drain(|| machine.poll()));
        let (of_noisy, of_quiet) = if noisy == EDU { (host, hyp) } else { (hyp, host) };
        assert_eq!(of_quiet, (vec![(quiet, FaultKind::Stream)], 0));
        assert_eq!(of_noisy.0.len() as u64 + of_noisy.1, 3 * MAX_FAULTS as u64);
        assert!(of_noisy.1 > 0);
    }
}

#[test]
fn lost_records_are_told_to_those_who_may_have_lost_some() {
    let machine = claimed(0);
    for smmu in [0, 1] {
        for _ in 0..=EVENT_QUEUE {
            machine.smmus[smmu].dma(EDU, 0, true);
        }
        let (reports, dropped) = drain(|| machine.poll());
        assert_eq!(reports.len() + usize::try_from(dropped).unwrap(), EVENT_QUEUE + 1);
        // Behind SMMU 1 the hypervisor has nothing.
        assert_eq!(drain(|| hyp_poll(&machine)), (vec![], u64::from(smmu == 0)));
    }
}

#[test]
fn a_device_that_faults_too_often_is_quarantined_told_of_once_and_released_by_its_holder() {
    let machine = claimed(RATE);
    let domain = machine.alloc(0);
    let attach = || machine.set(0, EDU, DeviceState::Paging(domain));
    assert_eq!(attach(), Status::Ok);
    assert_eq!(machine.map(domain, WINDOW.base, RAM, K4, BOTH).0, Status::Ok);
    for round in 0..3 {
        let nowhere = WINDOW.base + M2;
        for _ in 0..RATE {
            machine.smmus[0].dma(EDU, nowhere, true);
        }
        let (reports, _) = drain(|| machine.poll());
        assert!(reports.iter().all(|(_, kind)| *kind == FaultKind::Translation), "{reports:?} in {round}");
        assert_eq!(machine.smmus[0].dma(EDU, WINDOW.base, true), Some(RAM), "so many are fine");
        // Records that are in the queue already when it is noticed change nothing more.
        for _ in 0..RATE {
            machine.smmus[0].dma(EDU, nowhere, true);
        }
        let (mut reports, _) = drain(|| machine.poll());
        reports.retain(|(_, kind)| *kind == FaultKind::Quarantined);
        assert_eq!(reports, [(EDU, FaultKind::Quarantined)]);
        assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Silent);
        // Nobody hears of it any more, and the domain is kept.
        for _ in 0..10 * RATE {
            assert_eq!(machine.smmus[0].dma(EDU, WINDOW.base, true), None);
        }
        assert_eq!((machine.smmus[0].waiting(), machine.poll().0), (0, Status::Empty));
        assert_eq!(hyp_poll(&machine).0, Status::Empty, "it is the kernel's");
        assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
        // A second later the same is fine.
        machine.smmus[0].pass(1000);
        assert_eq!(attach(), Status::Ok);
        assert_eq!(machine.smmus[0].dma(EDU, WINDOW.base, true), Some(RAM));
        machine.smmus[0].pass(1000);
    }
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(free(&machine, domain), Status::Ok);
}

#[test]
fn faults_that_are_spread_over_time_are_fine_and_without_a_rate_all_are() {
    let machine = claimed(RATE);
    for _ in 0..20 {
        for _ in 0..RATE {
            machine.smmus[0].dma(EDU, 0, true);
        }
        drain(|| machine.poll());
        machine.smmus[0].pass(1000);
    }
    assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Abort);
    let machine = claimed(0);
    for _ in 0..100 * RATE {
        machine.smmus[0].dma(EDU, 0, true);
        machine.poll();
    }
    assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Abort);
}

#[test]
fn others_are_heard_while_one_storms() {
    let machine = claimed(RATE);
    let mut heard = 0;
    for _ in 0..50 {
        for _ in 0..EVENT_QUEUE {
            machine.smmus[0].dma(EDU, 0, true);
        }
        machine.smmus[0].dma(MANY, 0, true);
        machine.smmus[0].dma(THEIRS, 0, true);
        drain(|| machine.poll());
        let (reports, _) = drain(|| hyp_poll(&machine));
        heard += reports.iter().filter(|(sid, _)| *sid == THEIRS).count();
    }
    // In the first round the queue was full; from then on only those are in it that do not storm.
    assert!(heard >= 49, "{heard} of 50");
}

#[test]
fn a_storm_by_interrupts_is_quarantined_without_a_poll() {
    let machine = claimed(RATE / 10);
    machine.service.watch(SmmuIndex(0)).unwrap();
    for _ in 0..RATE {
        machine.smmus[0].dma(EDU, 0, true);
        if machine.smmus[0].take_interrupts() > 0 {
            assert_eq!(machine.service.interrupted(WIRES.event), Ok(()));
        }
    }
    assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Silent);
    assert!(machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.poll().1.fault.map(|fault| fault.kind), Some(FaultKind::Quarantined));
}

#[test]
fn the_hypervisor_puts_its_devices_into_quarantine_and_takes_them_out() {
    let machine = claimed(0);
    assert_eq!(quarantine(&machine, 0, THEIRS, true), Status::Ok);
    assert_eq!(machine.smmus[0].config(THEIRS), StreamConfig::Silent);
    assert_eq!(machine.smmus[0].dma(THEIRS, 0, true), None);
    assert_eq!(hyp_poll(&machine).0, Status::Empty, "it knows");
    assert_eq!(quarantine(&machine, 0, THEIRS, true), Status::Ok);
    for _ in 0..2 {
        assert_eq!(quarantine(&machine, 0, THEIRS, false), Status::Ok);
        assert_eq!(machine.smmus[0].config(THEIRS), StreamConfig::Abort);
    }
    // Devices that only the kernel may hold, and those of nobody, are none of its.
    for (smmu, sid) in [(0, EDU), (1, EDU), (0, 0x777), (9, THEIRS)] {
        assert_eq!(quarantine(&machine, smmu, sid, true), Status::Denied);
    }
    assert_eq!(machine.set(0, THEIRS, DeviceState::Blocked), Status::Denied, "and its are not the kernel's");
}

/// More of the kernel's wait than one look takes: what is behind them is told nevertheless.
#[test]
fn nothing_is_empty_while_records_wait() {
    let machine = claimed(0);
    for _ in 0..3 * MAX_FAULTS {
        machine.smmus[0].dma(EDU, 0, true);
    }
    machine.smmus[0].dma(THEIRS, 0x5000, true);
    let (reports, dropped) = drain(|| hyp_poll(&machine));
    assert_eq!((reports, dropped), (vec![(THEIRS, FaultKind::Stream)], 0));
    assert_eq!(machine.smmus[0].waiting(), 0);
    // Behind an SMMU that is nothing to the hypervisor, nothing waits for it.
    for _ in 0..3 * MAX_FAULTS {
        machine.smmus[1].dma(EDU, 0, true);
    }
    assert_eq!(hyp_poll(&machine).0, Status::Empty);
}

/// What a device did before it changed hands is no fault of who has it now, and none of the other's business.
#[test]
fn records_count_for_who_had_the_device_when_they_were_written() {
    let machine = super::guests::claimed();
    let domain = alloc(&machine, PageOwner::Guest(7));
    let of = |told: &[(u32, FaultKind)]| told.iter().filter(|(sid, _)| *sid == EITHER).count();
    // The kernel's, then the guest's, then the kernel's again, and nobody has looked.
    machine.smmus[0].dma(EITHER, 0, true);
    assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
    let (theirs, ours) = (drain(|| hyp_poll(&machine)).0, drain(|| machine.poll()).0);
    assert_eq!((of(&theirs), of(&ours)), (0, 1), "it was the kernel's");
    for _ in 0..3 {
        machine.smmus[0].dma(EITHER, 0x7000, true);
    }
    assert_eq!(take_back(&machine, EITHER), Status::Ok);
    machine.smmus[0].dma(EITHER, 0, true);
    let (ours, theirs) = (drain(|| machine.poll()).0, drain(|| hyp_poll(&machine)).0);
    assert_eq!((of(&theirs), of(&ours)), (3, 1), "it was a guest's");
    // Twice in between: whatever a guest may have done is not told to the kernel.
    machine.smmus[0].dma(EITHER, 0, true);
    assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
    machine.smmus[0].dma(EITHER, 0x7000, true);
    assert_eq!(take_back(&machine, EITHER), Status::Ok);
    let (ours, theirs) = (drain(|| machine.poll()).0, drain(|| hyp_poll(&machine)).0);
    assert_eq!((of(&theirs), of(&ours)), (2, 0));
}

#[test]
fn a_guest_s_device_is_not_quarantined_for_what_the_kernel_has_done_with_it() {
    let machine = super::guests::claimed_with_rate(RATE);
    let domain = alloc(&machine, PageOwner::Guest(7));
    for _ in 0..=RATE {
        machine.smmus[0].dma(EITHER, 0, true);
    }
    assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
    let (theirs, _) = drain(|| hyp_poll(&machine));
    assert_eq!(theirs, []);
    assert!(drain(|| machine.poll()).0.len() > 32, "the kernel hears of them");
    assert!(matches!(machine.smmus[0].config(EITHER), StreamConfig::Stage2(_)));
    // Nor for what was noticed before it was the guest's, and was to be done later.
    assert_eq!(take_back(&machine, EITHER), Status::Ok);
    let (index, _) = machine.service.policy.device(0, EITHER).unwrap();
    machine.service.faults.storms().add(index);
    assert_eq!(assign(&machine, EITHER, domain), Status::Ok);
    machine.poll();
    assert!(matches!(machine.smmus[0].config(EITHER), StreamConfig::Stage2(_)));
    // A guest's own count.
    for _ in 0..=RATE {
        machine.smmus[0].dma(EITHER, 0, true);
    }
    drain(|| machine.poll());
    assert_eq!(machine.smmus[0].config(EITHER), StreamConfig::Silent);
    // And once it is out of quarantine, those it left behind do not.
    for _ in 0..=RATE {
        machine.smmus[0].record_without_interrupt(EITHER);
    }
    assert_eq!(quarantine(&machine, 0, EITHER, false), Status::Ok);
    drain(|| hyp_poll(&machine));
    assert_eq!(machine.smmus[0].config(EITHER), StreamConfig::Abort);
}

/// A device whose SMMU failed while it was set aborts when that works again, and is heard: so it can storm.
#[test]
fn a_device_that_was_lost_on_the_way_can_be_quarantined() {
    let machine = claimed(RATE);
    let domain = machine.alloc(0);
    machine.smmus[0].fail_after(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Hardware);
    machine.smmus[0].can_be_rebuilt(0);
    let check = Request::SmmuCheck { smmu: SmmuIndex(0), hint: ffa_abi::PowerHint::None };
    assert_eq!(machine.status(check), Status::Ok);
    for _ in 0..=RATE {
        machine.smmus[0].dma(EDU, 0, true);
    }
    drain(|| machine.poll());
    assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Silent);
    assert_eq!(free(&machine, domain), Status::Ok, "it is in no domain any more");
}

#[test]
fn an_smmu_that_fails_under_a_quarantine_loses_no_domain() {
    let machine = claimed(RATE);
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    for _ in 0..=RATE {
        machine.smmus[0].dma(EDU, 0, true);
    }
    machine.smmus[0].fail_after(0);
    while machine.poll().0 == Status::Ok {}
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Busy);
    machine.smmus[0].can_be_rebuilt(0);
    let check = Request::SmmuCheck { smmu: SmmuIndex(0), hint: ffa_abi::PowerHint::None };
    assert_eq!(machine.status(check), Status::Ok);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(free(&machine, domain), Status::Ok);
}
