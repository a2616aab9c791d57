// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Callers that have no business here, messages that are none, and cores that do everything at once.

use super::*;
use crate::table::Format;
use ffa_abi::{HypRequest, PageOwner, Pages};

#[test]
fn partitions_and_strangers_are_denied_whatever_they_ask() {
    let machine = Machine::new();
    for endpoint in [1, 5, 0x7fff, 0x8000, 0x8001, 0x8002, 0xffff] {
        for request in
            [Request::Features, Request::FaultPoll, Request::Claim, Request::Version(PROTOCOL_VERSION)]
        {
            let answer = Response::decode(machine.service.handle(endpoint, request.encode())).unwrap();
            assert_eq!(answer, Response::status(Status::Denied));
        }
        let answer = machine.service.handle(endpoint, [u64::MAX; 5]);
        assert_eq!(Response::decode(answer).unwrap().status, Status::Denied);
    }
}

#[test]
fn messages_that_are_none_get_their_status() {
    let machine = Machine::new();
    let status = |registers| Response::decode(machine.service.handle(HOST, registers)).unwrap().status;
    assert_eq!(status([0; 5]), Status::NotSupported);
    assert_eq!(status([0x7777, 0, 0, 0, 0]), Status::NotSupported);
    assert_eq!(status([Operation::Features as u64, 0, 0, 1, 0]), Status::InvalidParameters);
    assert_eq!(status([Operation::DomainFree as u64, 0, 0, 0, 0]), Status::InvalidHandle);
    assert_eq!(status([Operation::DomainAlloc as u64, 2, 0, 0, 0]), Status::NotSupported);
}

#[test]
fn tables_that_somebody_wrote_in_are_reported() {
    let machine = Machine::new();
    let domain = machine.alloc(0);
    assert_eq!(machine.set(0, EDU, DeviceState::Paging(domain)), Status::Ok);
    let StreamConfig::Stage2(stage2) = machine.smmus[0].config(EDU) else { panic!() };
    let owner = crate::pool::Owner::new(domain.slot()).unwrap();
    let root = machine.pool.words(machine.pool.page_of(stage2.root, owner).unwrap()).unwrap();
    for word in root {
        word.store(0x1234_5003, core::sync::atomic::Ordering::Relaxed);
    }
    let at = WINDOW.base;
    assert_eq!(machine.map(domain, at, RAM, K4, READ), (Status::Tampered, 0));
    assert_eq!(machine.unmap(domain, at, K4), (Status::Tampered, 0));
    assert_eq!(machine.status(Request::IovaToPa { domain, iova: Iova(at) }), Status::Tampered);
    assert_eq!(machine.set(0, EDU, DeviceState::Blocked), Status::Ok);
    assert_eq!(machine.status(Request::DomainFree(domain)), Status::Ok);
    assert_eq!(machine.pool.available(), POOL_PAGES);
}

/// Requests that are near to sensible ones, so that sequences get somewhere.
fn requests() -> impl Strategy<Value = Request> {
    let domain =
        (0usize..3, 1u32..4).prop_map(|(slot, generation)| DomainHandle::new(slot, generation).unwrap());
    let page =
        prop_oneof![0u64..8, 510u64..520, Just(512), any::<u64>()].prop_map(|page| page.wrapping_mul(K4));
    let iova = page.clone().prop_map(|offset| Iova(AT.wrapping_add(offset)));
    let pa = page.clone().prop_map(|offset| PhysAddr(RAM.wrapping_add(offset)));
    let size = prop_oneof![Just(K4), Just(M2), page, any::<u64>()];
    let sid = prop_oneof![Just(EDU), Just(MANY), Just(NOBODY_S), any::<u32>()].prop_map(StreamId);
    let smmu = prop_oneof![Just(0u16), 0..4u16].prop_map(SmmuIndex);
    let state = prop_oneof![
        Just(DeviceState::Blocked),
        domain.clone().prop_map(DeviceState::Paging),
        domain.clone().prop_map(DeviceState::Paging)
    ];
    prop_oneof![
        smmu.clone().prop_map(|smmu| Request::DomainAlloc { smmu, kind: DomainKind::Paging }),
        domain.clone().prop_map(Request::DomainFree),
        (smmu.clone(), sid.clone(), proptest::option::weighted(0.8, domain.clone()), 0..3u64).prop_map(
            |(smmu, sid, domain, context)| Request::NestedSet {
                smmu,
                sid,
                domain,
                context: Iova(AT + context * 32)
            }
        ),
        (smmu.clone(), sid.clone(), any::<[u64; 2]>())
            .prop_map(|(smmu, sid, command)| Request::NestedInvalidate { smmu, sid, command }),
        (smmu, sid, state).prop_map(|(smmu, sid, state)| Request::DeviceSetState { smmu, sid, state }),
        (domain.clone(), iova.clone(), pa, size.clone(), 1u64..4).prop_map(
            |(domain, iova, pa, size, bits)| {
                Request::Map { domain, iova, pa, size, protection: Protection::from_bits(bits).unwrap() }
            }
        ),
        (domain.clone(), iova.clone(), size).prop_map(|(domain, iova, size)| Request::Unmap {
            domain,
            iova,
            size
        }),
        (domain, iova).prop_map(|(domain, iova)| Request::IovaToPa { domain, iova }),
        Just(Request::FaultPoll),
    ]
}

