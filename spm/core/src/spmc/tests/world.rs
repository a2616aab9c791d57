// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partitions of the tests, and the SPMCs that have them.

use core::num::NonZeroU16;

use super::*;
use crate::kept::kept;
use crate::manifest::actions::InterruptActions;
use crate::manifest::layout::{PartitionLayout, PlacedRegion};
use crate::manifest::region::{Access, Security};
use crate::manifest::spmc::{Gic, MemoryKind, MemoryRange, SpmcPartition};
use crate::manifest::{MAX_REGIONS, Name, SpmcManifest};

pub(super) fn partition(id: u16, uuid: u128, contexts: u16, sends_direct: bool) -> Partition {
    let messaging = if sends_direct { ALL } else { RECEIVES };
    partition_with(id, &[Service { uuid: Uuid::from_u128(uuid), messaging }], contexts)
}

pub(crate) fn partition_with(id: u16, services: &[Service], contexts: u16) -> Partition {
    partition_edited(id, services, contexts, |_| ())
}

pub(super) fn partition_edited(
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

pub(super) fn normal_memory() -> NormalMemory {
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
pub(super) fn memory() -> &'static Memory {
    kept(Memory::new())
}

/// The first partition has one vCPU and sends requests, the second has eight and sends none.
pub(super) fn spmc() -> Spmc {
    let mut partitions = Partitions::new();
    partitions.push(partition(0x8001, UUID_1, 1, true)).unwrap();
    partitions.push(partition(0x8002, 2, 8, false)).unwrap();
    let spmc = Spmc::new(0x8000, partitions, normal_memory(), memory());
    spmc.normal_version.negotiate(0x1_0002);
    spmc
}

/// As [`spmc`]; the partitions' manifests have this `abort-action`.
pub(super) fn spmc_that(action: AbortAction) -> Spmc {
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
