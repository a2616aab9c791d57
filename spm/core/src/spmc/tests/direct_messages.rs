// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND_DIRECT_REQ and FFA_MSG_SEND_DIRECT_REQ2, and their responses: who serves them, who may, and what they carry.

use super::*;

const REQUEST2: u64 = 0xc400_008d;

#[test]
fn a_request_runs_the_partition_and_its_response_ends_it() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    let mut message = registers(&[0xc400_006f, FIRST, 0, 1, 2, 3, 4, 5]);
    let next = spmc.from_normal_world(&mut message, core(3), &hardware);
    assert_eq!(next, NormalNext::Request(AT_FIRST, 0xc400_006f), "the only vCPU, whichever core asks");
    let again = call(&spmc, &[0xc400_006f, FIRST]);
    assert_eq!(again[..3], [ERROR, 0, BUSY]);
    // A response to somebody else, from somebody else, or of another kind is the partition's mistake.
    for (wrong, status) in [
        ([0xc400_0070, FIRST << 16 | 5, 0], DENIED),
        ([0xc400_0070, SECOND << 16, 0], INVALID_PARAMETERS),
        ([0xc400_0070, FIRST << 16, 1 << 31], INVALID_PARAMETERS),
        ([0xc400_0070, FIRST << 16, 1], INVALID_PARAMETERS),
        ([0xc400_008e, FIRST << 16, 0], DENIED),
    ] {
        let (next, answer) = call_as(&spmc, AT_FIRST, &wrong);
        assert_eq!(next, PartitionNext::Answer);
        assert_eq!(answer[..3], [ERROR, 0, status]);
    }
    let (next, _) = call_as(&spmc, AT_FIRST, &[0xc400_0070, FIRST << 16]);
    assert_eq!(next, PartitionNext::Response(0xc400_0070));
    let (next, answer) = call_as(&spmc, AT_FIRST, &[0xc400_0070, FIRST << 16]);
    assert_eq!((next, answer[2]), (PartitionNext::Answer, DENIED), "there is no request any more");
}

#[test]
fn each_core_has_its_own_vcpu_of_a_partition_with_many() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for index in 0..8 {
        let mut message = registers(&[0x8400_006f, SECOND]);
        let next = spmc.from_normal_world(&mut message, core(index), &hardware);
        let vcpu = VcpuRef { partition: 1, vcpu: usize::try_from(index).unwrap() };
        assert_eq!(next, NormalNext::Request(vcpu, 0x8400_006f));
    }
}

#[test]
fn requests_that_are_refused() {
    let spmc = spmc();
    for (what, request, status) in [
        ("unknown receiver", [0x8400_006f, 0x8003, 0], INVALID_PARAMETERS),
        ("the SPMC", [0x8400_006f, 0x8000, 0], INVALID_PARAMETERS),
        ("a secure sender", [0x8400_006f, FIRST << 16 | SECOND, 0], INVALID_PARAMETERS),
        ("a framework message", [0xc400_006f, FIRST, 1 << 31], INVALID_PARAMETERS),
        ("the type of a framework message", [0xc400_006f, FIRST, 1], INVALID_PARAMETERS),
        ("FFA_MSG_SEND_DIRECT_REQ2 to whom takes none", [0xc400_008d, SECOND, 0], DENIED),
        ("FFA_MSG_SEND_DIRECT_REQ2 to another's service", [0xc400_008d, FIRST, 2], INVALID_PARAMETERS),
        ("a pretended SPMD without the bit", [0x8400_006f, 0xffff_8000, 0], INVALID_PARAMETERS),
    ] {
        assert_eq!(call(&spmc, &request)[..3], [ERROR, 0, status], "{what}");
    }
}

#[test]
fn a_stopped_partition_answers_aborted() {
    let spmc = spmc();
    fail(&spmc, AT_FIRST, &FakeHardware::default());
    assert_eq!(call(&spmc, &[0xc400_006f, FIRST])[..3], [ERROR, 0, ABORTED]);
    assert!(spmc.partitions()[0].is_stopped());
    assert!(!spmc.partitions()[1].is_stopped());
}

#[test]
fn partitions_call_partitions_if_they_may() {
    let spmc = spmc();
    let second = VcpuRef { partition: 1, vcpu: 0 };
    let (next, _) = call_as(&spmc, AT_FIRST, &[0xc400_006f, FIRST << 16 | SECOND]);
    assert_eq!(next, PartitionNext::Request(second, 0xc400_006f));
    for (from, addresses, status) in [
        (AT_FIRST, SECOND << 16 | FIRST, INVALID_PARAMETERS),
        (AT_FIRST, FIRST << 16 | FIRST, INVALID_PARAMETERS),
        (AT_FIRST, FIRST << 16, INVALID_PARAMETERS),
        (second, SECOND << 16 | FIRST, DENIED),
    ] {
        let (next, answer) = call_as(&spmc, from, &[0xc400_006f, addresses]);
        assert_eq!((next, answer[2]), (PartitionNext::Answer, status), "{addresses:#x}");
    }
}

