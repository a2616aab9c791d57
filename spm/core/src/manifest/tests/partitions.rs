// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition manifest.

use arm_ffa::Version;
use uuid::uuid;

use super::{Tree, cells, partition_tree, region, text, wide};
use crate::manifest::actions::NsInterruptsAction;
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::region::{Access, Base, Security};
use crate::manifest::{MAX_REGIONS, ManifestError, Name, PartitionManifest, Reason};

pub(super) fn parse(tree: &Tree) -> Result<PartitionManifest, ManifestError> {
    PartitionManifest::parse(&tree.blob())
}

/// Checks that a tree is refused with a reason at a node's property; an empty property stands for the node itself.
#[track_caller]
pub(super) fn refused(tree: &Tree, node: &str, property: &str, reason: Reason) {
    let node = Name::new(node);
    let expected = if property.is_empty() {
        ManifestError::Node { node, reason }
    } else {
        ManifestError::Property { node, property: Name::new(property), reason }
    };
    assert_eq!(parse(tree), Err(expected));
}

#[test]
fn reads_every_field() {
    let manifest = parse(&partition_tree()).unwrap();
    assert_eq!(manifest.ffa_version, Version(1, 2));
    assert_eq!(manifest.id, None);
    let [service] = manifest.services.as_slice() else { panic!("{manifest:?}") };
    assert_eq!(service.uuid, uuid!("b4b5671e-4a90-4fe1-b81f-fb13dae1dacb"));
    assert!(service.messaging.allows(MessagingMethod::RECEIVES_DIRECT.with(MessagingMethod::SENDS_DIRECT)));
    assert_eq!(manifest.contexts.get(), 8);
    assert_eq!(manifest.load_address, Some(0x0e40_0000));
    assert_eq!(manifest.entry_offset, Some(0x4000));
    assert_eq!(manifest.boot_order, 3);
    assert_eq!((manifest.boot_register, manifest.wants_manifest), (Some(0), true));
    assert_eq!(manifest.exception_level, ExceptionLevel::SEl1);
    assert_eq!(manifest.interrupt_actions.non_secure, NsInterruptsAction::Queued);
    assert!(manifest.receives_notifications);
    let [pool, secrets] = manifest.memory_regions.as_slice() else { panic!("{manifest:?}") };
    assert_eq!((pool.base, pool.pages), (Base::Absolute(0x4800_0000), 16));
    assert_eq!((pool.access, pool.security), (Access::ReadWrite, Security::NonSecure));
    assert_eq!((secrets.access, secrets.security), (Access::Read, Security::Secure));
    assert_eq!(manifest.device_regions.len(), 2);
}

#[test]
fn what_is_optional_has_the_bindings_default() {
    let mut tree = partition_tree();
    for name in [
        "description",
        "load-address",
        "entrypoint-offset",
        "xlat-granule",
        "boot-order",
        "ns-interrupts-action",
        "gp-register-num",
        "boot-info",
        "memory-regions",
        "device-regions",
    ] {
        tree = tree.without(name);
    }
    let manifest = parse(&tree).unwrap();
    assert_eq!((manifest.load_address, manifest.entry_offset, manifest.boot_order), (None, None, u16::MAX));
    assert_eq!((manifest.boot_register, manifest.wants_manifest), (None, false));
    assert!(manifest.memory_regions.is_empty() && manifest.device_regions.is_empty());
}

#[test]
fn what_has_to_be_there_is_missed() {
    for name in [
        "ffa-version",
        "uuid",
        "messaging-method",
        "execution-ctx-count",
        "exception-level",
        "execution-state",
    ] {
        refused(&partition_tree().without(name), "/", name, Reason::Missing);
    }
    refused(
        &partition_tree().without("compatible"),
        "/",
        "",
        Reason::WrongCompatible("arm,ffa-manifest-1.0"),
    );
}

