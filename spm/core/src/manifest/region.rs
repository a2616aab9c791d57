// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory and device regions that a partition manifest asks for (FF-A 1.2 §5.2.2), before any check against the platform.

use heapless::Vec;

use super::fdt::{Node, Noted};
use super::fields::{Binding, check_properties};
use super::interrupt::{self, Interrupts};
use super::{AddressRange, MAX_REGIONS, Name, Reason};

/// Bits of the `attributes` property.
mod attribute {
    pub(super) const READ: u32 = 1;
    pub(super) const WRITE: u32 = 1 << 1;
    pub(super) const EXECUTE: u32 = 1 << 2;
    pub(super) const NON_SECURE: u32 = 1 << 3;
}

/// Which physical address space a region lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// The secure physical address space.
    Secure,
    /// The non-secure physical address space.
    NonSecure,
}

/// What a partition may do with a region. Writable and executable at once is not expressible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Read and execute.
    ReadExecute,
}

/// Where a memory region starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// At an address.
    Absolute(u64),
    /// At this distance from the partition's load address, in bytes.
    LoadRelative(u64),
}

/// One region of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The node's name, for messages.
    pub name: Name,
    /// Where it starts.
    pub base: Base,
    /// Its size in pages of 4 KiB.
    pub pages: u32,
    /// What the partition may do with it.
    pub access: Access,
    /// Where it lies.
    pub security: Security,
    /// Whether devices behind an SMMU are to reach it, or to be programmed by it. spm drives no SMMU: of a memory region,
    /// the partition gets the memory and no stream does; a device region is withheld from it, since whoever programs the
    /// device could make it write anywhere.
    pub has_streams: bool,
}

impl Region {
    /// Returns the addresses, for a partition that is loaded at `load_address`.
    ///
    /// # Errors
    /// [`Reason::Unaligned`] or [`Reason::BadRange`].
    pub fn range(&self, load_address: u64) -> Result<AddressRange, Reason> {
        let start = match self.base {
            Base::Absolute(address) => address,
            Base::LoadRelative(offset) => {
                load_address.checked_add(offset).ok_or(Reason::BadRange(load_address))?
            }
        };
        AddressRange::from_pages(start, u64::from(self.pages))
    }
}

/// All regions of one kind.
pub type Regions = Vec<Region, MAX_REGIONS>;

/// Reads `memory-regions`, if it is there.
pub(super) fn read_memory(root: &Node<'_>) -> Result<Regions, Noted> {
    let compatible = "arm,ffa-manifest-memory-regions";
    read_all(root, "memory-regions", compatible, |node| read(node, Binding::MemoryRegion))
}

/// Reads `device-regions`, if it is there, and adds the interrupts of the devices to `interrupts`.
pub(super) fn read_devices(root: &Node<'_>, interrupts: &mut Interrupts) -> Result<Regions, Noted> {
    let compatible = "arm,ffa-manifest-device-regions";
    read_all(root, "device-regions", compatible, |node| {
        let region = read(node, Binding::DeviceRegion)?;
        // A device that is withheld has no interrupts either.
        if !region.has_streams {
            interrupt::read(node, interrupts)?;
        }
        Ok(region)
    })
}

fn read_all(
    root: &Node<'_>,
    name: &str,
    compatible: &'static str,
    mut read: impl FnMut(&Node<'_>) -> Result<Region, Noted>,
) -> Result<Regions, Noted> {
    let mut regions = Regions::new();
    let Some(list) = root.child(name)? else { return Ok(regions) };
    list.require_compatible(compatible)?;
    check_properties(&list, Binding::Regions)?;
    for node in list.children() {
        regions.push(read(&node?)?).map_err(|_| list.wrong(Reason::TooMany(MAX_REGIONS)))?;
    }
    Ok(regions)
}

fn read(node: &Node<'_>, binding: Binding) -> Result<Region, Noted> {
    check_properties(node, binding)?;
    let base = match (node.u64("base-address")?, node.u64("load-address-relative-offset")?) {
        (Some(address), None) => Base::Absolute(address),
        (None, Some(offset)) => Base::LoadRelative(offset),
        (None, None) => return Err(node.wrong_property("base-address", Reason::Missing)),
        (Some(_), Some(_)) => {
            return Err(node.wrong_property("load-address-relative-offset", Reason::Duplicate));
        }
    };
    let attributes = node.require_u32("attributes")?;
    let security =
        if attributes & attribute::NON_SECURE == 0 { Security::Secure } else { Security::NonSecure };
    let access = access(attributes).map_err(|reason| node.wrong_property("attributes", reason))?;
    let refused = match (access, binding, security) {
        (Access::ReadExecute, Binding::DeviceRegion, _) => Some("executable device memory"),
        (Access::ReadExecute, _, Security::NonSecure) => Some("executing non-secure memory"),
        _ => None,
    };
    if let Some(why) = refused {
        return Err(node.wrong_property("attributes", Reason::NotSupported(why)));
    }
    let pages = node.require_u32("pages-count")?;
    let has_streams = node.has("smmu-id") || node.has("stream-ids");
    let region = Region { name: Name::new(node.name()), base, pages, access, security, has_streams };
    // The load address is not known here; that the size and an absolute base are sound is.
    region.range(0).map_err(|reason| node.wrong(reason))?;
    Ok(region)
}

fn access(attributes: u32) -> Result<Access, Reason> {
    match attributes & !attribute::NON_SECURE {
        attribute::READ => Ok(Access::Read),
        READ_WRITE => Ok(Access::ReadWrite),
        READ_EXECUTE => Ok(Access::ReadExecute),
        other
            if other & (attribute::WRITE | attribute::EXECUTE) == (attribute::WRITE | attribute::EXECUTE) =>
        {
            Err(Reason::NotSupported("writable and executable at once"))
        }
        _ => Err(Reason::OutOfRange(u64::from(attributes))),
    }
}

const READ_WRITE: u32 = attribute::READ | attribute::WRITE;
const READ_EXECUTE: u32 = attribute::READ | attribute::EXECUTE;
