// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition manifest (FF-A 1.2 §5.2, Hafnium's `arm,ffa-manifest-1.0` binding): what a partition says about itself.
//!
//! The partition's author is to blame for what is wrong here. Whether the platform agrees is checked in
//! [`super::layout`].

use core::num::NonZeroU16;

use arm_ffa::Version;

use super::actions::{AbortAction, InterruptActions, PowerMessages};
use super::fdt::{Node, Noted, Tree};
use super::fields::{Binding, check_nodes, check_properties};
use super::interrupt::Interrupts;
use super::region::{self, Region, Regions};
use super::services::{self, BindingVersion, Services};
use super::{ManifestError, Reason, offered};

/// Where a partition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionLevel {
    /// As an application behind spm's translation.
    SEl0,
    /// As a system of its own behind its stage 2.
    SEl1,
}

/// A partition manifest whose every field was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionManifest {
    /// The FF-A version that the partition was written for, 1.0 to 1.2.
    pub ffa_version: Version,
    /// The partition ID that it wants, if it wants a certain one.
    pub id: Option<u16>,
    /// What it offers, at least one.
    pub services: Services,
    /// How many execution contexts (vCPUs) it has.
    pub contexts: NonZeroU16,
    /// Where it expects to be loaded, if it does.
    pub load_address: Option<u64>,
    /// Distance of its first instruction from the load address, in bytes, a multiple of 4; where there is none, it is the
    /// first of the image.
    pub entry_offset: Option<u64>,
    /// When it boots, lower first; `u16::MAX` where the manifest does not say.
    pub boot_order: u16,
    /// The general-purpose register, 0 to 3, that gets the address of the boot information.
    pub boot_register: Option<u8>,
    /// Whether the boot information is to name the manifest.
    pub wants_manifest: bool,
    /// Whether it takes notifications.
    pub receives_notifications: bool,
    /// Where it runs.
    pub exception_level: ExceptionLevel,
    /// What happens to interrupts that are not its own.
    pub interrupt_actions: InterruptActions,
    /// The power management messages that it wants; one with a single execution context, which runs anywhere, gets none.
    pub power_messages: PowerMessages,
    /// Whether it can go through all states of FF-A 1.3's partition life cycle.
    pub lifecycle_support: bool,
    /// What becomes of it when it aborts.
    pub abort_action: AbortAction,
    /// Memory beyond its own that it asks for.
    pub memory_regions: Regions,
    /// Device registers that it asks for.
    pub device_regions: Regions,
    /// The interrupts of those devices.
    pub interrupts: Interrupts,
}

impl PartitionManifest {
    /// Reads the device-tree blob at the start of `bytes`.
    ///
    /// # Errors
    /// [`ManifestError`] with the node, the property and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        Tree::new(bytes)?.read(Self::read)
    }

    /// Iterates over the device regions that it is given if the platform has them.
    pub fn devices(&self) -> impl Iterator<Item = &Region> {
        self.device_regions.iter().filter(|region| !region.has_streams)
    }

    fn read(root: &Node<'_>) -> Result<Self, Noted> {
        let binding = BindingVersion::of(root)?;
        check_properties(root, Binding::Partition)?;
        check_nodes(root)?;
        require_fixed_values(root)?;
        let (boot_register, wants_manifest) = boot_information(root)?;
        let ffa_version = ffa_version(root)?;
        let exception_level = exception_level(root)?;
        let contexts = contexts(root, exception_level)?;
        let mut interrupts = Interrupts::new();
        let manifest = Self {
            ffa_version,
            id: id(root)?,
            services: services::read(root, binding, ffa_version)?,
            contexts,
            load_address: root.u64("load-address")?,
            entry_offset: entry_offset(root)?,
            boot_order: u16_or(root, "boot-order", u16::MAX)?,
            boot_register,
            wants_manifest,
            receives_notifications: root.has("notification-support"),
            exception_level,
            interrupt_actions: InterruptActions::read(root, exception_level)?,
            power_messages: power_messages(root, contexts)?,
            lifecycle_support: root.has("lifecycle-support"),
            abort_action: AbortAction::read(root)?,
            memory_regions: region::read_memory(root)?,
            device_regions: region::read_devices(root, &mut interrupts)?,
            interrupts,
        };
        offered::check(root, &manifest)?;
        Ok(manifest)
    }
}

/// Checks the properties of which only one value is offered.
fn require_fixed_values(root: &Node<'_>) -> Result<(), Noted> {
    match root.require_u32("execution-state")? {
        0 => {}
        1 => return Err(refuse(root, "execution-state", "AArch32")),
        other => return Err(out_of_range(root, "execution-state", other)),
    }
    match root.u32("xlat-granule")? {
        None | Some(0) => Ok(()),
        Some(1 | 2) => Err(refuse(root, "xlat-granule", "granules other than 4 KiB")),
        Some(other) => Err(out_of_range(root, "xlat-granule", other)),
    }
}

