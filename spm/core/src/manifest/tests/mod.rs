// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the manifests: good ones are read, each kind of bad one is refused by name, and no bytes do worse than that.

mod actions;
mod documented;
mod hafnium;
mod hostile;
mod interrupts;
mod partitions;
mod places;
mod services;
mod spmc;
mod tree;

pub(crate) use tree::Tree;

/// 64-bit cells.
pub(crate) fn wide(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// 32-bit cells.
pub(crate) fn cells(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// A string with its NUL.
pub(crate) fn text(value: &str) -> Vec<u8> {
    let mut bytes = value.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// An SPMC manifest with two partitions.
pub(crate) fn spmc_tree() -> Tree {
    let partition = |name: &str, base: u32| {
        Tree::node(name)
            .with("is_ffa_partition", vec![])
            .with("debug_name", text("first"))
            .with("load_address", cells(&[base]))
            .with("vcpu_count", cells(&[8]))
            .with("mem_size", cells(&[0x10_0000]))
    };
    let memory = |name: &str, kind: &str, base: u64, size: u64| {
        Tree::node(name).with("device_type", text(kind)).with("reg", wide(&[base, size]))
    };
    Tree::node("")
        .with("compatible", text("arm,ffa-core-manifest-1.0"))
        .with("#address-cells", cells(&[2]))
        .with("#size-cells", cells(&[2]))
        .child(
            Tree::node("attribute")
                .with("spmc_id", cells(&[0x8000]))
                .with("maj_ver", cells(&[1]))
                .with("min_ver", cells(&[2]))
                .with("exec_state", cells(&[0]))
                .with("load_address", wide(&[0x0e10_0000]))
                .with("entrypoint", wide(&[0x0e10_0000]))
                .with("binary_size", cells(&[0x10_0000])),
        )
        .child(
            Tree::node("hypervisor")
                .with("compatible", text("hafnium,hafnium"))
                .child(partition("vm1", 0x0e40_0000).with("sidguard,essential", vec![]))
                .child(partition("vm2", 0x0e60_0000)),
        )
        .child(
            Tree::node("console")
                .with("compatible", text("arm,pl011"))
                .with("reg", wide(&[0x0904_0000, 0x1000])),
        )
        .child(
            Tree::node("gic")
                .with("compatible", text("arm,gic-v3"))
                .with("reg", wide(&[0x0800_0000, 0x1_0000, 0x080a_0000, 0x10_0000])),
        )
        .child(memory("memory@0", "memory", 0x0e10_0000, 0x00f0_0000))
        .child(memory("memory@1", "ns-memory", 0x4000_0000, 0x4000_0000))
        .child(memory("memory@2", "device-memory", 0x0904_0000, 0x2_0000))
        .child(memory("memory@3", "ns-device-memory", 0x0a00_0000, 0x1_0000))
}

/// A partition manifest with a region of each kind.
pub(crate) fn partition_tree() -> Tree {
    Tree::node("")
        .with("compatible", text("arm,ffa-manifest-1.0"))
        .with("ffa-version", cells(&[0x0001_0002]))
        .with("uuid", cells(&[0x1e67_b5b4, 0xe14f_904a, 0x13fb_1fb8, 0xcbda_e1da]))
        .with("description", text("test"))
        .with("execution-ctx-count", cells(&[8]))
        .with("exception-level", cells(&[2]))
        .with("execution-state", cells(&[0]))
        .with("load-address", wide(&[0x0e40_0000]))
        .with("entrypoint-offset", cells(&[0x4000]))
        .with("xlat-granule", cells(&[0]))
        .with("boot-order", cells(&[3]))
        .with("messaging-method", cells(&[3]))
        .with("ns-interrupts-action", cells(&[0]))
        .with("notification-support", vec![])
        .with("gp-register-num", cells(&[0]))
        .with("sidguard,policy-digest", vec![0xaa; 32])
        .child(
            Tree::node("boot-info")
                .with("compatible", text("arm,ffa-manifest-boot-info"))
                .with("ffa_manifest", vec![]),
        )
        .child(
            Tree::node("memory-regions")
                .with("compatible", text("arm,ffa-manifest-memory-regions"))
                .child(region("pool", 0x4800_0000, 16, 0b1011))
                .child(region("secrets", 0x0e80_0000, 1, 0b0001)),
        )
        .child(
            Tree::node("device-regions")
                .with("compatible", text("arm,ffa-manifest-device-regions"))
                .child(region("smmu", 0x0905_0000, 1, 0b0011))
                .child(region("other", 0x0a00_0000, 1, 0b1011)),
        )
}

/// A region at an absolute address.
pub(crate) fn region(name: &str, base: u64, pages: u32, attributes: u32) -> Tree {
    Tree::node(name)
        .with("description", text(name))
        .with("base-address", wide(&[base]))
        .with("pages-count", cells(&[pages]))
        .with("attributes", cells(&[attributes]))
}
