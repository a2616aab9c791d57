// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The hypervisor's messages survive the wire, key and all, and are told from the kernel's.

use super::*;
use crate::{DomainHandle, GuestRequest, Iova, PoolHolder, Protection, Request, StreamId};
use proptest::prelude::*;
use std::format;

fn requests() -> impl Strategy<Value = HypRequest> {
    let pages =
        (any::<u64>(), any::<u16>()).prop_map(|(first, count)| Pages { first: PhysAddr(first), count });
    let owner = prop_oneof![
        Just(PageOwner::Host),
        Just(PageOwner::Hyp),
        any::<u16>().prop_map(PageOwner::Guest),
        Just(PageOwner::Pool)
    ];
    prop_oneof![
        guest_requests(owner.clone()).prop_map(HypRequest::Guest),
        (any::<u64>(), 0u8..3, 0..3).prop_map(|(memory, holder, kind)| {
            let holder = PoolHolder::try_from(holder).unwrap();
            HypRequest::Pool(match kind {
                0 => PoolRequest::Lend { memory, holder },
                1 => PoolRequest::Reclaim { memory },
                _ => PoolRequest::Status(holder),
            })
        }),
        Just(HypRequest::Statistics),
        Just(HypRequest::FaultPoll),
        (any::<u16>(), any::<u32>(), any::<bool>()).prop_map(|(smmu, sid, on)| HypRequest::Quarantine {
            smmu: SmmuIndex(smmu),
            sid: StreamId(sid),
            on
        }),
        any::<u16>().prop_map(|smmu| HypRequest::SmmuStatus(SmmuIndex(smmu))),
        (any::<u16>(), 0u8..3).prop_map(|(smmu, hint)| {
            HypRequest::SmmuCheck(SmmuIndex(smmu), PowerHint::try_from(hint).unwrap())
        }),
        any::<u64>().prop_map(|address| HypRequest::PageState(PhysAddr(address))),
        (pages, owner, 0..4).prop_map(|(pages, owner, kind)| match kind {
            0 => HypRequest::Own(pages, owner),
            1 => HypRequest::Disown(pages, owner),
            2 => HypRequest::Share(pages, owner),
            _ => HypRequest::Unshare(pages, owner),
        }),
    ]
}

fn guest_requests(owner: impl Strategy<Value = PageOwner>) -> impl Strategy<Value = GuestRequest> {
    let handles = (0..DomainHandle::MAX_SLOTS, 1..=DomainHandle::MAX_GENERATION);
    let handles = handles.prop_map(|(slot, generation)| DomainHandle::new(slot, generation).unwrap());
    let all = (handles, owner, any::<(u16, u32, u64, u64)>(), 1u64..4, 0..7);
    all.prop_map(|(domain, owner, (field, sid, address, pa), protection, kind)| {
        let (smmu, sid, pages, iova) = (SmmuIndex(field), StreamId(sid), field, Iova(address));
        let protection = Protection::from_bits(protection).unwrap();
        match kind {
            0 => GuestRequest::DomainAlloc { smmu, owner },
            1 => GuestRequest::DomainFree(domain),
            2 => {
                let iova = Iova(address & !0xfff);
                GuestRequest::Map { domain, iova, pa: PhysAddr(pa), pages, protection }
            }
            3 => GuestRequest::Unmap { domain, iova, pages },
            4 => GuestRequest::IovaToPa { domain, iova },
            5 => GuestRequest::DeviceAssign { smmu, sid, domain },
            _ => GuestRequest::DeviceReturn { smmu, sid },
        }
    })
}

proptest! {
    #[test]
    fn requests_round_trip_with_their_key(request in requests(), key: [u64; 2]) {
        let registers = request.encode(Key::from_registers(key));
        let message = HypMessage::of(registers).unwrap();
        prop_assert_eq!(message.key.to_registers(), key);
        prop_assert_eq!(message.request(), Ok(request));
        prop_assert_eq!(Request::decode(registers), Err(Status::NotSupported));
    }

    /// What decodes encodes to the same registers: no bit of a message is ignored.
    #[test]
    fn no_register_is_ignored(operation in 0x8000u64..0x8070, field: u16, handle: u32, rest: [u64; 4]) {
        let x3 = operation | u64::from(field) << 16 | u64::from(handle) << 32;
        let registers = [x3, rest[0], rest[1], rest[2], rest[3]];
        let message = HypMessage::of(registers).unwrap();
        if let Ok(request) = message.request() {
            prop_assert_eq!(request.encode(message.key), registers);
        }
    }

    /// One reserved bit too many refuses the whole request.
    #[test]
    fn reserved_bits_are_refused(request in requests(), register in prop_oneof![Just(0usize), 3usize..5], bit in 0u32..64) {
        let mut registers = request.encode(Key::from_registers([1, 2]));
        registers[register] ^= 1 << bit;
        match HypMessage::of(registers).map(|message| message.request()) {
            Some(Ok(other)) => prop_assert_ne!(other, request),
            Some(Err(status)) => prop_assert_ne!(status, Status::Ok),
            None => prop_assert_eq!((register, bit), (0, 15)),
        }
    }

    #[test]
    fn the_kernel_s_operations_are_none_of_the_hypervisor_s(operation in 0u64..0x8000, rest: [u64; 4]) {
        prop_assert!(HypMessage::of([operation, rest[0], rest[1], rest[2], rest[3]]).is_none());
    }
}

#[test]
fn keys_are_not_printed() {
    assert_eq!(format!("{:?}", Key::from_registers([0x1234, 0x5678])), "Key");
}
