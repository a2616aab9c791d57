// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages by FFA_MSG_SEND_DIRECT_REQ2: the same answers as to short ones, to the right service alone.

use super::roles::with_hyp;
use super::*;
use ffa_abi::{HypRequest, Key, PageOwner, Pages, ServiceId, extend, shorten};

fn ask(machine: &Machine, service: [u64; 2], registers: [u64; 14]) -> Response {
    ask_as(machine, HOST, service, registers)
}

fn ask_as(machine: &Machine, endpoint: u16, service: [u64; 2], registers: [u64; 14]) -> Response {
    let (answer, more) = shorten(machine.service.handle_extended(endpoint, service, registers));
    assert_eq!(more, 0, "an answer that says more than a short one");
    Response::decode(answer).unwrap()
}

fn host() -> [u64; 2] {
    ServiceId::Host.to_registers()
}

fn hyp() -> [u64; 2] {
    ServiceId::Hyp.to_registers()
}

fn keyed(key: [u64; 2], request: HypRequest) -> [u64; 14] {
    extend(request.encode(Key::from_registers(key)))
}

#[test]
fn the_host_works_by_long_messages_as_by_short_ones() {
    let machine = Machine::new();
    let alloc = Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging };
    let made = ask(&machine, host(), extend(alloc.encode()));
    assert_eq!(made.status, Status::Ok);
    let domain = DomainHandle::from_raw(u32::try_from(made.values[0]).unwrap()).unwrap();
    let (iova, pa) = (Iova(WINDOW.base), PhysAddr(RAM));
    let map = Request::Map { domain, iova, pa, size: 2 * K4, protection: READ };
    assert_eq!(ask(&machine, host(), extend(map.encode())), Response::value(2 * K4));
    assert_eq!(machine.unmap(domain, WINDOW.base, 2 * K4), (Status::Ok, 2 * K4));
}

#[test]
fn the_hypervisor_has_a_service_of_its_own_that_only_a_key_opens() {
    let machine = with_hyp();
    machine.ask(Request::Claim);
    let pages = Pages { first: PhysAddr(RAM), count: 2 };
    let own = HypRequest::Own(pages, PageOwner::Hyp);
    assert_eq!(ask(&machine, hyp(), keyed([1, 2], own)), Response::status(Status::WrongKey));
    assert_eq!(ask(&machine, hyp(), keyed(KEY, own)), Response::status(Status::Ok));
    // By the other service, too, and by a short message, which know what this one has done.
    let state = HypRequest::PageState(PhysAddr(RAM));
    let seen = ask(&machine, host(), keyed(KEY, state));
    assert_eq!(seen.values[0], PageOwner::Hyp.to_register());
    assert_eq!(seen, roles::hyp(&machine, KEY, state));
    assert_eq!(roles::hyp(&machine, KEY, HypRequest::Statistics), Response::value(1));
    // What has no key is not for this service, however harmless.
    for request in [Request::Features, Request::PolicyDigest, Request::Claim] {
        assert_eq!(ask(&machine, hyp(), extend(request.encode())), Response::status(Status::NotSupported));
    }
}

#[test]
fn messages_that_say_more_are_refused_and_the_key_comes_first() {
    let machine = with_hyp();
    machine.ask(Request::Claim);
    for place in 5..14 {
        for bit in [0, 31, 63] {
            let with = |mut registers: [u64; 14]| {
                registers[place] |= 1 << bit;
                registers
            };
            let features = with(extend(Request::Features.encode()));
            assert_eq!(ask(&machine, host(), features), Response::status(Status::InvalidParameters));
            let statistics = with(keyed(KEY, HypRequest::Statistics));
            assert_eq!(ask(&machine, hyp(), statistics), Response::status(Status::InvalidParameters));
            let guess = with(keyed([KEY[1], KEY[0]], HypRequest::Statistics));
            assert_eq!(ask(&machine, hyp(), guess), Response::status(Status::WrongKey));
        }
    }
    assert_eq!(roles::hyp(&machine, KEY, HypRequest::Statistics), Response::value(27));
}

#[test]
fn services_that_are_none_and_partitions_get_nothing() {
    let machine = with_hyp();
    machine.ask(Request::Claim);
    let [x2, x3] = host();
    for service in [[0, 0], [x3, x2], [x2, 0], [x2 ^ 1, x3], [!0, !0]] {
        for registers in [extend(Request::Features.encode()), keyed(KEY, HypRequest::Statistics)] {
            assert_eq!(ask(&machine, service, registers), Response::status(Status::NotSupported));
        }
    }
    for (endpoint, service) in [(1, host()), (0x8001, hyp()), (0xffff, [0, 0])] {
        let answer = ask_as(&machine, endpoint, service, keyed(KEY, HypRequest::Statistics));
        assert_eq!(answer, Response::status(Status::Denied));
    }
    assert_eq!(roles::hyp(&machine, KEY, HypRequest::Statistics), Response::value(0), "no key was looked at");
}

proptest! {
    /// A long message is answered as the short one that it holds, or not at all.
    #[test]
    fn no_long_message_means_anything_else(operation in 0u64..0x60, words: [u64; 4], more in proptest::option::of(5usize..14)) {
        let (long, short) = (Machine::new(), Machine::new());
        let registers = [operation, words[0] & 0xffff_f000, words[1] & 0xff, words[2] & 0xf000, words[3] & 3];
        let mut extended = extend(registers);
        if let Some(more) = more {
            extended[more] = 1;
        }
        let answer = ask(&long, host(), extended);
        let wanted = match more {
            None => Response::decode(short.service.handle(HOST, registers)).unwrap(),
            Some(_) => Response::status(Status::InvalidParameters),
        };
        prop_assert_eq!(answer, wanted);
    }
}
