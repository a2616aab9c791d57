// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMMUs that fail and work again: what clients are told, what becomes of devices and domains, and that nothing is left behind.

use super::roles::{hyp, with_hyp};
use super::*;
use ffa_abi::{HypRequest, PowerHint, SmmuRegisters, SmmuReport, SmmuState};

const AT: u64 = 0x20_0000;

impl Machine {
    fn check(&self, smmu: u16, hint: PowerHint) -> (Status, u64) {
        let response = self.ask(Request::SmmuCheck { smmu: SmmuIndex(smmu), hint });
        (response.status, response.values[0])
    }

    fn report(&self, smmu: u16) -> SmmuReport {
        let response = self.ask(Request::SmmuStatus(SmmuIndex(smmu)));
        assert_eq!(response.status, Status::Ok);
        SmmuReport::from_registers(response.values).unwrap()
    }

    /// Has SMMU 0 stop in the middle of what is done then.
    fn stopping(&self, act: impl FnOnce() -> Status) {
        self.smmus[0].fail_after(0);
        assert_eq!(act(), Status::Hardware);
        self.smmus[0].can_be_rebuilt(0);
    }
}

#[test]
fn only_smmus_of_the_caller_s_devices_are_spoken_of() {
    let machine = Machine::new();
    for smmu in [0, 1] {
        assert_eq!(machine.report(smmu).state, SmmuState::Works);
        assert_eq!(machine.check(smmu, PowerHint::None), (Status::Ok, 0));
    }
    // Nobody's device is behind SMMU 2, and there is no SMMU 3.
    for (smmu, status) in [(2, Status::Denied), (3, Status::InvalidParameters)] {
        assert_eq!(machine.status(Request::SmmuStatus(SmmuIndex(smmu))), status);
        assert_eq!(machine.check(smmu, PowerHint::Returned), (status, 0));
    }
}

#[test]
fn a_difference_is_named_until_the_smmu_works_again() {
    let machine = Machine::new();
    machine.smmus[0].can_be_rebuilt(2);
    let differed = SmmuRegisters::CR0 | SmmuRegisters::STRTAB_BASE;
    machine.smmus[0].tamper(differed.bits());
    let differed_now = u64::from(differed.bits());
    assert_eq!(machine.check(0, PowerHint::None), (Status::Again, differed_now));
    assert_eq!(machine.check(1, PowerHint::None), (Status::Ok, 0), "the other one goes on");
    while machine.check(0, PowerHint::None).0 == Status::Again {}
    assert_eq!(machine.check(0, PowerHint::None), (Status::Ok, 0));
    assert_eq!((machine.report(0).state, machine.report(0).rebuilt), (SmmuState::Works, 1));
    assert_eq!(machine.report(0).differed, differed, "it is remembered");
}

#[test]
fn one_that_fails_is_rebuilt_when_the_host_polls_and_not_for_ever() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.map(domain, AT, RAM, K4, BOTH).0, Status::Ok);
    machine.smmus[0].can_be_rebuilt(3);
    machine.smmus[0].fail();
    for _ in 0..4 {
        assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
        assert_eq!(machine.poll().0, Status::Hardware);
    }
    assert_eq!(machine.poll().0, Status::Empty);
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), Some(RAM), "the device is where it was");
    // One that cannot be rebuilt is tried once, and when it is asked for.
    let machine = Machine::new();
    machine.smmus[0].fail();
    assert_eq!(machine.poll().0, Status::Hardware);
    machine.smmus[0].can_be_rebuilt(0);
    assert_eq!(machine.poll().0, Status::Hardware);
    assert_eq!(machine.check(0, PowerHint::None), (Status::Ok, 0));
    assert_eq!(machine.poll().0, Status::Empty);
}

#[test]
fn a_device_that_was_being_set_is_blocked_and_holds_its_domains_until_it_is_set() {
    for (from, to) in [(true, true), (true, false), (false, true)] {
        let machine = Machine::new();
        let (one, two) = (machine.alloc(0), machine.alloc(0));
        let state = |used, domain| if used { DeviceState::Paging(domain) } else { DeviceState::Blocked };
        assert_eq!(machine.set(0, EDU, state(from, one)), Status::Ok);
        machine.stopping(|| machine.set(0, EDU, state(to, two)));
        assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Hardware);
        assert_eq!(machine.check(0, PowerHint::None), (Status::Ok, 0));
        assert_eq!(machine.smmus[0].config(EDU), StreamConfig::Abort);
        let busy = |used| if used { Status::Busy } else { Status::Ok };
        assert_eq!(machine.status(Request::DomainFree(one)), busy(from));
        assert_eq!(machine.status(Request::DomainFree(two)), busy(to));
        let next = machine.alloc(0);
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(next)), Status::Ok);
        if from {
            assert_eq!(machine.status(Request::DomainFree(one)), Status::Ok);
        }
        if to {
            assert_eq!(machine.status(Request::DomainFree(two)), Status::Ok);
        }
        assert_eq!(machine.status(Request::DomainFree(next)), Status::Busy);
    }
}

