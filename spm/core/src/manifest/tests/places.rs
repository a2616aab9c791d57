// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One manifest against the other.

use std::num::NonZeroU16;

use super::{Tree, cells, partition_tree, region, spmc_tree, wide};
use crate::manifest::layout::{Layout, LayoutError, Owner, PartitionLayout};
use crate::manifest::spmc::MemoryKind;
use crate::manifest::{AddressRange, Name, PartitionManifest, SpmcManifest};
use crate::package::Package;

const SECOND: u64 = 0x0e60_0000;

fn range(start: u64, size: u64) -> AddressRange {
    AddressRange::new(start, size).unwrap()
}

/// A package of which manifest and image take `size` bytes in all.
fn package(size: u32) -> Package {
    let mut bytes = vec![0; 0x20_0000];
    let image = 0x4000_u32;
    for (place, word) in bytes.chunks_exact_mut(4).zip([0x474b_5053, 2, 0x1000, 0x800, image, size - image]) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    Package::parse(&bytes).unwrap()
}

/// Admits `first`, then `second` as the second partition, and returns what became of that.
fn admit_both(spmc: &Tree, first: &Tree, second: &Tree) -> Result<PartitionLayout, LayoutError> {
    let spmc = SpmcManifest::parse(&spmc.blob()).unwrap();
    let spm = range(0x0e10_0000, 0x10_0000);
    let mut layout = Layout::new(&spmc, NonZeroU16::new(8).unwrap(), &[spm]).unwrap();
    let mut result = None;
    for (place, tree) in spmc.partitions.iter().zip([first, second]) {
        let manifest = PartitionManifest::parse(&tree.blob()).unwrap();
        result = Some(layout.admit(place, &manifest, &package(0x1_0000)).cloned());
        if result.as_ref().unwrap().is_err() {
            assert!(layout.admitted().len() < 2, "nothing is kept of what was refused");
        }
    }
    result.unwrap()
}

/// The second partition: no regions.
fn plain() -> Tree {
    partition_tree().without("memory-regions").without("device-regions").set(
        "",
        "load-address",
        wide(&[SECOND]),
    )
}

fn second(change: impl FnOnce(Tree) -> Tree) -> Result<PartitionLayout, LayoutError> {
    admit_both(&spmc_tree(), &partition_tree(), &change(plain()))
}

fn with_regions(list: &str, child: Tree) -> Tree {
    let compatible = super::text(&format!("arm,ffa-manifest-{list}"));
    plain().child(Tree::node(list).with("compatible", compatible).child(child))
}

#[test]
fn admits_what_fits() {
    let layout = second(|tree| tree).unwrap();
    assert_eq!((layout.id, layout.entry), (0x8002, SECOND + 0x4000));
    assert_eq!(layout.memory, range(SECOND, 0x10_0000));
    let all = admit_both(
        &spmc_tree(),
        &plain().without("load-address"),
        &with_regions("memory-regions", region("pool", 0x4000_0000, 1, 0b1011)),
    );
    assert_eq!(all.unwrap().memory_regions[0].range, range(0x4000_0000, 0x1000));
}

#[test]
fn a_partition_stays_in_secure_memory_of_its_own() {
    let place = |base: u32| {
        let spmc = spmc_tree().set("hypervisor/vm2", "load_address", cells(&[base]));
        admit_both(&spmc, &partition_tree(), &plain().without("load-address"))
    };
    assert_eq!(place(0x4000_0000), Err(LayoutError::MemoryNotSecure(range(0x4000_0000, 0x10_0000))));
    assert_eq!(place(0x0efa_0000), Err(LayoutError::MemoryNotSecure(range(0x0efa_0000, 0x10_0000))));
    let taken =
        |base, other, owner| Err(LayoutError::MemoryTaken { memory: range(base, 0x10_0000), other, owner });
    let first = range(0x0e40_0000, 0x10_0000);
    assert_eq!(place(0x0e4f_f000), taken(0x0e4f_f000, first, Owner::Partition(0x8001)));
    let spm = range(0x0e10_0000, 0x10_0000);
    assert_eq!(place(0x0e1f_f000), taken(0x0e1f_f000, spm, Owner::Spm));
    let secrets = range(0x0e80_0000, 0x1000);
    assert_eq!(place(0x0e80_0000), taken(0x0e80_0000, secrets, Owner::Partition(0x8001)));
}

