// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which properties and nodes of a manifest are read, ignored and refused: the one list. `docs/manifests.md` says for each
//! what it does or why not; a test holds it against this list.
//!
//! A property that is in no list is refused too, since a mistyped name must not silently lose its meaning. Names of
//! the form `vendor,name` belong to the partition and are left alone. Sources: FF-A 1.3 §5.2, TF-A's
//! `ffa-manifest-binding`, and what Hafnium reads.

use super::Reason;
use super::fdt::{Node, Noted};

/// What becomes of a property or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// The parser of its node reads it.
    Read,
    /// It changes nothing here.
    Ignored,
    /// Its presence asks for something that is not offered.
    Refused(&'static str),
    /// As `Refused`, but the value 0 asks for nothing.
    RefusedUnlessZero(&'static str),
}

use Treatment::{Ignored, Read, Refused, RefusedUnlessZero};

pub(super) type List = [(&'static str, Treatment)];

const SMC: &str = "no SMC of a partition goes past spm";

/// Properties of a partition manifest's root.
const PARTITION: &List = &[
    ("compatible", Read),
    ("ffa-version", Read),
    ("uuid", Read),
    ("messaging-method", Read),
    ("id", Read),
    ("auxiliary-id", Ignored),
    ("description", Ignored),
    ("debug_name", Ignored),
    ("execution-ctx-count", Read),
    ("exception-level", Read),
    ("execution-state", Read),
    ("load-address", Read),
    ("entrypoint-offset", Read),
    ("image-size", Ignored),
    ("xlat-granule", Read),
    ("boot-order", Read),
    ("gp-register-num", Read),
    ("ns-interrupts-action", Read),
    ("notification-support", Read),
    ("managed-exit", Read),
    ("managed-exit-virq", Read),
    ("other-s-interrupts-action", Read),
    (
        "sri-interrupts-policy",
        RefusedUnlessZero(
            "the normal world is not asked to run partitions for interrupts, but IPIs between their vCPUs",
        ),
    ),
    ("run-time-model", Ignored),
    ("has-primary-scheduler", Ignored),
    ("time-slice-mem", Ignored),
    ("power-management-messages", Read),
    ("vm-availability-messages", RefusedUnlessZero("partitions get no VM availability messages")),
    ("lifecycle-support", Read),
    ("abort-action", Read),
    ("live-activation-support", Refused("live activation")),
    ("live-activation-register", Ignored),
    ("image-uuid", Ignored),
    ("stream-endpoint-ids", Ignored),
    ("#address-cells", Ignored),
    ("#size-cells", Ignored),
];

/// Child nodes of a partition manifest's root.
pub(super) const PARTITION_NODES: &List = &[
    ("services", Read),
    ("boot-info", Read),
    ("memory-regions", Read),
    ("device-regions", Read),
    ("rx_tx-info", Ignored),
    ("live-state-buffer-info", Ignored),
];

/// Properties of `services` itself.
const SERVICES: &List = &[("compatible", Read)];

/// Properties of one service below `services`.
const SERVICE: &List = &[("uuid", Read), ("messaging-method", Read), ("description", Ignored)];

/// Properties of `boot-info`.
const BOOT_INFO: &List =
    &[("compatible", Read), ("ffa_manifest", Read), ("hob_list", Refused("packages hold no HOB list"))];

/// Properties of one memory region.
const MEMORY_REGION: &List = &[
    ("description", Ignored),
    ("base-address", Read),
    ("load-address-relative-offset", Read),
    ("pages-count", Read),
    ("attributes", Read),
    ("smmu-id", Read),
    ("stream-ids", Read),
    ("stream-ids-access-permissions", Ignored),
    ("phandle", Ignored),
];

/// Properties of one device region.
const DEVICE_REGION: &List = &[
    ("description", Ignored),
    ("base-address", Read),
    ("pages-count", Read),
    ("attributes", Read),
    ("exclusive-access", Ignored),
    ("smmu-id", Read),
    ("stream-ids", Read),
    ("interrupts", Read),
    ("interrupts-target", Read),
    ("reg", Ignored),
    ("phandle", Ignored),
];

/// Properties of `memory-regions` and `device-regions` themselves.
const REGIONS: &List = &[("compatible", Read)];

/// Properties of the SPMC manifest's `attribute`.
const ATTRIBUTE: &List = &[
    ("spmc_id", Read),
    ("maj_ver", Read),
    ("min_ver", Read),
    ("exec_state", Read),
    ("load_address", Read),
    ("entrypoint", Read),
    ("binary_size", Read),
];

/// Properties of the SPMC manifest's `hypervisor`.
const HYPERVISOR: &List = &[("compatible", Read), ("ffa_tee_enabled", Ignored)];

/// Properties of a partition's entry in the SPMC manifest.
const SPMC_PARTITION: &List = &[
    ("is_ffa_partition", Read),
    ("debug_name", Read),
    ("load_address", Read),
    ("vcpu_count", Read),
    ("mem_size", Read),
    ("sidguard,essential", Read),
    ("smc_whitelist", Refused(SMC)),
    ("smc_whitelist_permissive", Refused(SMC)),
    ("hyp_loaded", Refused("spm loads each partition from its package")),
    ("fdt_filename", Ignored),
];

/// The nodes whose properties are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Root of a partition manifest.
    Partition,
    /// `services` itself.
    Services,
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
    /// `attribute` in the SPMC manifest.
    Attribute,
    /// `hypervisor` in the SPMC manifest.
    Hypervisor,
    /// `vmN` below `hypervisor` in the SPMC manifest.
    SpmcPartition,
}

impl Binding {
    /// Returns what is read of it, ignored and refused.
    pub(super) const fn list(self) -> &'static List {
        match self {
            Self::Partition => PARTITION,
            Self::Services => SERVICES,
            Self::Service => SERVICE,
            Self::BootInfo => BOOT_INFO,
            Self::Regions => REGIONS,
            Self::MemoryRegion => MEMORY_REGION,
            Self::DeviceRegion => DEVICE_REGION,
            Self::Attribute => ATTRIBUTE,
            Self::Hypervisor => HYPERVISOR,
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
        Some(Read | Ignored) => Ok(()),
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
            Some(Read | Ignored) => {}
            Some(Refused(why) | RefusedUnlessZero(why)) => return Err(child.wrong(Reason::NotSupported(why))),
            None if child.name().contains(',') => {}
            None => return Err(child.wrong(Reason::Unknown)),
        }
    }
    Ok(())
}

/// `vendor,name` is the partition's own, but spm itself has no business with another vendor's words.
fn binds_vendor(binding: Binding, name: &str) -> bool {
    !matches!(binding, Binding::Attribute | Binding::Hypervisor | Binding::SpmcPartition)
        && name.contains(',')
}

fn find(list: &List, name: &str) -> Option<Treatment> {
    list.iter().find(|(listed, _)| *listed == name).map(|(_, treatment)| *treatment)
}
