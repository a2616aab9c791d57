// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MSG_SEND_DIRECT_REQ2, FFA_RUN and FFA_YIELD, FFA_MSG_SEND2, and buffers of VMs.

use super::*;
use crate::cycles::Resume;
use crate::mailbox::MailboxOwner;

#[cfg(feature = "interleavings")]
#[path = "vm_interleavings.rs"]
mod vm_interleavings;

const REQUEST2: u64 = 0xc400_008d;
pub(super) const RUN: u64 = 0x8400_006d;
pub(super) const YIELD: u64 = 0x8400_006c;
pub(super) const WAIT: u64 = 0x8400_006b;
const SEND2: u64 = 0x8400_0086;
/// The first partition's vCPU, as w1 of FFA_RUN.
const RUN_FIRST: u64 = FIRST << 16;

/// Three partitions with one vCPU that may do everything.
pub(super) fn chain() -> Spmc {
    let mut partitions = Partitions::new();
    for (id, uuid) in [(0x8001, UUID_1), (0x8002, 2), (0x8003, 3)] {
        partitions.push(partition(id, uuid, 1, true)).unwrap();
    }
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

pub(super) fn at(partition: usize) -> VcpuRef {
    VcpuRef { partition, vcpu: 0 }
}

pub(super) fn go(spmc: &Spmc, partition: usize, from: VcpuState, to: VcpuState) {
    spmc.partitions()[partition].vcpu(0).unwrap().transition(from, to).unwrap();
}

pub(super) fn normal(spmc: &Spmc, values: &[u64]) -> (NormalNext, u64) {
    let mut message = registers(values);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    (next, message[2])
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

#[test]
fn the_normal_world_lets_a_waiting_partition_run_until_it_waits_again() {
    let spmc = chain();
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Run));
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(normal(&spmc, &[0xc400_006f, FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(call_as(&spmc, at(0), &[0xc400_0070, FIRST << 16]).1[2], DENIED, "there is no request");
    assert_eq!(call_as(&spmc, at(0), &[YIELD]).0, PartitionNext::Yield);
    go(&spmc, 0, VcpuState::Running, VcpuState::Yielded);
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Run));
    assert_eq!(call_as(&spmc, at(0), &[WAIT]).0, PartitionNext::Wait);
}

#[test]
fn what_run_cannot_name() {
    let spmc = spmc();
    for (what, target, status) in [
        ("no partition", 0x8003_0000, INVALID_PARAMETERS),
        ("the normal world", 0, INVALID_PARAMETERS),
        ("no vCPU", RUN_FIRST | 1, INVALID_PARAMETERS),
        ("another core's vCPU", SECOND << 16 | 1, INVALID_PARAMETERS),
        ("nothing like a vCPU", SECOND << 16 | 0xffff, INVALID_PARAMETERS),
    ] {
        assert_eq!(normal(&spmc, &[RUN, target]), (NormalNext::Answer, status), "{what}");
    }
    fail(&spmc, AT_FIRST, &FakeHardware::default());
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]), (NormalNext::Aborted, ABORTED));
    go(&spmc, 1, VcpuState::Waiting, VcpuState::Blocked);
    assert_eq!(normal(&spmc, &[RUN, SECOND << 16]), (NormalNext::Answer, DENIED));
}

#[test]
fn a_preempted_vcpu_goes_on_as_it_was() {
    let spmc = chain();
    normal(&spmc, &[0xc400_006f, FIRST]);
    go(&spmc, 0, VcpuState::Running, VcpuState::Preempted);
    assert_eq!(normal(&spmc, &[0xc400_006f, FIRST]), (NormalNext::Answer, BUSY));
    assert_eq!(normal(&spmc, &[RUN, RUN_FIRST]).0, NormalNext::Run(at(0), Resume::Untouched));
    assert_eq!(call_as(&spmc, at(0), &[0xc400_0070, FIRST << 16]).0, PartitionNext::Response(0xc400_0070));
}