#[test]
fn a_place_is_judged_before_anybody_looks_into_it() {
    let judge = |base: u32| {
        let spmc = spmc_tree().set("hypervisor/vm2", "load_address", cells(&[base]));
        let spmc = SpmcManifest::parse(&spmc.blob()).unwrap();
        let layout =
            Layout::new(&spmc, NonZeroU16::new(8).unwrap(), &[range(0x0e10_0000, 0x10_0000)]).unwrap();
        layout.check_place(&spmc.partitions[1])
    };
    assert_eq!(judge(0x0e60_0000), Ok(()));
    // The console, which stays mapped for good; a hole, where a read is an external abort; spm itself.
    for elsewhere in [0x0904_0000, 0x3000_0000] {
        let memory = range(u64::from(elsewhere), 0x10_0000);
        assert_eq!(judge(elsewhere), Err(LayoutError::MemoryNotSecure(memory)));
    }
    assert!(matches!(judge(0x0e1f_f000), Err(LayoutError::MemoryTaken { owner: Owner::Spm, .. })));
}

#[test]
fn the_manifests_have_to_agree() {
    let wanted = 0x0e40_0000;
    assert_eq!(
        second(|tree| tree.set("", "load-address", wide(&[wanted]))),
        Err(LayoutError::LoadAddress { wanted, given: SECOND })
    );
    for offset in [0x3ffc, 0x1_0000] {
        assert_eq!(
            second(|tree| tree.set("", "entrypoint-offset", wide(&[offset]))),
            Err(LayoutError::EntryOutsideImage(offset))
        );
    }
    // Where the manifest does not say, it is the start of the image.
    let first = second(|tree| tree.without("entrypoint-offset")).unwrap();
    assert_eq!(first.entry, SECOND + 0x4000);
    let contexts = |wanted: u32, given: u32| {
        let spmc = spmc_tree().set("hypervisor/vm2", "vcpu_count", cells(&[given]));
        admit_both(&spmc, &partition_tree(), &plain().set("", "execution-ctx-count", cells(&[wanted])))
    };
    assert!(contexts(1, 1).is_ok() && contexts(8, 8).is_ok());
    for (wanted, given) in [(1, 8), (8, 1), (2, 2), (9, 9)] {
        assert!(matches!(contexts(wanted, given), Err(LayoutError::Contexts { .. })), "{wanted} {given}");
    }
    let id = |id: u32| second(|tree| tree.set("", "id", cells(&[id])));
    assert_eq!(id(0x8001), Err(LayoutError::IdTaken(0x8001)));
    assert_eq!(id(0x9000).unwrap().id, 0x9000);
}

#[test]
fn a_package_larger_than_the_memory_is_refused() {
    let spmc = spmc_tree().set("hypervisor/vm2", "mem_size", cells(&[0xf000]));
    let result = admit_both(&spmc, &partition_tree(), &plain());
    assert_eq!(result, Err(LayoutError::PackageTooLarge(0x1_0000)));
}

#[test]
fn a_region_has_to_be_what_its_attributes_say() {
    for (list, base, attributes, kind) in [
        ("memory-regions", 0x4000_0000, 0b0011, MemoryKind::Secure),
        ("memory-regions", 0x0e90_0000, 0b1011, MemoryKind::NonSecure),
        ("memory-regions", 0x0905_0000, 0b0011, MemoryKind::Secure),
        ("memory-regions", 0x7fff_f000, 0b1011, MemoryKind::NonSecure),
        ("device-regions", 0x0e90_0000, 0b0011, MemoryKind::SecureDevice),
        ("device-regions", 0x0905_0000, 0b1011, MemoryKind::NonSecureDevice),
        ("device-regions", 0x0a00_f000, 0b1011, MemoryKind::NonSecureDevice),
    ] {
        let result = second(|_| with_regions(list, region("r", base, 2, attributes)));
        let expected = LayoutError::RegionKind { region: Name::new("r"), range: range(base, 0x2000), kind };
        assert_eq!(result, Err(expected));
    }
}

#[test]
fn a_region_has_one_owner() {
    // The interrupt controller, where partitions may have devices.
    let spmc = spmc_tree().set("gic", "reg", wide(&[0x0905_1000, 0x1000, 0x0905_2000, 0x2000]));
    let taken = |list: &str, base, attributes, other, owner| {
        let second = with_regions(list, region("r", base, 1, attributes));
        let result = admit_both(&spmc, &partition_tree(), &second);
        let region = Name::new("r");
        assert_eq!(
            result,
            Err(LayoutError::RegionTaken { region, range: range(base, 0x1000), other, owner })
        );
    };
    let (first, this) = (Owner::Partition(0x8001), Owner::Partition(0x8002));
    taken("memory-regions", 0x4800_f000, 0b1001, range(0x4800_0000, 0x1_0000), first);
    taken("memory-regions", 0x0e4f_f000, 0b0011, range(0x0e40_0000, 0x10_0000), first);
    taken("memory-regions", SECOND, 0b0001, range(SECOND, 0x10_0000), this);
    taken("memory-regions", 0x0e1f_f000, 0b0001, range(0x0e10_0000, 0x10_0000), Owner::Spm);
    taken("device-regions", 0x0905_0000, 0b0011, range(0x0905_0000, 0x1000), first);
    taken("device-regions", 0x0904_0000, 0b0011, range(0x0904_0000, 0x1000), Owner::Spm);
    taken("device-regions", 0x0905_1000, 0b0011, range(0x0905_1000, 0x1000), Owner::Spm);
    taken("device-regions", 0x0905_3000, 0b0011, range(0x0905_2000, 0x2000), Owner::Spm);
    let twice = with_regions("memory-regions", region("a", 0x4000_0000, 2, 0b1011))
        .edit("memory-regions", |list| list.child(region("b", 0x4000_1000, 2, 0b1011)));
    let result = second(|_| twice);
    assert!(matches!(result, Err(LayoutError::RegionTaken { .. })), "{result:?}");
}

