// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hypervisor's role: before the claim, the claim, and who is who afterwards.

use super::*;
use ffa_abi::{HypRequest, Key};

/// A machine on which a hypervisor must claim its role, and EL2 guards the frames.
pub(super) fn with_hyp() -> Machine {
    with_hyp_at(Guard::El2)
}

pub(super) fn with_hyp_at(guard: Guard) -> Machine {
    with_hyp_and(|policy| policy.guard = guard)
}

/// The same, with another policy.
pub(super) fn with_hyp_and(change: impl FnOnce(&mut Policy)) -> Machine {
    let accounts = Some(Range { base: 0x2000_0000, size: 0x10_0000 });
    let mut policy = Policy { hyp: HypRole::Required, guard: Guard::El2, accounts, ..policy() };
    change(&mut policy);
    Machine::of(policy, POOL_PAGES)
}

pub(super) fn hyp(machine: &Machine, key: [u64; 2], request: HypRequest) -> Response {
    let registers = request.encode(Key::from_registers(key));
    Response::decode(machine.service.handle(HOST, registers)).unwrap()
}

/// One request of each operation that a kernel may send.
fn requests(domain: DomainHandle) -> [Request; 9] {
    let (iova, size) = (Iova(WINDOW.base), K4);
    [
        Request::PolicyDigest,
        Request::Register(DeviceRecord { smmu: SmmuIndex(0), first: StreamId(EDU), count: 1, name: [0; 16] }),
        Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging },
        Request::DomainFree(domain),
        Request::DeviceSetState { smmu: SmmuIndex(0), sid: StreamId(EDU), state: DeviceState::Blocked },
        Request::Map { domain, iova, pa: PhysAddr(RAM), size, protection: READ },
        Request::Unmap { domain, iova, size },
        Request::IovaToPa { domain, iova },
        Request::FaultPoll,
    ]
}

#[test]
fn nobody_is_served_before_the_claim() {
    let machine = with_hyp();
    for request in requests(DomainHandle::new(0, 1).unwrap()) {
        assert_eq!(machine.ask(request), Response::status(Status::NotReady), "{request:?}");
    }
    assert_eq!(hyp(&machine, [0, 0], HypRequest::Statistics), Response::status(Status::NotReady));
    // Who asks what this is, is told.
    assert_eq!(machine.status(Request::Version(PROTOCOL_VERSION)), Status::Ok);
    assert_eq!(machine.status(Request::DeviceDescribe { index: 0 }), Status::Ok);
    let features = machine.ask(Request::Features).values[0];
    assert_eq!(features & 0x6ff, Features::HYP_REQUIRED.bits() | u64::from(GuardLevel::El2 as u8));
}

#[test]
fn the_claim_is_made_once_and_opens_the_service() {
    let machine = with_hyp();
    let claimed = machine.ask(Request::Claim);
    assert_eq!(claimed, Response { status: Status::Ok, values: [KEY[0], KEY[1], 0, 0] });
    for _ in 0..3 {
        assert_eq!(machine.ask(Request::Claim), Response::status(Status::Denied));
    }
    assert_ne!(machine.ask(Request::Features).values[0] & Features::HYP_CLAIMED.bits(), 0);
    let domain = machine.alloc(0);
    for request in requests(domain) {
        assert_ne!(machine.status(request), Status::NotReady, "{request:?}");
    }
}

#[test]
fn a_wrong_key_is_counted_and_costs_nothing_else() {
    let machine = with_hyp();
    machine.ask(Request::Claim);
    let wrong = [[0, 0], [KEY[0], 0], [KEY[1], KEY[0]], [KEY[0] ^ 1, KEY[1]], [KEY[0], KEY[1] ^ 1 << 63]];
    for (key, before) in wrong.into_iter().zip(0..) {
        assert_eq!(hyp(&machine, KEY, HypRequest::Statistics), Response::value(before));
        assert_eq!(hyp(&machine, key, HypRequest::Statistics), Response::status(Status::WrongKey));
    }
    // What else is wrong with a message is told only to who has the key.
    let ask = |registers| Response::decode(machine.service.handle(HOST, registers)).unwrap().status;
    assert_eq!(ask([0x8fff, 0, 0, !0, !0]), Status::WrongKey);
    assert_eq!(ask([0x8fff, KEY[0], KEY[1], 0, 0]), Status::NotSupported);
    assert_eq!(ask([0x8005, KEY[0], KEY[1], 1, 0]), Status::InvalidParameters);
}

#[test]
fn a_key_gives_a_partition_nothing() {
    let machine = with_hyp();
    machine.ask(Request::Claim);
    for endpoint in [1, 0x8001, 0xffff] {
        let registers = HypRequest::Statistics.encode(Key::from_registers(KEY));
        let answer = Response::decode(machine.service.handle(endpoint, registers)).unwrap();
        assert_eq!(answer, Response::status(Status::Denied));
    }
}

#[test]
fn where_the_policy_has_no_hypervisor_nobody_becomes_one() {
    let machine = Machine::new();
    assert_eq!(machine.ask(Request::Claim), Response::status(Status::Denied));
    for key in [[0, 0], KEY] {
        assert_eq!(hyp(&machine, key, HypRequest::Statistics), Response::status(Status::NotSupported));
    }
    machine.alloc(0);
}