#[test]
fn each_value_that_is_not_offered_is_refused_by_name() {
    let cases: &[(&str, u32, Reason)] = &[
        ("exception-level", 0, Reason::NotSupported("EL1 is the normal world's")),
        ("exception-level", 3, Reason::OutOfRange(3)),
        ("execution-state", 1, Reason::NotSupported("AArch32")),
        ("execution-state", 2, Reason::OutOfRange(2)),
        ("xlat-granule", 2, Reason::NotSupported("granules other than 4 KiB")),
        ("xlat-granule", 3, Reason::OutOfRange(3)),
        ("ffa-version", 0x0001_0003, Reason::NotSupported("FF-A later than 1.2")),
        ("ffa-version", 0x0002_0000, Reason::OutOfRange(0x0002_0000)),
        ("ffa-version", 0x8001_0002, Reason::OutOfRange(0x8001_0002)),
        ("execution-ctx-count", 0, Reason::OutOfRange(0)),
        ("execution-ctx-count", 0x1_0000, Reason::OutOfRange(0x1_0000)),
        ("id", 0, Reason::OutOfRange(0)),
        ("id", 0x1_8001, Reason::OutOfRange(0x1_8001)),
        ("id", 0x8000, Reason::OutOfRange(0x8000)),
        ("id", 0xffff, Reason::OutOfRange(0xffff)),
        ("entrypoint-offset", 0x4002, Reason::OutOfRange(0x4002)),
        ("boot-order", 0x1_0000, Reason::OutOfRange(0x1_0000)),
        ("gp-register-num", 4, Reason::OutOfRange(4)),
        ("messaging-method", 0x807, Reason::OutOfRange(0x807)),
        ("messaging-method", 8, Reason::OutOfRange(8)),
        (
            "sri-interrupts-policy",
            1,
            Reason::NotSupported(
                "the normal world is not asked to run partitions for interrupts, but IPIs between their vCPUs",
            ),
        ),
        ("vm-availability-messages", 3, Reason::NotSupported("partitions get no VM availability messages")),
        ("live-activation-support", 0, Reason::NotSupported("live activation")),
        ("entry-point-offset", 0x4000, Reason::Unknown),
    ];
    for (name, value, reason) in cases {
        refused(&partition_tree().set("", name, cells(&[*value])), "/", name, *reason);
    }
    let accepted = partition_tree().set("", "time-slice-mem", cells(&[7])).set("", "id", cells(&[0x8005]));
    assert_eq!(parse(&accepted).unwrap().id, Some(0x8005));
    // IDs as partitions for Hafnium have them, which takes the order of the SPMC manifest instead.
    for id in [1, 0x7fff] {
        assert_eq!(parse(&partition_tree().set("", "id", cells(&[id]))).unwrap().id, None);
    }
}

#[test]
fn values_of_the_wrong_length_are_refused() {
    for name in ["exception-level", "execution-ctx-count", "id", "boot-order", "messaging-method"] {
        refused(&partition_tree().set("", name, vec![0; 3]), "/", name, Reason::WrongLength);
    }
    for name in ["load-address", "entrypoint-offset"] {
        refused(&partition_tree().set("", name, vec![0; 12]), "/", name, Reason::WrongLength);
    }
    for length in [0, 8, 20] {
        refused(&partition_tree().set("", "uuid", vec![1; length]), "/", "uuid", Reason::WrongLength);
    }
    refused(&partition_tree().with("id", vec![]).with("id", vec![]), "/", "id", Reason::Duplicate);
}

