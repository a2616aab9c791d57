// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC manifest.

use super::{Tree, cells, spmc_tree, text, wide};
use crate::manifest::spmc::MemoryKind;
use crate::manifest::{AddressRange, ManifestError, Name, Reason, SpmcManifest};

fn parse(tree: &Tree) -> Result<SpmcManifest, ManifestError> {
    SpmcManifest::parse(&tree.blob())
}

fn property(node: &str, property: &str, reason: Reason) -> Result<SpmcManifest, ManifestError> {
    Err(ManifestError::Property { node: Name::new(node), property: Name::new(property), reason })
}

fn node(node: &str, reason: Reason) -> Result<SpmcManifest, ManifestError> {
    Err(ManifestError::Node { node: Name::new(node), reason })
}

#[test]
fn reads_every_field() {
    let manifest = parse(&spmc_tree()).unwrap();
    assert_eq!(manifest.spmc_id, 0x8000);
    assert_eq!(manifest.load_address, 0x0e10_0000);
    assert_eq!(manifest.entrypoint, 0x0e10_0000);
    assert_eq!(manifest.binary_size, 0x10_0000);
    assert_eq!(manifest.console, Some(AddressRange::new(0x0904_0000, 0x1000).unwrap()));
    assert_eq!(manifest.gic.distributor, AddressRange::new(0x0800_0000, 0x1_0000).unwrap());
    assert_eq!(manifest.gic.redistributors, AddressRange::new(0x080a_0000, 0x10_0000).unwrap());
    let [first, second] = manifest.partitions.as_slice() else { panic!("{manifest:?}") };
    assert_eq!((first.id, second.id), (0x8001, 0x8002));
    assert_eq!((first.essential, second.essential), (true, false));
    assert_eq!(first.name.as_str(), "first");
    assert_eq!(first.memory, AddressRange::new(0x0e40_0000, 0x10_0000).unwrap());
    assert_eq!(first.vcpu_count.get(), 8);
    let kinds: Vec<_> = manifest.memory.iter().map(|memory| memory.kind).collect();
    assert_eq!(
        kinds,
        [MemoryKind::Secure, MemoryKind::NonSecure, MemoryKind::SecureDevice, MemoryKind::NonSecureDevice]
    );
    assert!(manifest.holds(MemoryKind::Secure, first.memory));
    assert!(!manifest.holds(MemoryKind::NonSecure, first.memory));
}

#[test]
fn the_console_is_found_where_something_else_is_wrong() {
    let expected = Some(AddressRange::new(0x0904_0000, 0x1000).unwrap());
    let whole = spmc_tree();
    assert_eq!(SpmcManifest::parse_with_console(&whole.blob()), (expected, parse(&whole)));
    let wrong = spmc_tree().set("gic", "compatible", text("x"));
    let why = node("gic", Reason::WrongCompatible("arm,gic-v3"));
    assert_eq!(SpmcManifest::parse_with_console(&wrong.blob()), (expected, why));
    let without = spmc_tree().set("console", "compatible", text("x"));
    let why = node("console", Reason::WrongCompatible("arm,pl011"));
    assert_eq!(SpmcManifest::parse_with_console(&without.blob()), (None, why));
}

#[test]
fn what_lies_behind_the_blob_does_not_matter() {
    let mut bytes = spmc_tree().blob();
    bytes.extend([0xff; 100]);
    assert!(SpmcManifest::parse(&bytes).is_ok());
}

#[test]
fn an_entry_of_memory_may_have_several_ranges() {
    let two = wide(&[0x1_0000_0000, 0x1000, 0x2_0000_0000, 0x1000]);
    let manifest = parse(&spmc_tree().set("memory@1", "reg", two)).unwrap();
    assert_eq!(manifest.memory.len(), 5);
}

#[test]
fn one_cell_per_address_is_read_too() {
    let tree = spmc_tree()
        .set("", "#address-cells", cells(&[1]))
        .set("", "#size-cells", cells(&[1]))
        .set("console", "reg", cells(&[0x0904_0000, 0x1000]))
        .set("gic", "reg", cells(&[0x0800_0000, 0x1_0000, 0x080a_0000, 0x10_0000]))
        .set("memory@0", "reg", cells(&[0x0e10_0000, 0x00f0_0000]))
        .without("memory@1")
        .without("memory@2")
        .without("memory@3");
    assert_eq!(parse(&tree).unwrap().memory.len(), 1);
}

