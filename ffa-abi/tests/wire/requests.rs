// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests: at least one vector for each operation.

use std::collections::BTreeSet;

use ffa_abi::ring::Doorbell;
use ffa_abi::{
    AreaHandle, Call, DeviceRecord, DeviceState, DomainHandle, DomainKind, GuestRequest, Header, HypMessage,
    HypOperation, HypRequest, Iova, Key, Operation, PageOwner, Pages, PhysAddr, PoolHolder, PoolRequest,
    PowerHint, Protection, Request, SmmuIndex, StreamId, Version,
};

use super::vectors::vectors;

const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

fn domain() -> DomainHandle {
    DomainHandle::new(7, 3).unwrap()
}

fn area() -> AreaHandle {
    AreaHandle::new(7, 3).unwrap()
}

/// A device whose name has as many letters as fit.
pub(super) fn device() -> DeviceRecord {
    DeviceRecord { smmu: SmmuIndex(2), first: StreamId(0x1_2345), count: 0x102, name: *b"sixteen-letters!" }
}

pub(super) fn all() -> Vec<(&'static str, Request)> {
    let set = |state| Request::DeviceSetState { smmu: SmmuIndex(1), sid: StreamId(0x1_2345), state };
    let nest = |domain| Request::NestedSet {
        smmu: SmmuIndex(1),
        sid: StreamId(0x1_2345),
        domain,
        context: Iova(0x12_3456_7040),
    };
    vec![
        ("VERSION", Request::Version(Version { major: 0x1234, minor: 0x5678 })),
        ("FEATURES", Request::Features),
        ("POLICY_DIGEST", Request::PolicyDigest),
        ("DEVICE_DESCRIBE", Request::DeviceDescribe { index: 0x1_0000_0005 }),
        ("CLAIM", Request::Claim),
        ("REGISTER", Request::Register(device())),
        ("DOMAIN_ALLOC", Request::DomainAlloc { smmu: SmmuIndex(0x102), kind: DomainKind::Paging }),
        ("DOMAIN_FREE", Request::DomainFree(domain())),
        ("DEVICE_SET_STATE.blocked", set(DeviceState::Blocked)),
        ("DEVICE_SET_STATE.paging", set(DeviceState::Paging(domain()))),
        ("DEVICE_SET_STATE.identity", set(DeviceState::Identity)),
        ("NESTED_SET", nest(Some(domain()))),
        ("NESTED_SET.identity", nest(None)),
        (
            "NESTED_INVALIDATE",
            Request::NestedInvalidate {
                smmu: SmmuIndex(1),
                sid: StreamId(0x1_2345),
                command: [0x0005_0000_0000_0011, 0x12_3456_7001],
            },
        ),
        (
            "MAP",
            Request::Map {
                domain: domain(),
                iova: Iova(0x12_3456_7000),
                pa: PhysAddr(0x100_89ab_c000),
                size: 0x1_0000_2000,
                protection: Protection::READ | Protection::WRITE,
            },
        ),
        ("UNMAP", Request::Unmap { domain: domain(), iova: Iova(0x12_3456_7000), size: 0x1_0000_2000 }),
        ("IOVA_TO_PA", Request::IovaToPa { domain: domain(), iova: Iova(0x12_3456_7089) }),
        ("FAULT_POLL", Request::FaultPoll),
        ("SMMU_STATUS", Request::SmmuStatus(SmmuIndex(0x102))),
        ("SMMU_CHECK", Request::SmmuCheck { smmu: SmmuIndex(0x102), hint: PowerHint::Returned }),
        ("AREA_OPEN", Request::AreaOpen { memory: 0x2000_0000_0000_0005 }),
        ("AREA_CLOSE", Request::AreaClose(area())),
        ("DOORBELL", Request::Doorbell(Doorbell { area: area(), first: 0x102, slots: 0x200 })),
        ("CALL", Request::Call(Call { area: area(), page: 0x102, bytes: 0x10 })),
    ]
}

