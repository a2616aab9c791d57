// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests survive the wire, and nothing on the wire survives that is not a request.

use super::*;
use proptest::prelude::*;

fn handles() -> impl Strategy<Value = DomainHandle> {
    (0..DomainHandle::MAX_SLOTS, 1..=DomainHandle::MAX_GENERATION)
        .prop_map(|(slot, generation)| DomainHandle::new(slot, generation).unwrap())
}

fn areas() -> impl Strategy<Value = AreaHandle> {
    handles().prop_map(|handle| AreaHandle::from_raw(handle.raw()).unwrap())
}

fn states() -> impl Strategy<Value = DeviceState> {
    prop_oneof![
        Just(DeviceState::Blocked),
        Just(DeviceState::Identity),
        handles().prop_map(DeviceState::Paging)
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    let protection = (1u64..4).prop_map(|bits| Protection::from_bits(bits).unwrap());
    prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(major, minor)| Request::Version(Version { major, minor })),
        Just(Request::Features),
        Just(Request::PolicyDigest),
        Just(Request::Claim),
        any::<(u16, u32, u16, [u8; 16])>().prop_map(|(smmu, first, count, name)| {
            Request::Register(DeviceRecord { smmu: SmmuIndex(smmu), first: StreamId(first), count, name })
        }),
        any::<u64>().prop_map(|index| Request::DeviceDescribe { index }),
        any::<u16>()
            .prop_map(|smmu| Request::DomainAlloc { smmu: SmmuIndex(smmu), kind: DomainKind::Paging }),
        handles().prop_map(Request::DomainFree),
        (any::<u16>(), any::<u32>(), states()).prop_map(|(smmu, sid, state)| {
            Request::DeviceSetState { smmu: SmmuIndex(smmu), sid: StreamId(sid), state }
        }),
        (any::<u16>(), any::<u32>(), proptest::option::of(handles()), any::<u64>()).prop_map(
            |(smmu, sid, domain, context)| {
                let (smmu, sid) = (SmmuIndex(smmu), StreamId(sid));
                Request::NestedSet { smmu, sid, domain, context: Iova(context) }
            }
        ),
        any::<(u16, u32, [u64; 2])>().prop_map(|(smmu, sid, command)| {
            Request::NestedInvalidate { smmu: SmmuIndex(smmu), sid: StreamId(sid), command }
        }),
        (handles(), any::<u64>(), any::<u64>(), any::<u64>(), protection).prop_map(
            |(domain, iova, pa, size, protection)| Request::Map {
                domain,
                iova: Iova(iova),
                pa: PhysAddr(pa),
                size,
                protection
            }
        ),
        (handles(), any::<u64>(), any::<u64>()).prop_map(|(domain, iova, size)| Request::Unmap {
            domain,
            iova: Iova(iova),
            size
        }),
        (handles(), any::<u64>()).prop_map(|(domain, iova)| Request::IovaToPa { domain, iova: Iova(iova) }),
        Just(Request::FaultPoll),
        any::<u64>().prop_map(|memory| Request::AreaOpen { memory }),
        areas().prop_map(Request::AreaClose),
        (areas(), any::<u16>(), any::<u16>()).prop_map(|(area, first, slots)| Request::Doorbell(Doorbell {
            area,
            first,
            slots
        })),
        any::<u16>().prop_map(|smmu| Request::SmmuStatus(SmmuIndex(smmu))),
        (any::<u16>(), 0u8..3).prop_map(|(smmu, hint)| Request::SmmuCheck {
            smmu: SmmuIndex(smmu),
            hint: PowerHint::try_from(hint).unwrap()
        }),
    ]
}

proptest! {
    #[test]
    fn requests_round_trip(request in requests()) {
        prop_assert_eq!(Request::decode(request.encode()), Ok(request));
    }

    /// What decodes encodes to the same registers: no bit of a message is ignored.
    #[test]
    fn no_register_is_ignored(operation in 0u64..0x60, field: u16, handle: u32, rest: [u64; 4]) {
        let x3 = operation | u64::from(field) << 16 | u64::from(handle) << 32;
        let registers = [x3, rest[0], rest[1], rest[2], rest[3]];
        if let Ok(request) = Request::decode(registers) {
            prop_assert_eq!(request.encode(), registers);
        }
    }

    /// One reserved bit too many refuses the whole request.
    #[test]
    fn reserved_bits_are_refused(request in requests(), register in 0usize..5, bit in 0u32..64) {
        let mut registers = request.encode();
        registers[register] ^= 1 << bit;
        match Request::decode(registers) {
            Ok(other) => prop_assert_ne!(other, request),
            Err(status) => prop_assert_ne!(status, Status::Ok),
        }
    }
}

#[test]
fn unknown_operations_are_not_supported() {
    assert_eq!(Request::decode([0, 0, 0, 0, 0]), Err(Status::NotSupported));
    assert_eq!(Request::decode([0xffff, 0, 0, 0, 0]), Err(Status::NotSupported));
}

#[test]
fn a_mapping_without_access_is_refused() {
    let handle = DomainHandle::new(0, 1).unwrap();
    let x3 = Header { operation: Operation::Map.into(), field: 0, handle: handle.raw() }.to_register();
    assert_eq!(Request::decode([x3, 0, 0, 0x1000, 0]), Err(Status::InvalidParameters));
    assert_eq!(Request::decode([x3, 0, 0, 0x1000, 4]), Err(Status::InvalidParameters));
}
