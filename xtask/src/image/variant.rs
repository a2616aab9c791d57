// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images that are damaged on purpose, to see that the chain refuses them by name and reason.

use super::parts::{Packed, Parts};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::{DeviceTree, Platform};
use std::process::{Command, Stdio};

/// What is changed in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// The package of a partition loses its magic number.
    PackageMagic(Role),
    /// One bit of the policy's payload is flipped, the manifest's digest stays.
    PolicyPayload,
    /// The SPMC manifest names a bug for an spm that has bugs on purpose.
    SeededBug(u32),
    /// The manifest of the partition for tests asks for a device that the SPMC manifest does not offer.
    ForeignDevice,
    /// The manifest of the partition for tests says that spm fails with it.
    Propagates,
}

/// A partition by its part, since its name stands in the platform description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The iommu service, without which nothing may boot.
    Service,
    /// The partition for tests.
    Other,
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    /// The parts do not have what is to be changed.
    pub(crate) fn apply(self, parts: &mut Parts, platform: &Platform, workspace: &Workspace) -> Result<()> {
        match self {
            Self::PackageMagic(role) => flip(find(parts, platform, role)?.package.first_mut()),
            Self::PolicyPayload => {
                let packed = find(parts, platform, Role::Service)?;
                let payload = packed.policy_payload.context("the service's image has no policy")?;
                // Behind the version byte, so that the digest is what notices.
                flip(packed.image.get_mut(payload + 1))?;
                packed.pack(platform)
            }
            Self::SeededBug(number) => {
                let bug = format!("sidguard,seeded-bug = <{number}>");
                parts.spmc_manifest = with_property(&parts.spmc_manifest.text, &bug, workspace)?;
                Ok(())
            }
            Self::ForeignDevice => {
                let uart = platform.devices.secure_uart;
                let packed = find(parts, platform, Role::Other)?;
                packed.manifest = with_device(&packed.manifest.text, uart.base, workspace)?;
                packed.pack(platform)
            }
            Self::Propagates => {
                let packed = find(parts, platform, Role::Other)?;
                let action = "lifecycle-support;\n\tabort-action = <3>";
                packed.manifest = with_property(&packed.manifest.text, action, workspace)?;
                packed.pack(platform)
            }
        }
    }
}

fn find<'a>(parts: &'a mut Parts, platform: &Platform, role: Role) -> Result<&'a mut Packed> {
    let is_service = |name: &str| platform.iommu_partition().is_some_and(|partition| partition.name == name);
    parts
        .partitions
        .iter_mut()
        .find(|packed| is_service(&packed.name) == (role == Role::Service))
        .context("the platform has no such partition")
}

fn flip(byte: Option<&mut u8>) -> Result<()> {
    *byte.context("the part to be changed is empty")? ^= 1;
    Ok(())
}

/// Returns the manifest with one page of device memory more.
fn with_device(text: &str, base: u64, workspace: &Workspace) -> Result<DeviceTree> {
    let end = text.rfind("};").context("the manifest's text has no end")?;
    let body = text.get(..end).unwrap_or_default();
    let text = format!(
        "{body}\n\tdevice-regions {{\n\t\tcompatible = \"arm,ffa-manifest-device-regions\";\n\t\tforeign {{\n\
         \t\t\tdescription = \"foreign\";\n\t\t\tbase-address = <{:#x} {:#x}>;\n\t\t\tpages-count = <1>;\n\
         \t\t\tattributes = <3>;\n\t\t}};\n\t}};\n}};\n",
        base >> 32,
        base & 0xffff_ffff
    );
    compile(text, workspace)
}

/// Returns a manifest with one more property of its root.
fn with_property(text: &str, property: &str, workspace: &Workspace) -> Result<DeviceTree> {
    const START: &str = "/ {\n";
    let (before, after) = text.split_once(START).context("the manifest's text has no root")?;
    compile(format!("{before}{START}\t{property};\n{after}"), workspace)
}

/// Compiles a tree that was changed by hand.
pub(super) fn compile(text: String, workspace: &Workspace) -> Result<DeviceTree> {
    let dir = tempfile::tempdir_in(workspace.scratch()?)?;
    let source = dir.path().join("manifest.dts");
    std::fs::write(&source, &text)?;
    let output = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb"])
        .arg(&source)
        .stdin(Stdio::null())
        .output()
        .context("cannot run dtc")?;
    if !output.status.success() {
        bail!("dtc refuses the changed tree: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(DeviceTree { text, blob: output.stdout })
}