#[test]
fn only_whoever_gave_the_core_lets_a_vcpu_go_on() {
    let spmc = chain();
    // The normal world calls the first, which calls the second, which yields to the first.
    normal(&spmc, &[0xc400_006f, FIRST]);
    let (next, _) = call_as(&spmc, at(0), &[0xc400_006f, FIRST << 16 | SECOND]);
    assert_eq!(next, PartitionNext::Request(at(1), 0xc400_006f));
    go(&spmc, 0, VcpuState::Running, VcpuState::Blocked);
    assert_eq!(call_as(&spmc, at(1), &[YIELD]).0, PartitionNext::Yield);
    go(&spmc, 1, VcpuState::Running, VcpuState::Yielded);
    go(&spmc, 0, VcpuState::Blocked, VcpuState::Running);
    let target = [RUN, SECOND << 16];
    assert_eq!(normal(&spmc, &target), (NormalNext::Answer, DENIED), "the normal world did not call it");
    assert_eq!(normal(&spmc, &[RUN, 0x8003_0000]).0, NormalNext::Run(at(2), Resume::Run));
    assert_eq!(call_as(&spmc, at(2), &target).1[2], DENIED, "nor did the third");
    assert_eq!(spmc.partitions()[1].vcpu(0).unwrap().state(), VcpuState::Yielded, "it is left as it was");
    assert_eq!(call_as(&spmc, at(0), &target).0, PartitionNext::Run(at(1), Resume::Run));
    let (next, _) = call_as(&spmc, at(1), &[0xc400_0070, SECOND << 16 | FIRST]);
    assert_eq!(next, PartitionNext::Response(0xc400_0070));
}

#[test]
fn a_partition_begins_nothing_by_run() {
    let spmc = chain();
    normal(&spmc, &[RUN, RUN_FIRST]);
    assert_eq!(call_as(&spmc, at(0), &[RUN, SECOND << 16]).1[2], DENIED);
}

#[test]
fn what_starts_can_neither_yield_nor_run() {
    let spmc = chain();
    spmc.partitions()[0].vcpu(0).unwrap().set_work(Work::Start);
    assert_eq!(call_as(&spmc, at(0), &[YIELD]).1[2], DENIED);
    assert_eq!(call_as(&spmc, at(0), &[RUN, SECOND << 16]).1[2], DENIED);
    let (next, _) = call_as(&spmc, at(0), &[0xc400_006f, FIRST << 16 | SECOND]);
    assert_eq!(next, PartitionNext::Request(at(1), 0xc400_006f));
    assert_eq!(call_as(&spmc, at(1), &[YIELD]).1[2], DENIED, "it runs on the cycles of the start");
}

/// A message with a header of 40 bytes.
pub(super) fn indirect(sender: u64, receiver: u64, uuid: u128, payload: &[u8]) -> std::vec::Vec<u8> {
    let words = [0, 0, 40, sender << 16 | receiver, payload.len() as u64, 0];
    let mut bytes: std::vec::Vec<u8> =
        words.iter().flat_map(|word| u32::try_from(*word).unwrap().to_le_bytes()).collect();
    bytes.extend(Uuid::from_u128(uuid).as_bytes());
    bytes.extend(payload);
    bytes
}

/// All three partitions and the normal world have buffers.
pub(super) fn with_buffers() -> (Spmc, FakeHardware) {
    let (spmc, hardware) = (chain(), FakeHardware::default());
    for (index, partition) in spmc.partitions().iter().enumerate() {
        let base = partition.memory().start();
        let mut message = registers(&[0xc400_0066, base + 0x1000, base, 1]);
        spmc.from_partition(at(index), &mut message, core(0), &hardware);
        assert_eq!(message[0], OK);
    }
    let mut message = registers(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1]);
    spmc.from_normal_world(&mut message, core(0), &hardware);
    assert_eq!(message[0], OK);
    (spmc, hardware)
}

pub(super) fn write(hardware: &FakeHardware, owner: MailboxOwner, bytes: &[u8]) {
    hardware.sent.lock().unwrap().push((owner, bytes.to_vec()));
}

pub(super) fn received(hardware: &FakeHardware, owner: MailboxOwner) -> std::vec::Vec<u8> {
    let mapped = hardware.mapped.lock().unwrap();
    mapped.iter().find(|(other, _, _)| *other == owner).unwrap().2.clone()
}