#[test]
fn regions_are_refused_by_node_property_and_reason() {
    let with = |list: &str, child: Tree| partition_tree().edit(list, |node| node.child(child));
    for (list, name, reason) in [
        ("device-regions", "load-address-relative-offset", Reason::Unknown),
        ("memory-regions", "exclusive-access", Reason::Unknown),
    ] {
        refused(&with(list, region("r", 0x1000, 1, 1).with(name, cells(&[0]))), "r", name, reason);
    }
    for (list, attributes, reason) in [
        ("memory-regions", 0b0111, Reason::NotSupported("writable and executable at once")),
        ("memory-regions", 0b0110, Reason::NotSupported("writable and executable at once")),
        ("memory-regions", 0b1101, Reason::NotSupported("executing non-secure memory")),
        ("memory-regions", 0b0010, Reason::OutOfRange(0b0010)),
        ("memory-regions", 0b0000, Reason::OutOfRange(0)),
        ("memory-regions", 0b1_0001, Reason::OutOfRange(0b1_0001)),
        ("device-regions", 0b0101, Reason::NotSupported("executable device memory")),
    ] {
        refused(&with(list, region("r", 0x1000, 1, attributes)), "r", "attributes", reason);
    }
    let list = "memory-regions";
    refused(&with(list, region("r", 0x1000, 0, 1)), "r", "", Reason::BadRange(0x1000));
    refused(&with(list, region("r", !0xfff, 1, 1)), "r", "", Reason::BadRange(!0xfff));
    refused(&with(list, region("r", 0x1800, 1, 1)), "r", "", Reason::Unaligned(0x1800));
    let base = "base-address";
    refused(&with(list, region("r", 0, 1, 1).without(base)), "r", base, Reason::Missing);
    let relative = "load-address-relative-offset";
    let twice = region("r", 0, 1, 1).with(relative, cells(&[0x1000]));
    refused(&with(list, twice), "r", relative, Reason::Duplicate);
    let own = region("r", 0, 1, 1).without(base).with(relative, wide(&[0x2000]));
    let manifest = parse(&with(list, own)).unwrap();
    assert_eq!(manifest.memory_regions.last().unwrap().base, Base::LoadRelative(0x2000));
    let many = (0..MAX_REGIONS).fold(partition_tree(), |tree, number| {
        tree.edit(list, |node| node.child(region(&format!("m{number}"), 0x1000, 1, 1)))
    });
    refused(&many, list, "", Reason::TooMany(MAX_REGIONS));
    refused(
        &partition_tree().set(list, "compatible", text("x")),
        list,
        "",
        Reason::WrongCompatible("arm,ffa-manifest-memory-regions"),
    );
}

#[test]
fn boot_information_needs_a_register() {
    refused(&partition_tree().without("gp-register-num"), "/", "gp-register-num", Reason::Missing);
    let hob = partition_tree().edit("boot-info", |node| node.with("hob_list", vec![]));
    refused(&hob, "boot-info", "hob_list", Reason::NotSupported("packages hold no HOB list"));
}

#[test]
fn nodes_that_ask_for_more_are_refused() {
    refused(&partition_tree().child(Tree::node("memory-region")), "memory-region", "", Reason::Unknown);
    assert!(parse(&partition_tree().child(Tree::node("vendor,own"))).is_ok());
}

#[test]
fn regions_tell_of_streams() {
    let streams = |tree: Tree, path: &str| {
        tree.set(path, "smmu-id", cells(&[0])).set(path, "stream-ids", cells(&[0, 1]))
    };
    let manifest = parse(&partition_tree()).unwrap();
    let told = |manifest: &PartitionManifest| {
        let all = manifest.memory_regions.iter().chain(&manifest.device_regions);
        all.filter(|region| region.has_streams)
            .map(|region| region.name.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(told(&manifest).is_empty());
    let tree = streams(streams(partition_tree(), "memory-regions/pool"), "device-regions/smmu")
        .set("memory-regions/pool", "stream-ids-access-permissions", cells(&[3, 3]))
        .set("device-regions/smmu", "interrupts", cells(&[56, 0x900]))
        .set("device-regions/other", "interrupts", cells(&[57, 0x900]));
    let manifest = parse(&tree).unwrap();
    assert_eq!(told(&manifest), ["pool", "smmu"]);
    assert_eq!(manifest.devices().map(|region| region.name.as_str()).collect::<Vec<_>>(), ["other"]);
    assert_eq!(manifest.interrupts.iter().map(|interrupt| interrupt.intid).collect::<Vec<_>>(), [57]);
    // Either property is enough, whatever it says.
    for name in ["smmu-id", "stream-ids"] {
        let manifest = parse(&partition_tree().set("device-regions/smmu", name, vec![])).unwrap();
        assert_eq!(told(&manifest), ["smmu"]);
    }
}
