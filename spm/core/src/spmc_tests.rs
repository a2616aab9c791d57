// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What callers get from the SPMC as a whole, on a machine that only remembers.

use core::num::NonZeroU16;

use arm_ffa::{Uuid, UuidHelper, Version};
use proptest::prelude::*;

use super::*;
use crate::hardware::FakeHardware;
use crate::kept::kept;
use crate::manifest::actions::{
    AbortAction, InterruptActions, NsInterruptsAction, OtherInterruptsAction, PowerMessages,
};
use crate::manifest::layout::{PartitionLayout, PlacedRegion};
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::region::{Access, Security};
use crate::manifest::services::Service;
use crate::manifest::spmc::{Gic, MemoryKind, MemoryRange, SpmcPartition};
use crate::manifest::{MAX_REGIONS, Name, PartitionManifest, SpmcManifest};
use crate::partition_calls::PartitionNext;
use crate::vcpu::VcpuState;
use crate::work::Work;

#[path = "abort_tests.rs"]
mod abort;
#[path = "cycles_tests.rs"]
mod cycles;
#[path = "discovery_tests.rs"]
mod discovery;
#[path = "interrupts/tests.rs"]
mod interrupts;
#[path = "messaging_tests.rs"]
mod messaging;
#[path = "notification_calls_tests.rs"]
mod notifications;
#[path = "power_tests.rs"]
mod power;
#[path = "regression_tests.rs"]
mod regressions;
#[path = "restart_tests.rs"]
mod restart;

const RECEIVES: MessagingMethod = MessagingMethod::RECEIVES_DIRECT;
const ALL: MessagingMethod = RECEIVES
    .with(MessagingMethod::SENDS_DIRECT)
    .with(MessagingMethod::INDIRECT)
    .with(MessagingMethod::RECEIVES_DIRECT2)
    .with(MessagingMethod::SENDS_DIRECT2);
const FIRST: u64 = 0x8001;
const SECOND: u64 = 0x8002;
const UUID_1: u128 = 0x6f1d_9d7e_3c0a_4b52_9d6e_8a3f_51c2_e7b4;
const OK: u64 = 0x8400_0061;
const ERROR: u64 = 0x8400_0060;
const NOT_SUPPORTED: u64 = 0xffff_ffff;
const INVALID_PARAMETERS: u64 = 0xffff_fffe;
const BUSY: u64 = 0xffff_fffc;
const DENIED: u64 = 0xffff_fffa;
const ABORTED: u64 = 0xffff_fff8;

fn partition(id: u16, uuid: u128, contexts: u16, sends_direct: bool) -> Partition {
    let messaging = if sends_direct { ALL } else { RECEIVES };
    partition_with(id, &[Service { uuid: Uuid::from_u128(uuid), messaging }], contexts)
}

pub(crate) fn partition_with(id: u16, services: &[Service], contexts: u16) -> Partition {
    partition_edited(id, services, contexts, |_| ())
}

fn partition_edited(
    id: u16,
    services: &[Service],
    contexts: u16,
    edit: impl FnOnce(&mut PartitionManifest),
) -> Partition {
    let memory = AddressRange::new(0x0e40_0000 + u64::from(id & 0xf) * 0x10_0000, 0x10_0000).unwrap();
    let mut manifest = PartitionManifest {
        ffa_version: Version(1, 2),
        id: Some(id),
        services: Vec::from_slice(services).unwrap(),
        contexts: NonZeroU16::new(contexts).unwrap(),
        load_address: None,
        entry_offset: Some(0x4000),
        boot_order: 0,
        boot_register: None,
        wants_manifest: false,
        receives_notifications: false,
        exception_level: ExceptionLevel::SEl1,
        interrupt_actions: InterruptActions {
            non_secure: NsInterruptsAction::Queued,
            other_secure: OtherInterruptsAction::Signalled,
            managed_exit_by_fiq: true,
        },
        power_messages: PowerMessages::NONE,
        lifecycle_support: false,
        abort_action: AbortAction::Stop,
        memory_regions: Vec::new(),
        device_regions: Vec::new(),
        interrupts: Vec::new(),
    };
    edit(&mut manifest);
    let layout = PartitionLayout {
        id,
        memory,
        entry: memory.start() + 0x4000,
        memory_regions: regions(),
        device_regions: Vec::new(),
        interrupts: interrupts::list(id),
    };
    let place =
        SpmcPartition { id, name: Name::new("p"), memory, vcpu_count: manifest.contexts, essential: false };
    let partition = Partition::new(&place, &manifest, &layout);
    for index in 0..usize::from(contexts) {
        let vcpu = partition.vcpu(index).unwrap();
        vcpu.transition(VcpuState::Off, VcpuState::Waiting).unwrap();
        vcpu.set_work(Work::Nothing);
    }
    partition
}