#[test]
fn indirect_messages_go_all_ways_there_are() {
    let (spmc, hardware) = with_buffers();
    let normal_world = MailboxOwner::NormalWorld;
    let of = MailboxOwner::Partition;
    let message: std::vec::Vec<u8> = (0..1000_u32).map(|byte| byte.to_le_bytes()[0]).collect();
    for (from, to, sender, receiver) in
        [(normal_world, of(0), 0, FIRST), (of(0), of(1), FIRST, SECOND), (of(1), normal_world, SECOND, 0)]
    {
        let sent = indirect(sender, receiver, 0, &message);
        write(&hardware, from, &sent);
        let mut call = registers(&[SEND2]);
        if from == normal_world {
            spmc.from_normal_world(&mut call, core(0), &hardware);
        } else {
            let MailboxOwner::Partition(index) = from else { panic!() };
            spmc.from_partition(at(index), &mut call, core(0), &hardware);
        }
        assert_eq!(call[0], OK, "{from:?} to {to:?}");
        let seen = received(&hardware, to);
        assert_eq!(seen[..sent.len()], sent);
        assert!(seen[sent.len()..].iter().all(|byte| *byte == 0));
    }
    let mut again = registers(&[SEND2]);
    spmc.from_partition(at(0), &mut again, core(0), &hardware);
    assert_eq!(again[2], BUSY, "the second did not release its buffer");
}

#[test]
fn indirect_messages_that_are_refused() {
    let (spmc, hardware) = with_buffers();
    let sound = indirect(0, FIRST, UUID_1, b"hello");
    let changed = |at: usize, word: u32| {
        let mut bytes = sound.clone();
        bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        bytes
    };
    for (what, bytes, status) in [
        ("a secure sender", indirect(SECOND, FIRST, 0, b""), INVALID_PARAMETERS),
        ("another VM as sender", indirect(5, FIRST, 0, b""), INVALID_PARAMETERS),
        ("nobody", indirect(0, 0x8009, 0, b""), INVALID_PARAMETERS),
        ("the SPMC", indirect(0, 0x8000, 0, b""), INVALID_PARAMETERS),
        ("a VM, from the normal world", indirect(0, 5, 0, b""), INVALID_PARAMETERS),
        ("itself", indirect(0, 0, 0, b""), INVALID_PARAMETERS),
        ("another's service", indirect(0, FIRST, 2, b""), INVALID_PARAMETERS),
        ("an offset inside the header", changed(2, 20), INVALID_PARAMETERS),
        ("a payload behind the buffer", changed(4, 0xfe0), INVALID_PARAMETERS),
        ("a size that overflows", changed(4, u32::MAX), INVALID_PARAMETERS),
        ("an offset that overflows", changed(2, u32::MAX), INVALID_PARAMETERS),
    ] {
        write(&hardware, MailboxOwner::NormalWorld, &bytes);
        let mut call = registers(&[SEND2]);
        spmc.from_normal_world(&mut call, core(0), &hardware);
        assert_eq!(call[..3], [ERROR, 0, status], "{what}");
    }
    for (what, w1) in [("a secure ID in w1", FIRST << 16), ("a VM without buffers", 5 << 16)] {
        let mut call = registers(&[SEND2, w1]);
        spmc.from_normal_world(&mut call, core(0), &hardware);
        assert_eq!(call[2], INVALID_PARAMETERS, "{what}");
    }
    write(&hardware, MailboxOwner::NormalWorld, &sound);
    let mut call = registers(&[SEND2]);
    spmc.from_normal_world(&mut call, core(0), &hardware);
    assert_eq!(call[0], OK, "and the sound one arrives, so that nothing of the others was left behind");
    assert_eq!(received(&hardware, MailboxOwner::Partition(0))[..sound.len()], sound);
}

#[test]
fn whoever_has_aborted_receives_nothing() {
    let (spmc, hardware) = with_buffers();
    // Before it is cleaned up, and after.
    go(&spmc, 1, VcpuState::Waiting, VcpuState::Running);
    assert!(spmc.abort(at(1), &hardware).is_some());
    for ended in [false, true] {
        assert_eq!(spmc.end(1, core(0), &hardware).is_some(), ended);
        spmc.partitions()[1].vcpu(0).unwrap().give_up();
        for (from, sender) in [(MailboxOwner::NormalWorld, 0), (MailboxOwner::Partition(0), FIRST)] {
            write(&hardware, from, &indirect(sender, SECOND, 0, b"x"));
            let mut call = registers(&[SEND2]);
            if sender == 0 {
                spmc.from_normal_world(&mut call, core(0), &hardware);
            } else {
                spmc.from_partition(at(0), &mut call, core(0), &hardware);
            }
            assert_eq!(call[..3], [ERROR, 0, DENIED], "{from:?}");
        }
    }
}