#[test]
fn names_node_property_and_reason() {
    let tree = spmc_tree;
    let cases = [
        (
            tree().set("", "compatible", text("x")),
            node("/", Reason::WrongCompatible("arm,ffa-core-manifest-1.0")),
        ),
        (tree().set("", "#size-cells", cells(&[3])), property("/", "#size-cells", Reason::OutOfRange(3))),
        (tree().without("attribute"), node("attribute", Reason::Missing)),
        (tree().without("hypervisor"), node("hypervisor", Reason::Missing)),
        (
            tree().set("attribute", "spmc_id", cells(&[1])),
            property("attribute", "spmc_id", Reason::OutOfRange(1)),
        ),
        (
            tree().set("attribute", "spmc_id", cells(&[0xffff])),
            property("attribute", "spmc_id", Reason::OutOfRange(0xffff)),
        ),
        (
            tree().set("attribute", "maj_ver", cells(&[2])),
            property("attribute", "maj_ver", Reason::OutOfRange(2)),
        ),
        (
            tree().set("attribute", "min_ver", cells(&[3])),
            property("attribute", "min_ver", Reason::OutOfRange(3)),
        ),
        (
            tree().edit("attribute", |node| node.without("min_ver")),
            property("attribute", "min_ver", Reason::Missing),
        ),
        (
            tree().set("attribute", "spmc-id", cells(&[0x8000])),
            property("attribute", "spmc-id", Reason::Unknown),
        ),
        (
            tree().set("hypervisor", "vm_count", cells(&[2])),
            property("hypervisor", "vm_count", Reason::Unknown),
        ),
        (
            tree().set("attribute", "exec_state", cells(&[1])),
            property("attribute", "exec_state", Reason::NotSupported("AArch32")),
        ),
        (
            tree().edit("attribute", |node| node.without("entrypoint")),
            property("attribute", "entrypoint", Reason::Missing),
        ),
        (
            tree().set("attribute", "load_address", vec![0; 7]),
            property("attribute", "load_address", Reason::WrongLength),
        ),
        (tree().set("console", "reg", vec![]), property("console", "reg", Reason::WrongLength)),
        (
            tree().set("console", "reg", wide(&[0x10, 0x1000])),
            property("console", "reg", Reason::Unaligned(0x10)),
        ),
        (
            tree().set("console", "compatible", text("x")),
            node("console", Reason::WrongCompatible("arm,pl011")),
        ),
        (tree().without("gic"), node("gic", Reason::Missing)),
        (
            tree().set("gic", "compatible", text("arm,gic-400")),
            node("gic", Reason::WrongCompatible("arm,gic-v3")),
        ),
        (
            tree().set("gic", "reg", wide(&[0x0800_0000, 0x1_0000])),
            property("gic", "reg", Reason::WrongLength),
        ),
        (
            tree().set("gic", "reg", wide(&[0x0800_0000, 0x1000, 0x0801_0000, 0x1000, 0x0802_0000, 0x1000])),
            property("gic", "reg", Reason::WrongLength),
        ),
        (
            tree().set("memory@0", "device_type", text("ram")),
            property("memory@0", "device_type", Reason::Unknown),
        ),
        (
            tree().set("memory@1", "reg", wide(&[0x0e20_0000, 0x1000])),
            property("memory@1", "reg", Reason::Overlap(0x0e10_0000)),
        ),
        (
            tree().set("memory@1", "reg", wide(&[!0xfff, 0x1000])),
            property("memory@1", "reg", Reason::BadRange(!0xfff)),
        ),
        (
            tree().without("memory@0").without("memory@1").without("memory@2").without("memory@3"),
            node("memory@0", Reason::Missing),
        ),
    ];
    for (number, (tree, expected)) in cases.into_iter().enumerate() {
        assert_eq!(parse(&tree), expected, "case {number}");
    }
}

#[test]
fn names_what_is_wrong_with_a_partition() {
    let vm = "hypervisor/vm2";
    let tree = spmc_tree;
    let cases = [
        (
            tree().edit(vm, |node| node.without("is_ffa_partition")),
            property("vm2", "is_ffa_partition", Reason::Missing),
        ),
        (tree().set(vm, "vcpu_count", cells(&[0])), property("vm2", "vcpu_count", Reason::OutOfRange(0))),
        (
            tree().set(vm, "vcpu_count", cells(&[0x1_0000])),
            property("vm2", "vcpu_count", Reason::OutOfRange(0x1_0000)),
        ),
        (tree().set(vm, "mem_size", cells(&[0])), node("vm2", Reason::BadRange(0x0e60_0000))),
        (tree().set(vm, "load_address", cells(&[4])), node("vm2", Reason::Unaligned(4))),
        (tree().set(vm, "debug_name", vec![0xff, 0]), property("vm2", "debug_name", Reason::NotText)),
        (
            tree().set(vm, "smc_whitelist", cells(&[0x8200_0010])),
            property("vm2", "smc_whitelist", Reason::NotSupported("no SMC of a partition goes past spm")),
        ),
        (
            tree().set(vm, "hyp_loaded", vec![]),
            property("vm2", "hyp_loaded", Reason::NotSupported("spm loads each partition from its package")),
        ),
        (tree().set(vm, "sidguard,esential", vec![]), property("vm2", "sidguard,esential", Reason::Unknown)),
        (
            tree().edit("hypervisor", |list| list.child(Tree::node("vm02"))),
            property("vm02", "is_ffa_partition", Reason::Missing),
        ),
        (
            tree().edit("hypervisor", |list| list.child(Tree::node("partition"))),
            node("partition", Reason::Unknown),
        ),
        (tree().edit("hypervisor", |list| list.child(Tree::node("vm0"))), node("vm0", Reason::Unknown)),
        (
            tree().edit("hypervisor", |list| list.child(Tree::node("vm32767"))),
            node("vm32767", Reason::Unknown),
        ),
        (
            tree().edit("hypervisor", |list| {
                let copy = spmc_tree();
                copy.children_of("hypervisor").into_iter().fold(list, Tree::child)
            }),
            node("vm1", Reason::Duplicate),
        ),
        (
            tree().edit(vm, |node| node.with("mem_size", cells(&[0x1000]))),
            property("vm2", "mem_size", Reason::Duplicate),
        ),
        (tree().child(Tree::node("hypervisor")), node("hypervisor", Reason::Duplicate)),
    ];
    for (number, (tree, expected)) in cases.into_iter().enumerate() {
        assert_eq!(parse(&tree), expected, "case {number}");
    }
}

#[test]
fn says_it_in_words() {
    let error = parse(&spmc_tree().set("memory@1", "reg", wide(&[0x0e20_0000, 0x1000]))).unwrap_err();
    assert_eq!(error.to_string(), "node memory@1, property reg: overlaps another range at 0xe100000");
}