/// Memory beyond its own: secure data, secure code, non-secure data; four pages each.
fn regions() -> Vec<PlacedRegion, MAX_REGIONS> {
    let region = |start, access, security| PlacedRegion {
        range: AddressRange::from_pages(start, 4).unwrap(),
        access,
        security,
    };
    [
        region(0x0f80_0000, Access::Read, Security::Secure),
        region(0x0f80_4000, Access::ReadExecute, Security::Secure),
        region(0x9000_0000, Access::ReadWrite, Security::NonSecure),
    ]
    .into_iter()
    .collect()
}

fn normal_memory() -> NormalMemory {
    let range = AddressRange::new(0x4000_0000, 0x4000_0000).unwrap();
    let manifest = SpmcManifest {
        spmc_id: 0x8000,
        load_address: 0x0e10_0000,
        entrypoint: 0x0e10_0000,
        binary_size: 0x10_0000,
        console: None,
        gic: Gic { distributor: range, redistributors: range },
        partitions: Vec::new(),
        memory: Vec::from_slice(&[MemoryRange { range, kind: MemoryKind::NonSecure }]).unwrap(),
    };
    NormalMemory::new(&manifest, &[])
}

/// State of its own for each SPMC.
fn memory() -> &'static Memory {
    kept(Memory::new())
}