#[test]
fn a_short_header_carries_no_uuid() {
    let (spmc, hardware) = with_buffers();
    let words = [0, 0, 24, 0x8001_u32, 4, 0];
    let mut bytes: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.extend(b"data, not a UUID, of which four bytes count");
    write(&hardware, MailboxOwner::NormalWorld, &bytes);
    let mut call = registers(&[SEND2]);
    spmc.from_normal_world(&mut call, core(0), &hardware);
    assert_eq!(call[0], OK);
    let seen = received(&hardware, MailboxOwner::Partition(0));
    assert_eq!(seen[..28], bytes[..28]);
    assert!(seen[28..].iter().all(|byte| *byte == 0));
}

#[test]
fn indirect_messages_take_the_right_on_both_sides() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    for (index, partition) in spmc.partitions().iter().enumerate() {
        let base = partition.memory().start();
        let mut message = registers(&[0xc400_0066, base + 0x1000, base, 1]);
        spmc.from_partition(at(index), &mut message, core(0), &hardware);
    }
    for (index, sender, receiver) in [(0, FIRST, SECOND), (1, SECOND, FIRST)] {
        write(&hardware, MailboxOwner::Partition(index), &indirect(sender, receiver, 0, b"x"));
        let mut call = registers(&[SEND2]);
        spmc.from_partition(at(index), &mut call, core(0), &hardware);
        assert_eq!(call[2], DENIED, "the second may not");
    }
}

/// Writes into the normal world's send buffer that VM `id` has a receive buffer at `address`, and its send buffer behind it.
fn describe_vm(hardware: &FakeHardware, id: u32, address: u32) {
    let mut words = [0_u32; 20];
    words[..3].copy_from_slice(&[id, 16, 48]);
    for (place, address) in [(4, address), (12, address + 0x1000)] {
        words[place..place + 7].copy_from_slice(&[1, 1, 0, 0, address, 0, 1]);
    }
    let bytes: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    write(hardware, MailboxOwner::NormalWorld, &bytes);
}

#[test]
fn a_hypervisor_maps_buffers_for_its_vms() {
    let (spmc, hardware) = with_buffers();
    let call = |values: &[u64]| {
        let mut message = registers(values);
        spmc.from_normal_world(&mut message, core(0), &hardware);
        (message[0], message[2])
    };
    describe_vm(&hardware, 5, 0x4000_4000);
    for release in [0x8400_0065_u64, 0x8400_0084] {
        assert_eq!(call(&[release, 5]).1, INVALID_PARAMETERS, "it has no buffers");
    }
    assert_eq!(call(&[0xc400_0066, 0, 0, 0]).0, OK);
    assert_eq!(call(&[0x8400_0084, 0]).1, INVALID_PARAMETERS, "its own buffers have one writer");
    assert_eq!(call(&[0x8400_0084, 5]).0, OK);
    assert_eq!(call(&[0x8400_0084, 5]).1, DENIED);
    write(&hardware, MailboxOwner::Partition(0), &indirect(FIRST, 5, 0, b"hello"));
    let send = || {
        let mut message = registers(&[SEND2]);
        spmc.from_partition(at(0), &mut message, core(0), &hardware);
        message
    };
    assert_eq!(send()[2], BUSY, "the hypervisor holds the buffer");
    assert_eq!(call(&[0x8400_0065, 5]).0, OK);
    assert_eq!(send()[0], OK);
    assert_eq!(received(&hardware, MailboxOwner::Vm(0))[40..45], *b"hello");
    write(&hardware, MailboxOwner::Vm(0), &indirect(5, FIRST, 0, b"hello too"));
    assert_eq!(call(&[SEND2, 5 << 16]).0, OK);
    assert_eq!(received(&hardware, MailboxOwner::Partition(0))[40..49], *b"hello too");
    assert_eq!(call(&[0x8400_0067, 5 << 16]).0, OK);
    assert_eq!(call(&[0x8400_0067, 5 << 16]).1, INVALID_PARAMETERS);
}
