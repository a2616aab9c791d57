// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Discovery by registers, and partitions with several services.

use arm_ffa::interface_args::SuccessArgs;
use arm_ffa::partition_info::{PartitionIdType, PartitionInfoIterator, SuccessArgsPartitionInfoGetRegs};

use super::*;
use crate::notifications::Receiver;

const GET_REGS: u64 = 0xc400_008b;
const OK_64: u64 = 0xc400_0061;
const RETRY: u64 = 0xffff_fff9;
/// A service that two partitions offer.
const SHARED: u128 = 0x77;

/// Tells whether x8–x17 are part of the answer: only that to FFA_PARTITION_INFO_GET_REGS.
pub(super) fn uses_all(call: &MessageRegisters, answer: &MessageRegisters) -> bool {
    u64::from(function_id(call)) == GET_REGS && answer[0] == OK_64
}

fn service(uuid: u128, receives_direct: bool, sends_direct: bool) -> Service {
    let method = |has, method| if has { method } else { MessagingMethod::NONE };
    let messaging = method(receives_direct, MessagingMethod::RECEIVES_DIRECT)
        .with(method(sends_direct, MessagingMethod::SENDS_DIRECT));
    Service { uuid: Uuid::from_u128(uuid), messaging }
}

/// Partitions with four, one and two services.
fn spmc_of_seven_services() -> Spmc {
    let mut partitions = Partitions::new();
    let first = [
        service(UUID_1, true, false),
        service(2, false, true),
        service(3, false, false),
        service(SHARED, true, true),
    ];
    partitions.push(partition_with(0x8001, &first, 1)).unwrap();
    partitions.push(partition_with(0x8002, &[service(4, true, false)], 8)).unwrap();
    let third = [service(5, false, true), service(SHARED, true, false)];
    partitions.push(partition_with(0x8003, &third, 1)).unwrap();
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

fn ask(spmc: &Spmc, uuid: Uuid, start_and_tag: u64) -> MessageRegisters {
    let [low, high] = UuidHelper::to_u64_regs(uuid);
    let mut message = registers(&[GET_REGS, low, high, start_and_tag]);
    assert_eq!(spmc.from_normal_world(&mut message, core(0), &FakeHardware::default()), NormalNext::Answer);
    message
}

/// Reads an answer with the decoder of another implementation.
fn decode(answer: &MessageRegisters) -> (SuccessArgsPartitionInfoGetRegs, std::vec::Vec<(u16, u16, Uuid)>) {
    assert_eq!(answer[..2], [OK_64, 0]);
    let args = SuccessArgs::Args64(*answer.last_chunk().unwrap());
    let args = SuccessArgsPartitionInfoGetRegs::try_from(args).unwrap();
    let data = args.descriptor_data;
    let count = data.chunks(24).take_while(|bytes| bytes[0] != 0).count();
    let infos = PartitionInfoIterator::new(Version(1, 2), &data, count).unwrap();
    let found = infos.map(|info| {
        let info = info.unwrap();
        let PartitionIdType::PeEndpoint { execution_ctx_count } = info.partition_id_type else { panic!() };
        assert!(info.props.is_aarch64 && !info.props.support_notif_rec && !info.props.support_indirect_msg);
        assert_eq!(info.props.support_direct_req2_rec, Some(false));
        (info.partition_id, execution_ctx_count, info.uuid)
    });
    let found = found.collect();
    assert!(data[24 * count..].iter().all(|byte| *byte == 0), "nothing behind");
    (args, found)
}

#[test]
fn all_services_come_in_two_answers() {
    let spmc = spmc_of_seven_services();
    let (first, found) = decode(&ask(&spmc, Uuid::nil(), 0));
    assert_eq!((first.last_index, first.current_index, first.info_tag), (6, 4, 0));
    let uuids = [UUID_1, 2, 3, SHARED, 4].map(Uuid::from_u128);
    assert_eq!(found.iter().map(|(_, _, uuid)| *uuid).collect::<std::vec::Vec<_>>(), uuids);
    assert_eq!(found[4].0, 0x8002);
    assert_eq!(found[4].1, 8);
    let (rest, found) = decode(&ask(&spmc, Uuid::nil(), 5));
    assert_eq!((rest.last_index, rest.current_index), (6, 6));
    assert_eq!(found, [(0x8003, 1, Uuid::from_u128(5)), (0x8003, 1, Uuid::from_u128(SHARED))]);
}

#[test]
fn a_service_of_two_partitions_is_found_in_both() {
    let spmc = spmc_of_seven_services();
    let answer = ask(&spmc, Uuid::from_u128(SHARED), 0);
    let (args, found) = decode(&answer);
    assert_eq!((args.last_index, args.current_index), (1, 1));
    assert_eq!(found, [(0x8001, 1, Uuid::nil()), (0x8003, 1, Uuid::nil())], "the caller knows the UUID");
    // Bits 1-0 of the properties are of this service, not of the partition.
    assert_eq!([answer[3] >> 32, answer[6] >> 32], [0x103, 0x101]);
    assert_eq!(ask(&spmc, Uuid::from_u128(SHARED), 1)[3] >> 32, 0x101, "from the second on");
}

#[test]
fn wrong_indices_tags_and_uuids() {
    let spmc = spmc_of_seven_services();
    for (uuid, start_and_tag, status) in [
        (Uuid::nil(), 7, INVALID_PARAMETERS),
        (Uuid::nil(), 0xffff, INVALID_PARAMETERS),
        (Uuid::nil(), 1 << 16, INVALID_PARAMETERS),
        (Uuid::nil(), 1 << 16 | 5, RETRY),
        (Uuid::from_u128(SHARED), 2, INVALID_PARAMETERS),
        (Uuid::from_u128(0x99), 0, INVALID_PARAMETERS),
    ] {
        let answer = ask(&spmc, uuid, start_and_tag);
        assert_eq!(answer[..8], [ERROR, 0, status, 0, 0, 0, 0, 0], "{uuid} {start_and_tag:#x}");
        assert_eq!(answer[8..], [0x5555_5555_5555_5555; 10], "an error leaves the rest");
    }
    // Bits 63-32 should be zero, and are ignored.
    assert_eq!(ask(&spmc, Uuid::nil(), 0xffff_ffff_0000_0000)[0], OK_64);
}

#[test]
fn a_partition_finds_itself_and_others() {
    let spmc = spmc_of_seven_services();
    let (_, answer) = call_as(&spmc, AT_FIRST, &[GET_REGS]);
    let (args, found) = decode(&answer);
    assert_eq!((args.last_index, found[0].0, found[4].0), (6, 0x8001, 0x8002));
}

#[test]
fn registers_are_for_callers_of_1_2() {
    for version in [0x1_0000, 0x1_0001] {
        let spmc = spmc_of_seven_services();
        spmc.normal_version.negotiate(version);
        assert_eq!(call(&spmc, &[GET_REGS])[..3], [ERROR, 0, NOT_SUPPORTED]);
        assert_eq!(call(&spmc, &[0x8400_008b])[..3], [ERROR, 0, NOT_SUPPORTED]);
    }
}

#[test]
fn features_tell_what_the_callers_version_has() {
    for (version, since_1_1, since_1_2) in
        [(0x1_0000, ERROR, ERROR), (0x1_0001, OK, ERROR), (0x1_0002, OK, OK)]
    {
        let spmc = spmc_of_seven_services();
        spmc.normal_version.negotiate(version);
        assert_eq!(call(&spmc, &[0x8400_0064, 0x8400_0068])[0], OK);
        assert_eq!(call(&spmc, &[0x8400_0064, 0x8400_0085])[0], since_1_1);
        assert_eq!(call(&spmc, &[0x8400_0064, GET_REGS])[0], since_1_2);
        assert_eq!(call(&spmc, &[0x8400_0064, 0x8400_008b])[0], ERROR, "64 bit only");
    }
}

#[test]
fn feature_ids_tell_what_is_there_for_whom() {
    let mut spmc = spmc_of_seven_services();
    spmc.partitions[0].notifications = Some(Receiver::default());
    for id in (0..0x200).chain([0x4000_0002, 0x7fff_ffff]) {
        for properties in [0, 2, u64::from(u32::MAX)] {
            let ask = [0x8400_0064, id, properties];
            // The schedule receiver interrupt (§13.3, feature ID 2), for whoever schedules.
            let expected = if id == 2 { [OK, 0, 8] } else { [ERROR, 0, NOT_SUPPORTED] };
            assert_eq!(call(&spmc, &ask)[..3], expected, "{id:#x}");
            // The notification pending interrupt (feature ID 1), for who takes notifications.
            let expected = if id == 1 { [OK, 0, 5] } else { [ERROR, 0, NOT_SUPPORTED] };
            assert_eq!(call_as(&spmc, AT_FIRST, &ask).1[..3], expected, "{id:#x}");
            let second = VcpuRef { partition: 1, vcpu: 0 };
            assert_eq!(call_as(&spmc, second, &ask).1[..3], [ERROR, 0, NOT_SUPPORTED], "{id:#x}");
        }
    }
    let spmc = spmc_of_seven_services();
    spmc.normal_version.negotiate(0x1_0000);
    assert_eq!(call(&spmc, &[0x8400_0064, 2])[..3], [ERROR, 0, NOT_SUPPORTED], "since FF-A 1.1");
}

#[test]
fn who_takes_notifications_says_so_since_1_1() {
    for (version, bit) in [(0x1_0000, 0), (0x1_0001, 8), (0x1_0002, 8)] {
        let (mut spmc, hardware) = (spmc(), FakeHardware::default());
        spmc.partitions[0].notifications = Some(Receiver::default());
        spmc.normal_version.negotiate(version);
        let mut message = registers(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1]);
        spmc.from_normal_world(&mut message, core(0), &hardware);
        let mut message = registers(&[0x8400_0068]);
        spmc.from_normal_world(&mut message, core(0), &hardware);
        let contents = hardware.mapped.lock().unwrap()[0].2.clone();
        let size = if version == 0x1_0000 { 8 } else { 24 };
        assert_eq!(contents[4] & 8, bit, "table 6.2, bit 3: the first one does");
        assert_eq!(contents[size + 4] & 8, 0, "the second does not");
    }
}