/// The first partition has one vCPU and sends requests, the second has eight and sends none.
fn spmc() -> Spmc {
    let mut partitions = Partitions::new();
    partitions.push(partition(0x8001, UUID_1, 1, true)).unwrap();
    partitions.push(partition(0x8002, 2, 8, false)).unwrap();
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

fn core(index: u64) -> CoreIndex {
    CoreIndex::new(index).unwrap()
}

fn registers(values: &[u64]) -> MessageRegisters {
    let mut registers = [0x5555_5555_5555_5555; 18];
    registers[..8].fill(0);
    registers[..values.len()].copy_from_slice(values);
    registers
}

/// Calls as the normal world and returns x0–x7; the rest must be as it was.
fn call(spmc: &Spmc, values: &[u64]) -> [u64; 8] {
    let mut message = registers(values);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    let aborted = message[..3] == [ERROR, 0, ABORTED];
    assert!(next == NormalNext::Answer || next == NormalNext::Aborted && aborted, "{next:?}");
    assert_eq!(message[8..], [0x5555_5555_5555_5555; 10]);
    *message.first_chunk().unwrap()
}

fn call_as(spmc: &Spmc, from: VcpuRef, values: &[u64]) -> (PartitionNext, MessageRegisters) {
    let mut message = registers(values);
    let next = spmc.from_partition(from, &mut message, core(0), &FakeHardware::default());
    (next, message)
}

const AT_FIRST: VcpuRef = VcpuRef { partition: 0, vcpu: 0 };

/// As [`spmc`]; the partitions' manifests have this `abort-action`.
fn spmc_that(action: AbortAction) -> Spmc {
    let service = |uuid, messaging| Service { uuid: Uuid::from_u128(uuid), messaging };
    let mut partitions = Partitions::new();
    for (id, service, contexts) in [(0x8001, service(UUID_1, ALL), 1), (0x8002, service(2, ALL), 8)] {
        let edit = |manifest: &mut PartitionManifest| {
            (manifest.lifecycle_support, manifest.abort_action) = (true, action);
            manifest.receives_notifications = true;
        };
        partitions.push(partition_edited(id, &[service], contexts, edit)).unwrap();
    }
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    for partition in spmc.partitions() {
        assert!(partition.life().start_is_over());
    }
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

/// Aborts the partition of a vCPU, which no core runs, and cleans up.
pub(crate) fn fail(spmc: &Spmc, at: VcpuRef, hardware: &FakeHardware) {
    assert!(spmc.abort(at, hardware).is_some());
    assert!(spmc.end(at.partition, core(at.vcpu as u64), hardware).is_some());
}

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
fn the_spmd_asks_for_the_normal_worlds_version() {
    let spmc = Spmc::new(0x8000, Partitions::new(), NormalMemory::default(), memory());
    let ask = |version| call(&spmc, &[0x8400_006f, 0xffff_8000, 0x8000_0008, version]);
    assert_eq!(ask(0x1_0001), [0x8400_0070, 0x8000_ffff, 0x8000_0009, 0x1_0002, 0, 0, 0, 0]);
    assert_eq!(spmc.normal_version.agreed(), Version(1, 1));
    assert_eq!(ask(0x2_0000)[3], NOT_SUPPORTED);
    call(&spmc, &[0x8400_0064, 0x8400_0063]);
    assert_eq!(ask(0x1_0002)[3], NOT_SUPPORTED, "the version is settled by now");
    assert_eq!(ask(0x1_0001)[3], 0x1_0002);
}

#[test]
fn the_spmd_says_that_a_core_goes_off() {
    let spmc = spmc();
    let mut message = registers(&[0x8400_006f, 0xffff_8000, 0x8000_0000, 0x8400_0002]);
    let next = spmc.from_normal_world(&mut message, core(0), &FakeHardware::default());
    assert_eq!(next, NormalNext::CoreOff);
    spmc.agree_to_core_off(&mut message);
    assert_eq!(message[..8], [0x8400_0070, 0x8000_ffff, 0x8000_0002, 0, 0, 0, 0, 0]);
}

#[test]
fn buffers_and_discovery_by_version() {
    for (version, size, properties) in [(0x1_0000, 8, [3, 0]), (0x1_0001, 24, [7, 1]), (0x1_0002, 24, [7, 7])]
    {
        let (spmc, hardware) = (spmc(), FakeHardware::default());
        spmc.normal_version.negotiate(version);
        let call = |values: &[u64]| {
            let mut message = registers(values);
            spmc.from_normal_world(&mut message, core(0), &hardware);
            message
        };
        let uuid = Uuid::from_u128(UUID_1);
        let words = UuidHelper::to_u32_regs(uuid).map(u64::from);
        let ask = [0x8400_0068, words[0], words[1], words[2], words[3], 0];
        assert_eq!(call(&ask)[2], BUSY, "there is no buffer yet");
        assert_eq!(call(&[0xc400_0066, 0x4000_1000, 0x4000_0000, 1])[0], OK);
        let answer = call(&ask);
        assert_eq!(answer[..4], [OK, 0, 1, if version == 0x1_0000 { 0 } else { size }]);
        assert_eq!(call(&ask)[2], BUSY, "the first answer was not released");
        assert_eq!(call(&[0x8400_0065])[0], OK);
        let all = call(&[0x8400_0068, 0, 0, 0, 0, 0]);
        assert_eq!(all[2], 2);
        let contents = hardware.mapped.lock().unwrap()[0].2.clone();
        let size = usize::try_from(size).unwrap();
        assert_eq!(contents[..4], [1, 0x80, 1, 0], "ID and number of contexts");
        assert_eq!(contents[size..size + 4], [2, 0x80, 8, 0]);
        assert_eq!(
            contents[4..6],
            properties,
            "direct and indirect messages, AArch64, FFA_MSG_SEND_DIRECT_REQ2"
        );
        if size == 24 {
            assert_eq!(contents[8..24], *uuid.as_bytes());
        }
        assert_eq!(contents[2 * size..], vec![0; contents.len() - 2 * size], "nothing behind");
        let counted = call(&[0x8400_0068, 0, 0, 0, 0, 1]);
        assert_eq!(counted[..4], [OK, 0, 2, 0], "counting needs no buffer");
        assert_eq!(call(&[0x8400_0068, 9, 9, 9, 9, 1])[2], INVALID_PARAMETERS);
        assert_eq!(call(&[0x8400_0067])[0], OK);
        assert_eq!(call(&[0x8400_0067])[2], INVALID_PARAMETERS);
    }
}

#[test]
fn a_partitions_buffers_lie_in_secure_data_of_its_own() {
    const OWN: u64 = 0x0e50_0000;
    for (receive, send, pages, status) in [
        (OWN, OWN + 0x1000, 1, OK),
        (0x0f80_0000, OWN, 1, OK),
        (0x0f80_0000, 0x0f80_2000, 2, OK),
        (0x0f80_3000, OWN, 2, ERROR),
        (0x0f80_4000, OWN, 1, ERROR),
        (0x9000_0000, OWN, 1, ERROR),
        (0x0f7f_f000, OWN, 1, ERROR),
    ] {
        let spmc = spmc();
        let (_, answer) = call_as(&spmc, AT_FIRST, &[0xc400_0066, send, receive, pages]);
        assert_eq!(answer[0], status, "{receive:#x} {send:#x}");
        assert!(status == OK || answer[2] == INVALID_PARAMETERS);
    }
}

#[test]
fn what_is_not_there_is_not_supported() {
    let spmc = spmc();
    for function in
        [0x8400_006c, 0x8400_0078, 0xc400_008e, 0x8400_006b, 0x8400_008a, 0x8400_00ff, 0x1234_5678]
    {
        assert_eq!(call(&spmc, &[function])[..3], [ERROR, 0, NOT_SUPPORTED], "{function:#x}");
    }
    spmc.normal_version.negotiate(0x1_0002);
    assert_eq!(call(&spmc, &[0x8400_0085])[..3], [OK, 0, 0x8000]);
}

#[test]
fn what_is_not_ffa_is_unknown() {
    for function in [0x8000_0000, 0x8400_0000, 0xc400_0003, 0x8400_005f, 0x8400_0100, 0xc300_0000] {
        let (next, answer) = call_as(&spmc(), AT_FIRST, &[function, 1, 2, 3]);
        assert_eq!(next, PartitionNext::Answer);
        assert_eq!(answer[..4], [u64::MAX, 1, 2, 3], "{function:#x}");
    }
}

#[test]
fn functions_newer_than_the_callers_version_are_not_there() {
    let spmc = Spmc::new(0x8000, Partitions::new(), NormalMemory::default(), memory());
    assert_eq!(call(&spmc, &[0x8400_0085])[..3], [ERROR, 0, NOT_SUPPORTED], "FFA_SPM_ID_GET in 1.0");
}

#[test]
fn a_partition_waits_logs_and_fails() {
    let (spmc, hardware) = (spmc(), FakeHardware::default());
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b]).0, PartitionNext::Wait);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b, 0, 2]).1[2], INVALID_PARAMETERS);
    let mut message = registers(&[0x8400_008a, 3, 0x0a_6968]);
    let next = spmc.from_partition(AT_FIRST, &mut message, core(0), &hardware);
    assert_eq!((next, message[0]), (PartitionNext::Answer, OK));
    assert_eq!(*hardware.logged.lock().unwrap(), [(0x8001, b"hi".to_vec())]);
    call(&spmc, &[0x8400_0064, 0]);
    let mut request = registers(&[0xc400_006f, FIRST]);
    spmc.from_normal_world(&mut request, core(0), &hardware);
    assert_eq!(call_as(&spmc, AT_FIRST, &[0x8400_006b]).1[2], DENIED, "it has a request to answer");
    assert_eq!(call_as(&spmc, AT_FIRST, &[ERROR, 0, ABORTED]).0, PartitionNext::Failed(None));
}