fn ffa_version(root: &Node<'_>) -> Result<Version, Noted> {
    let raw = root.require_u32("ffa-version")?;
    match Version::try_from(raw) {
        Ok(version) if (Version(1, 0)..=Version(1, 2)).contains(&version) => Ok(version),
        Ok(Version(1, _)) => Err(refuse(root, "ffa-version", "FF-A later than 1.2")),
        _ => Err(out_of_range(root, "ffa-version", raw)),
    }
}

fn id(root: &Node<'_>) -> Result<Option<u16>, Noted> {
    let Some(raw) = root.u32("id")? else { return Ok(None) };
    match u16::try_from(raw) {
        // Bit 15 marks secure endpoints, 0x8000 is the SPMC and 0xffff the SPMD.
        Ok(id @ 0x8001..=0xfffe) => Ok(Some(id)),
        // No ID of a secure partition. Hafnium gives IDs by the order of the SPMC manifest, whatever stands here.
        Ok(1..=0x7fff) => Ok(None),
        _ => Err(out_of_range(root, "id", raw)),
    }
}

fn exception_level(root: &Node<'_>) -> Result<ExceptionLevel, Noted> {
    match root.require_u32("exception-level")? {
        2 => Ok(ExceptionLevel::SEl1),
        1 => Ok(ExceptionLevel::SEl0),
        0 => Err(refuse(root, "exception-level", "EL1 is the normal world's")),
        other => Err(out_of_range(root, "exception-level", other)),
    }
}

fn contexts(root: &Node<'_>, level: ExceptionLevel) -> Result<NonZeroU16, Noted> {
    const COUNT: &str = "execution-ctx-count";
    let raw = root.require_u32(COUNT)?;
    match u16::try_from(raw).ok().and_then(NonZeroU16::new) {
        Some(NonZeroU16::MIN) => Ok(NonZeroU16::MIN),
        Some(_) if level == ExceptionLevel::SEl0 => {
            Err(refuse(root, COUNT, "more than one execution context at S-EL0"))
        }
        Some(count) => Ok(count),
        None => Err(out_of_range(root, COUNT, raw)),
    }
}

fn power_messages(root: &Node<'_>, contexts: NonZeroU16) -> Result<PowerMessages, Noted> {
    const MESSAGES: &str = "power-management-messages";
    let wanted = PowerMessages::from_bits(root.u32(MESSAGES)?.unwrap_or(0))
        .map_err(|reason| root.wrong_property(MESSAGES, reason))?;
    Ok(if contexts == NonZeroU16::MIN { PowerMessages::NONE } else { wanted })
}

fn entry_offset(root: &Node<'_>) -> Result<Option<u64>, Noted> {
    const OFFSET: &str = "entrypoint-offset";
    match root.u64(OFFSET)? {
        Some(offset) if !offset.is_multiple_of(4) => {
            Err(root.wrong_property(OFFSET, Reason::OutOfRange(offset)))
        }
        offset => Ok(offset),
    }
}

/// Reads `gp-register-num` and the `boot-info` node: what is passed, and by which register.
fn boot_information(root: &Node<'_>) -> Result<(Option<u8>, bool), Noted> {
    let register = match root.u32("gp-register-num")? {
        None => None,
        // FF-A 1.2 §5.4.3 allows x0 to x3.
        Some(raw) => match u8::try_from(raw) {
            Ok(register @ 0..=3) => Some(register),
            _ => return Err(out_of_range(root, "gp-register-num", raw)),
        },
    };
    let Some(node) = root.child("boot-info")? else { return Ok((register, false)) };
    node.require_compatible("arm,ffa-manifest-boot-info")?;
    check_properties(&node, Binding::BootInfo)?;
    if register.is_none() {
        return Err(root.wrong_property("gp-register-num", Reason::Missing));
    }
    Ok((register, node.has("ffa_manifest")))
}

fn u16_or(node: &Node<'_>, property: &str, default: u16) -> Result<u16, Noted> {
    match node.u32(property)? {
        None => Ok(default),
        Some(raw) => u16::try_from(raw).map_err(|_| out_of_range(node, property, raw)),
    }
}

fn refuse(node: &Node<'_>, property: &str, why: &'static str) -> Noted {
    node.wrong_property(property, Reason::NotSupported(why))
}

fn out_of_range(node: &Node<'_>, property: &str, value: u32) -> Noted {
    node.wrong_property(property, Reason::OutOfRange(u64::from(value)))
}