pub(super) fn all_of_the_hypervisor() -> Vec<(&'static str, HypRequest)> {
    let pages = Pages { first: PhysAddr(0x100_4000_0000), count: 0x200 };
    let (guest, smmu, sid) = (HypRequest::Guest, SmmuIndex(0x102), StreamId(0x1_2345));
    let (iova, pool) = (Iova(0x12_3456_7000), HypRequest::Pool);
    vec![
        ("STATISTICS", HypRequest::Statistics),
        ("OWN", HypRequest::Own(pages, PageOwner::Hyp)),
        ("DISOWN", HypRequest::Disown(pages, PageOwner::Guest(0))),
        ("SHARE", HypRequest::Share(pages, PageOwner::Guest(0x1234))),
        ("UNSHARE", HypRequest::Unshare(pages, PageOwner::Guest(0xffff))),
        ("hyp.FAULT_POLL", HypRequest::FaultPoll),
        ("QUARANTINE", HypRequest::Quarantine { smmu: SmmuIndex(0x102), sid: StreamId(0x12345), on: true }),
        ("hyp.SMMU_STATUS", HypRequest::SmmuStatus(SmmuIndex(0x102))),
        ("hyp.SMMU_CHECK", HypRequest::SmmuCheck(SmmuIndex(0x102), PowerHint::Goes)),
        ("PAGE_STATE", HypRequest::PageState(PhysAddr(0x100_4000_0000))),
        ("GUEST_DOMAIN_ALLOC", guest(GuestRequest::DomainAlloc { smmu, owner: PageOwner::Guest(0x1234) })),
        ("GUEST_DOMAIN_FREE", guest(GuestRequest::DomainFree(domain()))),
        (
            "GUEST_MAP",
            guest(GuestRequest::Map {
                domain: domain(),
                iova,
                pa: PhysAddr(0x100_89ab_c000),
                pages: 0x200,
                protection: Protection::READ | Protection::WRITE,
            }),
        ),
        ("GUEST_UNMAP", guest(GuestRequest::Unmap { domain: domain(), iova, pages: 0x200 })),
        ("GUEST_IOVA_TO_PA", guest(GuestRequest::IovaToPa { domain: domain(), iova: Iova(0x12_3456_7089) })),
        ("DEVICE_ASSIGN", guest(GuestRequest::DeviceAssign { smmu, sid, domain: domain() })),
        ("DEVICE_RETURN", guest(GuestRequest::DeviceReturn { smmu, sid })),
        ("POOL_LEND", pool(PoolRequest::Lend { memory: 0x2000_0000_0000_0005, holder: PoolHolder::Guests })),
        ("POOL_RECLAIM", pool(PoolRequest::Reclaim { memory: 0x2000_0000_0000_0005 })),
        ("POOL_STATUS", pool(PoolRequest::Status(PoolHolder::Hyp))),
    ]
}

#[test]
fn requests_are_as_they_stand_in_the_file() {
    let vectors = vectors();
    for (name, request) in all() {
        assert_eq!(request.encode(), vectors[name], "{name}");
        assert_eq!(Request::decode(vectors[name]), Ok(request), "{name}");
    }
    for (name, request) in all_of_the_hypervisor() {
        assert_eq!(request.encode(Key::from_registers(KEY)), vectors[name], "{name}");
        let message = HypMessage::of(vectors[name]).unwrap();
        assert_eq!((message.key.to_registers(), message.request()), (KEY, Ok(request)), "{name}");
    }
}

#[test]
fn each_operation_has_a_vector() {
    let vectors = vectors();
    let named = |names: Vec<&str>| -> BTreeSet<u16> {
        names.iter().map(|name| Header::from_register(vectors[name][0]).operation).collect()
    };
    let there = named(all().iter().map(|(name, _)| *name).collect());
    assert_eq!(there, (0..=u16::MAX).filter(|number| Operation::try_from(*number).is_ok()).collect());
    let there = named(all_of_the_hypervisor().iter().map(|(name, _)| *name).collect());
    assert_eq!(there, (0..=u16::MAX).filter(|number| HypOperation::try_from(*number).is_ok()).collect());
}