#[test]
fn entry_points_of_secondary_vcpus() {
    let spmc = spmc();
    let second = VcpuRef { partition: 1, vcpu: 0 };
    let memory = spmc.partitions()[1].memory();
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 0x4000, "the first one's");
    let good = [0xc400_0087, memory.start() + 8];
    assert_eq!(call_as(&spmc, second, &good).1[2], DENIED, "it has started");
    for vcpu in [0, 1] {
        spmc.partitions()[1].vcpu(vcpu).unwrap().set_work(Work::Start);
    }
    for (from, entry, status) in [
        (second, memory.end(), INVALID_PARAMETERS),
        (second, memory.start() + 2, INVALID_PARAMETERS),
        (AT_FIRST, memory.start(), NOT_SUPPORTED),
    ] {
        assert_eq!(call_as(&spmc, from, &[0xc400_0087, entry]).1[2], status);
    }
    assert_eq!(call_as(&spmc, second, &good).1[0], OK);
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 8);
    spmc.started(second, &FakeHardware::default());
    let another = VcpuRef { partition: 1, vcpu: 1 };
    assert_eq!(
        call_as(&spmc, another, &[0xc400_0087, memory.start()]).1[2],
        DENIED,
        "one that the first starts"
    );
    assert_eq!(spmc.partitions()[1].secondary_entry(), memory.start() + 8);
}