#[test]
fn callers_before_1_2_see_each_partition_once() {
    for (version, count, size) in [(0x1_0000, 3, 8), (0x1_0001, 3, 24), (0x1_0002, 7, 24_usize)] {
        let (spmc, hardware) = (spmc_of_seven_services(), FakeHardware::default());
        spmc.normal_version.negotiate(version);
        let call = |values: &[u64]| {
            let mut message = registers(values);
            spmc.from_normal_world(&mut message, core(0), &hardware);
            message
        };
        assert_eq!(call(&[0x8400_0068, 0, 0, 0, 0, 1])[..4], [OK, 0, count, 0]);
        assert_eq!(call(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1])[0], OK);
        let told = if size == 8 { 0 } else { 24 };
        assert_eq!(call(&[0x8400_0068])[..4], [OK, 0, count, told]);
        let contents = hardware.mapped.lock().unwrap()[0].2.clone();
        let mut descriptors = contents.chunks(size);
        let first = descriptors.next().unwrap();
        if version == 0x1_0002 {
            assert_eq!(first[4..8], [1, 1, 0, 0], "the service's own methods");
            assert_eq!(descriptors.nth(3).unwrap()[..2], [2, 0x80]);
        } else {
            assert_eq!(first[4..8], [3, u8::from(size == 24), 0, 0], "all methods of the partition");
            assert_eq!(descriptors.next().unwrap()[..2], [2, 0x80]);
        }
        if size == 24 {
            assert_eq!(first[8..], *Uuid::from_u128(UUID_1).as_bytes());
        }
        assert_eq!(call(&[0x8400_0065])[0], OK);
        // By UUID, all versions see the same.
        let words = UuidHelper::to_u32_regs(Uuid::from_u128(SHARED)).map(u64::from);
        assert_eq!(call(&[0x8400_0068, words[0], words[1], words[2], words[3], 1])[2], 2);
        for flags in [2, 1 << 31, u64::from(u32::MAX)] {
            assert_eq!(call(&[0x8400_0068, 0, 0, 0, 0, flags])[2], INVALID_PARAMETERS);
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_is_answered_within_the_list(
        uuid in prop::sample::select(vec![0, UUID_1, SHARED, 0x99]), start in 0_u64..9, tag in 0_u64..2, high: u32
    ) {
        let spmc = spmc_of_seven_services();
        let length = match uuid { 0 => 7, UUID_1 => 1, SHARED => 2, _ => 0 };
        let answer = ask(&spmc, Uuid::from_u128(uuid), u64::from(high) << 32 | tag << 16 | start);
        prop_assert_eq!(answer[0] == OK_64, tag == 0 && start < length);
        if answer[0] == OK_64 {
            let shown = (length - start).min(5);
            let metadata = 24 << 48 | (start + shown - 1) << 16 | (length - 1);
            prop_assert_eq!(answer[2], metadata);
            for (place, words) in answer[3..].chunks(3).enumerate() {
                prop_assert_eq!(words[0] != 0, (place as u64) < shown);
            }
        }
    }
}
