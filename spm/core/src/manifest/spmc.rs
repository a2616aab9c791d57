// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC manifest (TOS_FW_CONFIG): what the integrator gives spm, in the `arm,ffa-core-manifest-1.0` binding.
//!
//! The integrator is to blame for what is wrong here, and spm cannot start without it.

use core::num::NonZeroU16;

use heapless::Vec;

use super::cells::Cells;
use super::fdt::{Node, Noted, Tree};
use super::fields::{Binding, check_properties};
use super::{AddressRange, MAX_MEMORY_RANGES, MAX_PARTITIONS, ManifestError, Name, Reason};

/// What a range of the physical address space holds, and in which world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// RAM that only the secure world reaches.
    Secure,
    /// RAM of the normal world.
    NonSecure,
    /// Device registers that only the secure world reaches.
    SecureDevice,
    /// Device registers that the normal world reaches.
    NonSecureDevice,
}

impl MemoryKind {
    fn from_device_type(text: &str) -> Option<Self> {
        match text {
            "memory" => Some(Self::Secure),
            "ns-memory" => Some(Self::NonSecure),
            "device-memory" => Some(Self::SecureDevice),
            "ns-device-memory" => Some(Self::NonSecureDevice),
            _ => None,
        }
    }
}

/// A range of physical addresses and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// The addresses.
    pub range: AddressRange,
    /// What they hold.
    pub kind: MemoryKind,
}

/// A partition that the integrator placed: the node `vmN` below `hypervisor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpmcPartition {
    /// Its ID unless its own manifest asks for another: 0x8000 + N.
    pub id: u16,
    /// Its name for people, from `debug_name`.
    pub name: Name,
    /// Where its package was loaded, and all memory behind that it owns.
    pub memory: AddressRange,
    /// How many vCPUs it may have.
    pub vcpu_count: NonZeroU16,
    /// Whether the system must not come up without it.
    pub essential: bool,
}

/// The interrupt controller, a GICv3 or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gic {
    /// Its distributor.
    pub distributor: AddressRange,
    /// The redistributors of all cores, one behind the other.
    pub redistributors: AddressRange,
}

/// The SPMC manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpmcManifest {
    /// spm's own FF-A ID; bit 15 is set.
    pub spmc_id: u16,
    /// Where spm was loaded.
    pub load_address: u64,
    /// spm's first instruction.
    pub entrypoint: u64,
    /// Bytes from the load address that are spm's own; a secondary core's entry point has to lie in them.
    pub binary_size: u64,
    /// spm's console, a PL011, if it has one.
    pub console: Option<AddressRange>,
    /// The interrupt controller.
    pub gic: Gic,
    /// The partitions, in the order of their nodes.
    pub partitions: Vec<SpmcPartition, MAX_PARTITIONS>,
    /// What the address space holds.
    pub memory: Vec<MemoryRange, MAX_MEMORY_RANGES>,
}

impl SpmcManifest {
    /// Reads the device-tree blob at the start of `bytes`.
    ///
    /// # Errors
    /// [`ManifestError`] with the node, the property and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Tree::new(bytes)?.read(Self::read)
    }

    /// As [`SpmcManifest::parse`], and finds the console of a blob that may be wrong otherwise, so that there is a place to
    /// say what is wrong.
    pub fn parse_with_console(bytes: &[u8]) -> (Option<AddressRange>, Result<Self, ManifestError>) {
        match Tree::new(bytes) {
            Ok(tree) => {
                let console = tree.read(|root| console(root, Cells::of(root)?));
                (console.ok().flatten(), tree.read(Self::read))
            }
            Err(error) => (None, Err(error)),
        }
    }

    fn read(root: &Node<'_>) -> Result<Self, Noted> {
        root.require_compatible("arm,ffa-core-manifest-1.0")?;
        let cells = Cells::of(root)?;
        let attribute = root.require_child("attribute")?;
        check_properties(&attribute, Binding::Attribute)?;
        check_version(&attribute)?;
        if attribute.u32("exec_state")?.unwrap_or(0) != 0 {
            return Err(attribute.wrong_property("exec_state", Reason::NotSupported("AArch32")));
        }
        Ok(Self {
            spmc_id: spmc_id(&attribute)?,
            load_address: attribute.require_u64("load_address")?,
            entrypoint: attribute.require_u64("entrypoint")?,
            binary_size: attribute.require_u64("binary_size")?,
            console: console(root, cells)?,
            gic: gic(root, cells)?,
            partitions: partitions(root)?,
            memory: memory(root, cells)?,
        })
    }

    /// Tells whether `range` lies wholly within one range of `kind`.
    #[must_use]
    pub fn holds(&self, kind: MemoryKind, range: AddressRange) -> bool {
        self.memory.iter().any(|memory| memory.kind == kind && memory.range.contains(range))
    }
}

