// SPDX-License-Identifier: Apache-2.0 OR MIT
//! spm reads what is generated, with the code that runs at S-EL2, and admits every partition.

use crate::source::{platform, with_set};
use ffa_abi::{HOST_SERVICE, HYP_SERVICE};
use iommu_core::policy::{HypRole, Range};
use manifests::{Blob, CONFORMANCE_PLATFORMS, IMAGE_OFFSET, PLATFORMS, Set, package};
use spm_core::{
    manifest::{
        AddressRange, PartitionManifest, SpmcManifest,
        interrupt::{DeviceInterrupt, Trigger},
        layout::Layout,
        messaging::MessagingMethod,
        region::{Access, Security},
    },
    package::Package,
};
use std::num::NonZeroU16;

fn addresses(range: Range) -> AddressRange {
    AddressRange::new(range.base, range.size).unwrap()
}

#[test]
fn spm_admits_every_partition() {
    for name in PLATFORMS {
        let platform = platform(name);
        let spmc = SpmcManifest::parse(&platform.spmc_manifest().unwrap().blob).unwrap();
        assert_eq!(spmc.load_address, platform.memory.spm.base);
        assert_eq!(spmc.binary_size, platform.memory.spm.size);
        assert_eq!(spmc.console, Some(addresses(platform.devices.secure_uart)));
        let cores = NonZeroU16::new(8).unwrap();
        let spm = addresses(platform.memory.spm);
        let mut layout = Layout::new(&spmc, cores, &[spm]).unwrap();
        for (place, partition) in spmc.partitions.iter().zip(&platform.partitions) {
            let tree = platform.sp_manifest(partition).unwrap();
            let image = [0; 64];
            let mut memory = package(partition, &tree.blob, &image).unwrap();
            memory.resize(usize::try_from(partition.memory.size).unwrap(), 0);
            let parsed = Package::parse(&memory).unwrap();
            let manifest = PartitionManifest::parse(&memory[parsed.manifest()]).unwrap();
            let admitted = layout.admit(place, &manifest, &parsed).unwrap();
            assert_eq!(admitted.id, partition.id);
            assert_eq!(admitted.memory, addresses(partition.memory));
            assert_eq!(admitted.entry, partition.memory.base + IMAGE_OFFSET as u64);
            assert_eq!(place.essential, partition.essential);
            assert_eq!(manifest.services[0].uuid, partition.uuid);
            assert_eq!(manifest.services.len(), 1, "no policy here has a hypervisor");
            assert_eq!(manifest.receives_notifications, partition.notifications);
            assert!(manifest.wants_manifest && manifest.boot_register == Some(0));
        }
        let [iommu, test] = layout.admitted() else { panic!("{:?}", layout.admitted()) };
        let [pool] = iommu.memory_regions.as_slice() else { panic!("{iommu:?}") };
        assert_eq!(pool.range, addresses(platform.policy.pool));
        assert_eq!((pool.access, pool.security), (Access::ReadWrite, Security::NonSecure));
        let [frame] = iommu.device_regions.as_slice() else { panic!("{iommu:?}") };
        assert_eq!(frame.range, addresses(platform.policy.smmus[0].frame));
        assert_eq!((frame.access, frame.security), (Access::ReadWrite, Security::NonSecure));
        let wires = platform.policy.smmus[0].interrupts.into_iter().flat_map(|it| [it.event, it.error]);
        let secure_edge =
            |intid| DeviceInterrupt { intid, priority: 0, trigger: Trigger::Edge, target: None };
        assert_eq!(iommu.interrupts.as_slice(), wires.map(secure_edge).collect::<Vec<_>>());
        assert!(test.memory_regions.is_empty() && test.device_regions.is_empty());
    }
}

#[test]
fn spm_admits_the_partitions_of_other_sets() {
    let sets = [Set::Hyp, Set::Attack, Set::Conformance, Set::Bench];
    for (name, set) in CONFORMANCE_PLATFORMS.iter().flat_map(|name| sets.map(|set| (name, set))) {
        let platform = with_set(name, set);
        let spmc = SpmcManifest::parse(&platform.spmc_manifest().unwrap().blob).unwrap();
        let spm = addresses(platform.memory.spm);
        let mut layout = Layout::new(&spmc, NonZeroU16::new(8).unwrap(), &[spm]).unwrap();
        let mut contexts = 0;
        for (place, partition) in spmc.partitions.iter().zip(&platform.partitions) {
            let tree = platform.sp_manifest(partition).unwrap();
            let mut memory = package(partition, &tree.blob, &[0; 64]).unwrap();
            memory.resize(usize::try_from(partition.memory.size).unwrap(), 0);
            let parsed = Package::parse(&memory).unwrap();
            let manifest = PartitionManifest::parse(&memory[parsed.manifest()]).unwrap();
            layout.admit(place, &manifest, &parsed).unwrap();
            assert_eq!(u32::from(manifest.contexts.get()), partition.contexts);
            assert_eq!(u32::from(place.vcpu_count.get()), partition.contexts);
            if partition.iommu_service {
                let services: Vec<_> = manifest.services.iter().map(|service| service.uuid).collect();
                let hyp = (platform.policy.hyp == HypRole::Required).then_some(HYP_SERVICE);
                assert_eq!(services, [HOST_SERVICE].into_iter().chain(hyp).collect::<Vec<_>>());
                let extended = |uuid| {
                    let found = manifest.services.iter().find(|service| service.uuid == uuid).unwrap();
                    found.messaging.allows(MessagingMethod::RECEIVES_DIRECT2)
                };
                assert!(services.iter().all(|uuid| extended(*uuid)));
            }
            contexts += partition.contexts;
        }
        assert_eq!(layout.admitted().len(), platform.partitions.len());
        assert!(contexts <= 24, "spm has room for 24 vCPUs");
    }
}

#[test]
fn a_manifest_node_takes_the_place_of_what_is_generated() {
    let platform = with_set("qemu-virt", Set::Conformance);
    let text = platform.sp_manifest(platform.partition("old-1-0").unwrap()).unwrap().text;
    for (property, value) in [("ffa-version", "<0x10000>"), ("execution-ctx-count", "<0x1>")] {
        let lines: Vec<_> = text.lines().filter(|line| line.contains(property)).collect();
        assert_eq!(lines, [format!("\t{property} = {value};")], "{text}");
    }
}

#[test]
fn the_largest_image_still_leaves_room_for_its_policy() {
    let platform = platform("qemu-sbsa");
    let blob = Blob::encode(&platform.policy).unwrap();
    let image = manifests::with_policy(&[0; 0x1_8000], 0x2_0000, &blob).unwrap();
    let partition = platform.iommu_partition().unwrap();
    let manifest = platform.sp_manifest(partition).unwrap();
    assert!(package(partition, &manifest.blob, &image).is_ok());
}