#[test]
fn what_an_unmap_left_behind_is_unmapped_by_the_next_one() {
    for (size, wanted) in [(3 * K4, 3 * K4), (M2, M2), (M2, 2 * M2)] {
        let machine = Machine::new();
        let domain = machine.alloc(0);
        assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
        // Pages; or a block, where size and address are those of one.
        let protection = if size == wanted { BOTH } else { READ };
        assert_eq!(machine.map(domain, AT, RAM + (size % M2), size, protection), (Status::Ok, size));
        machine.stopping(|| machine.unmap(domain, AT, wanted).0);
        assert_eq!(machine.check(0, PowerHint::None).0, Status::Ok);
        let response = machine.ask(Request::Unmap { domain, iova: Iova(AT), size: wanted });
        assert_eq!((response.status, response.values[1]), (Status::Ok, size));
        assert_eq!(machine.smmus[0].dma(EDU, AT, false), None);
        assert_eq!(machine.map(domain, AT, RAM, K4, BOTH), (Status::Ok, K4));
        assert_eq!(machine.smmus[0].dma(EDU, AT, true), Some(RAM));
    }
}

#[test]
fn a_table_of_pages_whose_unmap_failed_is_as_it_was() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    assert_eq!(machine.map(domain, AT, RAM + K4, M2, BOTH), (Status::Ok, M2));
    machine.stopping(|| machine.unmap(domain, AT, M2).0);
    assert_eq!(machine.check(0, PowerHint::None).0, Status::Ok);
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), Some(RAM + K4));
    assert_eq!(machine.unmap(domain, AT, M2), (Status::Ok, M2));
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
}

#[test]
fn memory_and_pages_come_back_from_a_domain_whose_smmu_failed() {
    let machine = with_hyp();
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let available = machine.pool.available();
    let domain = machine.alloc(0);
    assert_eq!(machine.map(domain, AT, RAM, 3 * K4, BOTH).0, Status::Ok);
    assert_eq!(machine.map(domain, AT + M2, RAM + M2, M2, BOTH).0, Status::Ok);
    assert_eq!(machine.map(domain, AT + 4 * M2, RAM + K4, M2, BOTH).0, Status::Ok);
    machine.smmus[0].fail_after(0);
    for (at, size) in [(AT, K4), (AT + M2, M2), (AT + 4 * M2, M2)] {
        assert_eq!(machine.unmap(domain, at, size), (Status::Hardware, 0));
    }
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Hardware);
    machine.smmus[0].can_be_rebuilt(0);
    let check = HypRequest::SmmuCheck(SmmuIndex(0), PowerHint::None);
    assert_eq!(hyp(&machine, KEY, check).status, Status::Ok);
    while machine.status(Request::DomainFree(domain)) == Status::Again {}
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::InvalidHandle);
    assert_eq!(machine.pool.available(), available);
    for page in [RAM, RAM + K4, RAM + 2 * K4, RAM + M2, RAM + 2 * M2 - K4, RAM + M2 + K4] {
        let state = hyp(&machine, KEY, HypRequest::PageState(PhysAddr(page)));
        assert_eq!((state.status, state.values[1] >> 32), (Status::Ok, 0), "{page:#x} is let go");
    }
}

#[test]
fn a_whole_table_lets_go_what_an_unmap_that_failed_has_left_in_it() {
    let machine = with_hyp();
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let domain = machine.alloc(0);
    assert_eq!(machine.map(domain, AT, RAM, 3 * K4, BOTH).0, Status::Ok);
    machine.stopping(|| machine.unmap(domain, AT, K4).0);
    let check = HypRequest::SmmuCheck(SmmuIndex(0), PowerHint::None);
    assert_eq!(hyp(&machine, KEY, check).status, Status::Ok);
    let whole = machine.ask(Request::Unmap { domain, iova: Iova(AT), size: M2 });
    assert_eq!((whole.status, &whole.values[..2]), (Status::Ok, &[M2, 3 * K4][..]));
    for page in [RAM, RAM + K4, RAM + 2 * K4] {
        let state = hyp(&machine, KEY, HypRequest::PageState(PhysAddr(page)));
        assert_eq!((state.status, state.values[1] >> 32), (Status::Ok, 0), "{page:#x} is let go");
    }
}

#[test]
fn the_hypervisor_asks_of_every_smmu() {
    let machine = with_hyp();
    assert_eq!(machine.status(Request::Claim), Status::Ok);
    let ask = |request: HypRequest, key| hyp(&machine, key, request);
    let index = SmmuIndex(2);
    assert_eq!(ask(HypRequest::SmmuStatus(index), KEY).status, Status::Ok);
    machine.smmus[2].tamper(4);
    machine.smmus[2].can_be_rebuilt(0);
    let check = HypRequest::SmmuCheck(index, PowerHint::Returned);
    assert_eq!(ask(check, [0, 0]).status, Status::WrongKey);
    assert_eq!(ask(check, KEY), Response::value(4));
    assert_eq!(
        ask(HypRequest::SmmuCheck(SmmuIndex(3), PowerHint::None), KEY).status,
        Status::InvalidParameters
    );
}

#[test]
fn interrupts_come_again_once_the_smmu_works() {
    let machine = Machine::new();
    machine.service.watch(SmmuIndex(0)).unwrap();
    machine.smmus[0].fail();
    assert!(matches!(machine.service.interrupted(WIRES.error), Err(InterruptError::Failed(_))));
    machine.smmus[0].can_be_rebuilt(0);
    assert_eq!(machine.poll().0, Status::Hardware);
    assert!(!machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.poll().0, Status::Empty);
    assert!(machine.smmus[0].has_interrupts_on());
    assert_eq!(machine.smmus[0].dma(EDU, AT, true), None);
    assert_eq!(machine.service.interrupted(WIRES.event), Ok(()));
    assert_eq!(machine.smmus[0].waiting(), 0);
}