/// Refuses to be announced to the SPMD as something else than what [`crate::version`] negotiates.
fn check_version(attribute: &Node<'_>) -> Result<(), Noted> {
    for (property, possible) in [("maj_ver", 1..=1), ("min_ver", 0..=2)] {
        let announced = attribute.require_u32(property)?;
        if !possible.contains(&announced) {
            return Err(attribute.wrong_property(property, Reason::OutOfRange(u64::from(announced))));
        }
    }
    Ok(())
}

fn spmc_id(attribute: &Node<'_>) -> Result<u16, Noted> {
    let id = u16_of(attribute, "spmc_id")?;
    // The SPMD demands bit 15 and keeps 0xffff for itself.
    if (0x8000..0xffff).contains(&id) {
        Ok(id)
    } else {
        Err(attribute.wrong_property("spmc_id", Reason::OutOfRange(u64::from(id))))
    }
}

fn console(root: &Node<'_>, cells: Cells) -> Result<Option<AddressRange>, Noted> {
    let Some(node) = root.child("console")? else { return Ok(None) };
    node.require_compatible("arm,pl011")?;
    cells.range(&node, 0)
}

/// Reads `gic`, whose `reg` is as in the normal world's device trees: distributor, redistributors.
fn gic(root: &Node<'_>, cells: Cells) -> Result<Gic, Noted> {
    let node = root.require_child("gic")?;
    node.require_compatible("arm,gic-v3")?;
    match (cells.range(&node, 0)?, cells.range(&node, 1)?, cells.range(&node, 2)?) {
        (Some(distributor), Some(redistributors), None) => Ok(Gic { distributor, redistributors }),
        _ => Err(node.wrong_property("reg", Reason::WrongLength)),
    }
}

fn partitions(root: &Node<'_>) -> Result<Vec<SpmcPartition, MAX_PARTITIONS>, Noted> {
    let list = root.require_child("hypervisor")?;
    list.require_compatible("hafnium,hafnium")?;
    check_properties(&list, Binding::Hypervisor)?;
    let mut partitions: Vec<SpmcPartition, MAX_PARTITIONS> = Vec::new();
    for node in list.children() {
        let node = node?;
        let partition = partition(&node)?;
        if partitions.iter().any(|earlier| earlier.id == partition.id) {
            return Err(node.wrong(Reason::Duplicate));
        }
        partitions.push(partition).map_err(|_| list.wrong(Reason::TooMany(MAX_PARTITIONS)))?;
    }
    Ok(partitions)
}

fn partition(node: &Node<'_>) -> Result<SpmcPartition, Noted> {
    check_properties(node, Binding::SpmcPartition)?;
    let number = node.name().strip_prefix("vm").and_then(|digits| digits.parse::<u16>().ok());
    let id = match number {
        Some(number @ 1..=0x7ffe) => 0x8000 | number,
        _ => return Err(node.wrong(Reason::Unknown)),
    };
    if !node.has("is_ffa_partition") {
        return Err(node.wrong_property("is_ffa_partition", Reason::Missing));
    }
    let load_address = node.require_u64("load_address")?;
    let size = node.require_u64("mem_size")?;
    let memory = AddressRange::new(load_address, size).map_err(|reason| node.wrong(reason))?;
    let vcpus = u16_of(node, "vcpu_count")?;
    let vcpu_count = NonZeroU16::new(vcpus)
        .ok_or_else(|| node.wrong_property("vcpu_count", Reason::OutOfRange(u64::from(vcpus))))?;
    let name = Name::new(node.text("debug_name")?.unwrap_or(node.name()));
    Ok(SpmcPartition { id, name, memory, vcpu_count, essential: node.has("sidguard,essential") })
}

fn memory(root: &Node<'_>, cells: Cells) -> Result<Vec<MemoryRange, MAX_MEMORY_RANGES>, Noted> {
    let mut ranges: Vec<MemoryRange, MAX_MEMORY_RANGES> = Vec::new();
    for node in root.children() {
        let node = node?;
        if !node.name().starts_with("memory@") {
            continue;
        }
        let device_type = node.text("device_type")?.unwrap_or_default();
        let kind = MemoryKind::from_device_type(device_type)
            .ok_or_else(|| node.wrong_property("device_type", Reason::Unknown))?;
        let mut place = 0;
        while let Some(range) = cells.range(&node, place)? {
            place += 1;
            if let Some(other) = ranges.iter().find(|other| other.range.overlaps(range)) {
                return Err(node.wrong_property("reg", Reason::Overlap(other.range.start())));
            }
            let entry = MemoryRange { range, kind };
            ranges.push(entry).map_err(|_| node.wrong_property("reg", Reason::TooMany(MAX_MEMORY_RANGES)))?;
        }
    }
    if ranges.is_empty() {
        return Err(root.wrong_child("memory@0", Reason::Missing));
    }
    Ok(ranges)
}

fn u16_of(node: &Node<'_>, property: &str) -> Result<u16, Noted> {
    let raw = node.require_u32(property)?;
    u16::try_from(raw).map_err(|_| node.wrong_property(property, Reason::OutOfRange(u64::from(raw))))
}