#[test]
fn a_region_that_encloses_anothers_is_refused() {
    // What was granted begins and ends beyond what the first partition holds in the middle of it.
    for (list, base, pages, attributes) in [
        ("memory-regions", 0x47ff_f000, 0x12, 0b1001),
        ("memory-regions", 0x0e3f_f000, 0x102, 0b0011),
        ("device-regions", 0x0904_f000, 3, 0b0011),
    ] {
        let result = second(|_| with_regions(list, region("r", base, pages, attributes)));
        assert!(matches!(result, Err(LayoutError::RegionTaken { .. })), "{base:#x}: {result:?}");
    }
}

#[test]
fn a_relative_region_that_wraps_is_refused() {
    let relative =
        region("r", 0, 1, 1).without("base-address").with("load-address-relative-offset", wide(&[!0xfff]));
    let parsed = PartitionManifest::parse(&with_regions("memory-regions", relative).blob());
    assert!(parsed.is_err(), "{parsed:?}");
    let near = region("r", 0, 1, 1)
        .without("base-address")
        .with("load-address-relative-offset", wide(&[!0xfff - SECOND]));
    let result = second(|_| with_regions("memory-regions", near));
    assert!(matches!(result, Err(LayoutError::RegionAddress { .. })), "{result:?}");
}

#[test]
fn an_interrupt_has_one_owner() {
    let device =
        |base, interrupts: &[u32]| region("d", base, 1, 0b1011).with("interrupts", cells(interrupts));
    let both = |second: &[u32]| {
        let list = "device-regions";
        let first =
            partition_tree().set("device-regions/other", "interrupts", cells(&[50, 0x900, 51, 0x900]));
        admit_both(&spmc_tree(), &first, &with_regions(list, device(0x0a00_1000, second)))
    };
    let taken = |intid| Err(LayoutError::InterruptTaken { intid, owner: 0x8001 });
    assert_eq!(both(&[49, 0x900, 51, 0x900]), taken(51));
    assert_eq!(both(&[50, 0xa00 | 0x100]), taken(50));
    assert_eq!(both(&[49, 0x900, 52, 0x900]).unwrap().interrupts.len(), 2);
}

#[test]
fn a_private_interrupt_needs_a_context_for_each_core() {
    let device = region("d", 0x0a00_1000, 1, 0b1011).with("interrupts", cells(&[49, 0x900, 16, 0x500]));
    for (contexts, refused) in [(1, true), (8, false)] {
        let spmc = spmc_tree().set("hypervisor/vm2", "vcpu_count", cells(&[contexts]));
        let tree = with_regions("device-regions", device.clone());
        let second = tree.set("", "execution-ctx-count", cells(&[contexts]));
        let result = admit_both(&spmc, &partition_tree(), &second).map(|layout| layout.interrupts.len());
        assert_eq!(result, if refused { Err(LayoutError::PrivateInterrupt(16)) } else { Ok(2) });
    }
}

#[test]
fn a_device_with_streams_is_withheld_and_memory_with_streams_is_given() {
    let streams = |tree: Tree| tree.with("smmu-id", cells(&[0])).with("stream-ids", cells(&[0]));
    // Neither where it lies nor whose it is matters: nothing is given.
    for base in [0x0905_0000, 0x0e40_0000, 0x3000_0000] {
        let device = streams(region("d", base, 1, 0b0011)).with("interrupts", cells(&[56, 0x900]));
        let tree = with_regions("device-regions", device)
            .edit("device-regions", |list| list.child(region("e", 0x0a00_1000, 1, 0b1011)));
        let layout = second(|_| tree).unwrap();
        let given: Vec<_> = layout.device_regions.iter().map(|region| region.range).collect();
        assert_eq!(given, [range(0x0a00_1000, 0x1000)]);
        assert!(layout.interrupts.is_empty());
    }
    let memory = streams(region("m", 0x4000_0000, 1, 0b1011));
    let layout = second(|_| with_regions("memory-regions", memory)).unwrap();
    assert_eq!(layout.memory_regions.len(), 1);
}