#[test]
fn a_request2_names_a_service_of_its_receiver_or_none() {
    for uuid in [Uuid::from_u128(UUID_1), Uuid::nil()] {
        let spmc = spmc();
        let [low, high] = UuidHelper::to_u64_regs(uuid);
        let (next, _) = normal(&spmc, &[REQUEST2, FIRST, low, high, 1, 2]);
        assert_eq!(next, NormalNext::Request(AT_FIRST, 0xc400_008d));
        for wrong in [0xc400_0070, 0x8400_0070] {
            let (next, answer) = call_as(&spmc, AT_FIRST, &[wrong, FIRST << 16]);
            assert_eq!((next, answer[2]), (PartitionNext::Answer, DENIED), "{wrong:#x}");
        }
        let (next, _) = call_as(&spmc, AT_FIRST, &[0xc400_008e, FIRST << 16, 7, 7]);
        assert_eq!(next, PartitionNext::Response(0xc400_008e));
    }
}

#[test]
fn a_request2_is_of_ffa_1_2() {
    let mut partitions = Partitions::new();
    partitions.push(partition(0x8001, UUID_1, 1, true)).unwrap();
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0001);
    assert_eq!(call(&spmc, &[REQUEST2, FIRST])[2], NOT_SUPPORTED);
    assert_eq!(call(&spmc, &[0x8400_0064, REQUEST2])[2], NOT_SUPPORTED);
}

#[test]
fn so_is_a_response2_whatever_its_sender_works_on() {
    for minor in 0..2 {
        let spmc = chain();
        spmc.partitions()[0].version.negotiate(0x1_0000 + minor);
        normal(&spmc, &[0xc400_006f, FIRST]);
        for response in [[0xc400_008e, FIRST << 16], [0xc400_008e, 0]] {
            let (next, answer) = call_as(&spmc, at(0), &response);
            assert_eq!((next, answer[2]), (PartitionNext::Answer, NOT_SUPPORTED));
        }
        assert_eq!(
            call_as(&spmc, at(0), &[0xc400_0070, FIRST << 16]).0,
            PartitionNext::Response(0xc400_0070)
        );
    }
}

#[test]
fn a_32_bit_response_ends_a_64_bit_request_and_not_the_other_way_round() {
    let spmc = chain();
    normal(&spmc, &[0xc400_006f, FIRST]);
    assert_eq!(call_as(&spmc, at(0), &[0x8400_0070, FIRST << 16]).0, PartitionNext::Response(0x8400_0070));
    normal(&spmc, &[0x8400_006f, SECOND]);
    assert_eq!(call_as(&spmc, at(1), &[0xc400_0070, SECOND << 16]).1[2], DENIED);
    assert_eq!(call_as(&spmc, at(1), &[0x8400_0070, SECOND << 16]).0, PartitionNext::Response(0x8400_0070));
}

proptest! {
    #[test]
    fn a_message_carries_x3_to_x7_and_nothing_else(from: [u64; 18], wide: bool) {
        let function = if wide { function::REQUEST_64 } else { function::REQUEST_32 };
        let mut to = [0x5555; 18];
        crate::direct_message::deliver(function, &from, &mut to);
        prop_assert_eq!(to[0], u64::from(function));
        prop_assert_eq!(to[1], from[1] & 0xffff_ffff);
        prop_assert_eq!(to[2], 0);
        for index in 3..8 {
            prop_assert_eq!(to[index], if wide { from[index] } else { from[index] & 0xffff_ffff });
        }
        prop_assert_eq!(&to[8..], &[0x5555_u64; 10]);
    }

    #[test]
    fn a_partition_finds_zeros_in_what_a_wide_request_does_not_define_if_it_knows_of_it(
        from: [u64; 18], minor in 0_u32..3, wide: bool,
    ) {
        let receiver = partition(0x8001, UUID_1, 1, true);
        receiver.version.negotiate(0x1_0000 | minor);
        let function = if wide { function::REQUEST_64 } else { function::REQUEST_32 };
        let (mut to, mut plain) = ([0x5555; 18], [0x5555; 18]);
        crate::direct_message::deliver_request(function, &from, &mut to, &receiver);
        crate::direct_message::deliver(function, &from, &mut plain);
        prop_assert_eq!(&to[..8], &plain[..8]);
        let reserved = if wide && minor == 2 { 0 } else { 0x5555_u64 };
        prop_assert_eq!(&to[8..], &[reserved; 10]);
    }
}