const AT: u64 = 0x1000_0000;

/// Wherever a device's DMA goes through now, it goes to managed memory, and a device that nobody holds goes nowhere.
fn check_devices(machine: &Machine) {
    for smmu in machine.smmus {
        for sid in [EDU, MANY, MANY + u32::from(MANY_COUNT) - 1] {
            for page in [0, 1, 7, 511, 512, 513] {
                if let Some(pa) = smmu.dma(sid, AT + page * K4, true) {
                    assert!((RAM..RAM + RAM_SIZE).contains(&pa));
                }
            }
        }
        assert_eq!(smmu.dma(NOBODY_S, AT, false), None);
    }
}

proptest! {
    #[test]
    fn random_messages_are_answered(messages in proptest::collection::vec((any::<u16>(), any::<[u64; 5]>()), 1..50)) {
        let machine = Machine::new();
        for (endpoint, mut registers) in messages {
            for endpoint in [endpoint, HOST] {
                prop_assert!(Response::decode(machine.service.handle(endpoint, registers)).is_some());
            }
            // The same with an operation that exists.
            let operations = [1, 2, 3, 4, 5, 6, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x30, 0x8005];
            registers[0] = registers[0] & !0xffff | operations[usize::from(endpoint) % operations.len()];
            prop_assert!(Response::decode(machine.service.handle(HOST, registers)).is_some());
        }
    }

    #[test]
    fn random_requests_never_open_a_device(
        requests in proptest::collection::vec(requests(), 1..80),
        stage1: bool,
    ) {
        let mut nested = policy();
        nested.devices.iter_mut().for_each(|device| device.nested = device.holders.host);
        let format = if stage1 { Format::Stage1 } else { Format::Stage2 };
        let machine = Machine::with_smmus(nested, POOL_PAGES, |smmu| {
            (smmu.features.format, smmu.features.nested) = (format, !stage1);
        });
        for request in requests {
            let before = match request {
                Request::Unmap { domain, iova, size } => Some((domain, iova.0, size)),
                _ => None,
            };
            let response = machine.ask(request);
            check_devices(&machine);
            // What was said to be unmapped is unreachable for every device in that domain.
            if let (Some((domain, iova, _)), Status::Ok) = (before, response.status) {
                for (index, smmu) in machine.smmus.iter().enumerate() {
                    for sid in [EDU, MANY] {
                        let vmid = match smmu.config(sid) {
                            StreamConfig::Stage1(stage1) => usize::from(stage1.asid.0),
                            StreamConfig::Stage2(stage2) => usize::from(stage2.vmid.0),
                            StreamConfig::Nested(nested) => usize::from(nested.stage2.vmid.0),
                            StreamConfig::Abort | StreamConfig::Silent => 0,
                        };
                        if vmid == domain.slot() + 1 && response.values[0] > 0 {
                            prop_assert_eq!(smmu.dma(sid, iova, false), None, "SMMU {}", index);
                        }
                    }
                }
            }
        }
        // Whatever happened, all comes back.
        for (smmu, sid) in [(0, EDU), (0, MANY), (1, EDU)] {
            while machine.set(smmu, sid, DeviceState::Blocked) == Status::Again {}
        }
        for slot in 0..3 {
            for generation in 1..90 {
                let _ = machine.status(Request::DomainFree(DomainHandle::new(slot, generation).unwrap()));
            }
        }
        for slot in 3..MAX_DOMAINS {
            let _ = machine.status(Request::DomainFree(DomainHandle::new(slot, 1).unwrap()));
        }
        prop_assert_eq!(machine.pool.available(), POOL_PAGES);
    }
}