/// Function IDs that exist, some with hints and junk, and any number at all.
fn function_ids() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0x60_u64..0xa0, any::<bool>(), any::<bool>(), any::<u32>()).prop_map(|(number, wide, hint, junk)| {
            let base = if wide { 0xc400_0000 } else { 0x8400_0000 };
            base | number | u64::from(hint) << 16 | u64::from(junk) << 32
        }),
        1 => any::<u64>(),
    ]
}

/// Values near those that mean something.
fn values() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0_u64..0x40,
        (0x4000_0000_u64..0x4001_0000).prop_map(|address| address & !0xfff),
        prop::sample::select(vec![
            FIRST,
            SECOND,
            FIRST << 16,
            FIRST << 16 | SECOND,
            0xffff_8000,
            0x8000_0008,
            1 << 31
        ]),
    ]
}

/// Ends what a claimed vCPU works on.
fn finish(spmc: &Spmc, vcpu: VcpuRef) {
    let vcpu = spmc.partitions()[vcpu.partition].vcpu(vcpu.vcpu).unwrap();
    assert_eq!(vcpu.state(), VcpuState::Running);
    vcpu.set_work(Work::Nothing);
    vcpu.transition(VcpuState::Running, VcpuState::Waiting).unwrap();
}

proptest! {
    #[test]
    fn no_registers_stop_spm(
        calls in prop::collection::vec((any::<bool>(), 0_u64..8, function_ids(), prop::array::uniform17(values())), 1..60)
    ) {
        let (spmc, hardware) = (spmc(), FakeHardware::default());
        for (as_partition, at, function, rest) in calls {
            let mut message = [function; 18];
            message[1..].copy_from_slice(&rest);
            let before = message;
            if as_partition {
                let from = VcpuRef { partition: usize::from(at & 1 != 0), vcpu: 0 };
                match spmc.from_partition(from, &mut message, core(at), &hardware) {
                    PartitionNext::Answer => {
                        prop_assert!(message[8..] == before[8..] || discovery::uses_all(&before, &message));
                    }
                    // What a core would do next, so that later calls find the vCPUs waiting.
                    PartitionNext::Request(vcpu, _) | PartitionNext::Run(vcpu, _) => finish(&spmc, vcpu),
                    PartitionNext::Response(_)
                    | PartitionNext::Wait
                    | PartitionNext::Yield
                    | PartitionNext::Failed(_) => {}
                }
            } else {
                match spmc.from_normal_world(&mut message, core(at), &hardware) {
                    NormalNext::Answer => {
                        prop_assert!(message[8..] == before[8..] || discovery::uses_all(&before, &message));
                    }
                    NormalNext::Request(vcpu, _) | NormalNext::Run(vcpu, _) => finish(&spmc, vcpu),
                    NormalNext::CoreOff => spmc.agree_to_core_off(&mut message),
                    NormalNext::Interrupt | NormalNext::Aborted => {}
                }
            }
        }
    }

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
