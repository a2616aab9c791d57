// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which properties and nodes of a manifest are read, ignored and refused: the one list.
//!
//! A property that is in no list is refused too, since a mistyped name must not silently lose its meaning. Names of
//! the form `vendor,name` belong to the partition and are left alone. Sources: FF-A 1.2 §5.2 and Hafnium's partition
//! manifest binding.

use super::Reason;
use super::fdt::{Node, Noted};

/// What becomes of a property or node.
#[derive(Clone, Copy)]
enum Treatment {
    /// The parser of its node reads it.
    Read,
    /// It changes nothing here; the text says why.
    Ignored(#[expect(dead_code, reason = "says why to whoever reads the list")] &'static str),
    /// Its presence asks for something that is not offered.
    Refused(&'static str),
    /// As `Refused`, but the value 0 asks for nothing.
    RefusedUnlessZero(&'static str),
}

use Treatment::{Ignored, Read, Refused, RefusedUnlessZero};

type List = [(&'static str, Treatment)];

/// Properties of a partition manifest's root.
const PARTITION: &List = &[
    ("compatible", Read),
    ("ffa-version", Read),
    ("uuid", Read),
    ("id", Read),
    ("description", Read),
    ("execution-ctx-count", Read),
    ("exception-level", Read),
    ("execution-state", Read),
    ("load-address", Read),
    ("entrypoint-offset", Read),
    ("xlat-granule", Read),
    ("boot-order", Read),
    ("gp-register-num", Read),
    ("messaging-method", Read),
    ("ns-interrupts-action", Read),
    ("notification-support", Read),
    ("managed-exit", Read),
    ("managed-exit-virq", Read),
    ("other-s-interrupts-action", Read),
    ("power-management-messages", Read),
    ("lifecycle-support", Read),
    ("abort-action", Read),
    ("#address-cells", Ignored("all addresses are properties of one or two cells")),
    ("#size-cells", Ignored("all sizes are properties of one or two cells")),
    ("has-primary-scheduler", Ignored("partitions run only when they are called")),
    ("time-slice-mem", Ignored("a partition runs until it gives the core back")),
    (
        "sri-interrupts-policy",
        RefusedUnlessZero("the normal world is not asked to run partitions for interrupts"),
    ),
    ("auxiliary-id", RefusedUnlessZero("a partition has one ID")),
    ("vm-availability-messages", RefusedUnlessZero("partitions get no VM availability messages")),
    ("stream-endpoint-ids", Ignored("no stream gets any access")),
];

/// Child nodes of a partition manifest's root.
const PARTITION_NODES: &List = &[
    ("services", Read),
    ("boot-info", Read),
    ("memory-regions", Read),
    ("device-regions", Read),
    ("rx_tx-info", Refused("a partition maps its buffers by FFA_RXTX_MAP")),
];

/// Properties of one service below `services`.
const SERVICE: &List =
    &[("uuid", Read), ("messaging-method", Read), ("description", Ignored("a name for people"))];

/// Properties of `boot-info`.
const BOOT_INFO: &List = &[("compatible", Read), ("ffa_manifest", Read)];

/// Properties of one memory region.
const MEMORY_REGION: &List = &[
    ("description", Ignored("a name for the partition's own use")),
    ("base-address", Read),
    ("load-address-relative-offset", Read),
    ("pages-count", Read),
    ("attributes", Read),
    ("smmu-id", Read),
    ("stream-ids", Read),
    ("stream-ids-access-permissions", Ignored("no stream gets any access")),
];

/// Properties of one device region.
const DEVICE_REGION: &List = &[
    ("description", Ignored("a name for the partition's own use")),
    ("base-address", Read),
    ("pages-count", Read),
    ("attributes", Read),
    ("exclusive-access", Ignored("no region is ever given to two partitions")),
    ("smmu-id", Read),
    ("stream-ids", Read),
    ("interrupts", Read),
    ("interrupts-target", Read),
];

/// Properties of `memory-regions` and `device-regions` themselves.
const REGIONS: &List = &[("compatible", Read)];

/// Properties of a partition's entry in the SPMC manifest.
const SPMC_PARTITION: &List = &[
    ("is_ffa_partition", Read),
    ("debug_name", Read),
    ("load_address", Read),
    ("vcpu_count", Read),
    ("mem_size", Read),
    ("sidguard,essential", Read),
];

/// The nodes whose properties are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Root of a partition manifest.
    Partition,
    /// A child of `services`.
    Service,
    /// `boot-info`.
    BootInfo,
    /// `memory-regions` or `device-regions` itself.
    Regions,
    /// A child of `memory-regions`.
    MemoryRegion,
    /// A child of `device-regions`.
    DeviceRegion,
    /// `vmN` below `hypervisor` in the SPMC manifest.
    SpmcPartition,
}

impl Binding {
    const fn list(self) -> &'static List {
        match self {
            Self::Partition => PARTITION,
            Self::Service => SERVICE,
            Self::BootInfo => BOOT_INFO,
            Self::Regions => REGIONS,
            Self::MemoryRegion => MEMORY_REGION,
            Self::DeviceRegion => DEVICE_REGION,
            Self::SpmcPartition => SPMC_PARTITION,
        }
    }
}

/// Refuses a node of which a property asks for what is not offered, or is not known.
///
/// # Errors
/// [`Reason::NotSupported`] or [`Reason::Unknown`], with the property's name.
pub fn check_properties(node: &Node<'_>, binding: Binding) -> Result<(), Noted> {
    node.each_property(|name| match find(binding.list(), name) {
        Some(Read | Ignored(_)) => Ok(()),
        Some(RefusedUnlessZero(_)) if node.u32(name)? == Some(0) => Ok(()),
        Some(Refused(why) | RefusedUnlessZero(why)) => {
            Err(node.wrong_property(name, Reason::NotSupported(why)))
        }
        None if binds_vendor(binding, name) => Ok(()),
        None => Err(node.wrong_property(name, Reason::Unknown)),
    })
}

/// Refuses a partition manifest with a child node that asks for what is not offered, or is not known.
///
/// # Errors
/// [`Reason::NotSupported`] or [`Reason::Unknown`], with the node's name.
pub fn check_nodes(root: &Node<'_>) -> Result<(), Noted> {
    for child in root.children() {
        let child = child?;
        match find(PARTITION_NODES, child.name()) {
            Some(Read | Ignored(_)) => {}
            Some(Refused(why) | RefusedUnlessZero(why)) => return Err(child.wrong(Reason::NotSupported(why))),
            None if child.name().contains(',') => {}
            None => return Err(child.wrong(Reason::Unknown)),
        }
    }
    Ok(())
}

/// `vendor,name` is the partition's own, but spm itself has no business with another vendor's words.
fn binds_vendor(binding: Binding, name: &str) -> bool {
    binding != Binding::SpmcPartition && name.contains(',')
}

fn find(list: &List, name: &str) -> Option<Treatment> {
    list.iter().find(|(listed, _)| *listed == name).map(|(_, treatment)| *treatment)
}