/// What the hypervisor asks for, or the kernel with a key that it guessed.
fn hyp_requests() -> impl Strategy<Value = (bool, HypRequest)> {
    let page = prop_oneof![0u64..8, 508u64..516, 1020u64..1030, any::<u64>()];
    let pages = (page, prop_oneof![Just(1u16), 1..10u16, Just(512), any::<u16>()])
        .prop_map(|(page, count)| Pages { first: PhysAddr(RAM.wrapping_add(page.wrapping_mul(K4))), count });
    let owner =
        prop_oneof![Just(PageOwner::Hyp), (0..2u16).prop_map(PageOwner::Guest), Just(PageOwner::Host)];
    (prop::bool::weighted(0.9), pages, owner, 0..8).prop_map(|(right, pages, owner, kind)| {
        let request = match kind {
            0..3 => HypRequest::Own(pages, owner),
            3..5 => HypRequest::Disown(pages, owner),
            5 => HypRequest::Share(pages, owner),
            6 => HypRequest::Unshare(pages, owner),
            _ => HypRequest::PageState(pages.first),
        };
        (right, request)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
    /// Whatever kernel and hypervisor ask for, no device reaches a page that the kernel may not use, and all comes back.
    #[test]
    fn no_device_reaches_a_page_that_was_taken(
        steps in proptest::collection::vec(prop_oneof![
            2 => requests().prop_map(Ok),
            1 => hyp_requests().prop_map(Err),
        ], 1..80)
    ) {
        let machine = super::roles::with_hyp();
        machine.ask(Request::Claim);
        let state = |address: u64| machine.service.ownership.state(PhysAddr(address));
        for step in steps {
            let before = owners(&machine);
            match step {
                Ok(request) => drop(machine.ask(request)),
                Err((right, request)) => {
                    let key = if right { KEY } else { [KEY[0], !KEY[1]] };
                    let status = super::roles::hyp(&machine, key, request).status;
                    if status != Status::Ok {
                        prop_assert_eq!(owners(&machine), before, "all or nothing");
                    }
                }
            }
            for smmu in machine.smmus {
                for sid in [EDU, MANY] {
                    for page in (0..8).chain(508..516) {
                        if let Some(pa) = smmu.dma(sid, AT + page * K4, true) {
                            let state = state(pa).unwrap();
                            prop_assert!(state.host_access && state.pins > 0, "{:#x}: {:?}", pa, state);
                        }
                    }
                }
            }
        }
        for (smmu, sid) in [(0, EDU), (0, MANY), (1, EDU)] {
            machine.set(smmu, sid, DeviceState::Blocked);
        }
        for (slot, generation) in (0..3).flat_map(|slot| (1..90).map(move |generation| (slot, generation))).chain((3..MAX_DOMAINS).map(|slot| (slot, 1))) {
            let domain = DomainHandle::new(slot, generation).unwrap();
            while machine.status(Request::DomainFree(domain)) == Status::Again {}
        }
        prop_assert_eq!(machine.pool.available(), POOL_PAGES);
        for page in 0..1100 {
            prop_assert_eq!(state(RAM + page * K4).unwrap().pins, 0);
        }
    }
}

/// Who owns the first pages.
fn owners(machine: &Machine) -> std::vec::Vec<(PageOwner, bool)> {
    let state = |page| machine.service.ownership.state(PhysAddr(RAM + page * K4)).unwrap();
    (0..1600).map(state).map(|state| (state.owner, state.host_access)).collect()
}

#[test]
fn cores_do_everything_at_once() {
    let machine = Machine::new();
    let shared = machine.alloc(0);
    std::thread::scope(|scope| {
        for core in 0..4_u64 {
            let machine = &machine;
            scope.spawn(move || {
                for round in 0..if cfg!(miri) { 5 } else { 300 } {
                    // A domain of its own: alloc, map, attach, unmap, free.
                    let own = match machine
                        .ask(Request::DomainAlloc { smmu: SmmuIndex(0), kind: DomainKind::Paging })
                    {
                        Response { status: Status::Ok, values } => {
                            DomainHandle::from_raw(u32::try_from(values[0]).unwrap()).unwrap()
                        }
                        other => panic!("{other:?}"),
                    };
                    let at = AT + core * M2;
                    assert_eq!(machine.map(own, at, RAM, 3 * K4, BOTH), (Status::Ok, 3 * K4));
                    let _ = machine.set(0, EDU, DeviceState::Paging(own));
                    // The same 2 MiB of the shared one: whole tables go while others map.
                    let (status, _) = machine.map(shared, AT + core * K4, RAM + round * K4, K4, BOTH);
                    assert!(
                        matches!(status, Status::Ok | Status::AlreadyMapped | Status::Busy),
                        "{status:?}"
                    );
                    let (status, _) = machine.unmap(shared, AT, M2);
                    assert!(matches!(status, Status::Ok | Status::Busy), "{status:?}");
                    assert_eq!(machine.unmap(own, at, 3 * K4), (Status::Ok, 3 * K4));
                    while machine.set(0, EDU, DeviceState::Blocked) != Status::Ok {}
                    // Another core may have attached it meanwhile, never ours.
                    loop {
                        match machine.status(Request::DomainFree(own)) {
                            Status::Ok => break,
                            Status::Busy => while machine.set(0, EDU, DeviceState::Blocked) != Status::Ok {},
                            other => panic!("{other:?}"),
                        }
                    }
                    let _ = machine.poll();
                }
            });
        }
    });
    assert_eq!(machine.status(Request::DomainFree(shared)), Status::Ok);
    assert_eq!(machine.pool.available(), POOL_PAGES);
}
