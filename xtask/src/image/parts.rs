// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What TF-A loads, as bytes: generated from the platform description and the compiled images.

use crate::firmware::Firmware;
use crate::store::Key;
use anyhow::{Context as _, Result};
use manifests::{Blob, DeviceTree, Platform, package, with_policy};
use std::fs;
use std::path::Path;
use std::process::Command;

/// File of the client.
const NORMAL: &str = "bl33.bin";

/// Everything behind TF-A's own parts in a FIP.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    /// spm, BL32.
    pub(crate) spm: Vec<u8>,
    /// The client, BL33; without it TF-A starts what lies in its place already.
    pub(crate) normal: Option<Vec<u8>>,
    /// The SPMC manifest, TOS_FW_CONFIG.
    pub(crate) spmc_manifest: DeviceTree,
    /// BL2's list of packages, TB_FW_CONFIG.
    pub(crate) tb_fw_config: DeviceTree,
    /// The partitions in the description's order.
    pub(crate) partitions: Vec<Packed>,
}

/// One partition with what its package is made of.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// Its name.
    pub(crate) name: String,
    /// The package's name in the FIP.
    pub(crate) uuid: String,
    /// Its manifest.
    pub(crate) manifest: DeviceTree,
    /// Its image; the iommu service's with its policy behind it.
    pub(crate) image: Vec<u8>,
    /// Offset of the policy's payload in `image`.
    pub(crate) policy_payload: Option<usize>,
    /// The package.
    pub(crate) package: Vec<u8>,
}

impl Parts {
    /// Generates all parts.
    ///
    /// # Errors
    /// A part does not fit its place.
    pub(crate) fn generate(platform: &Platform, firmware: &Firmware) -> Result<Self> {
        let mut partitions = Vec::new();
        for (name, image) in &firmware.partitions {
            let partition =
                platform.partition(name).with_context(|| format!("no partition is named {name}"))?;
            platform.check_room(partition, image.flat.memory_size)?;
            let mut bytes = image.flat.bytes.clone();
            let mut policy_payload = None;
            if partition.iommu_service {
                let start = image.flat.policy_start.with_context(|| {
                    format!(
                        "{name} reserves no place for a policy: its linker script defines no __policy_start"
                    )
                })?;
                bytes = with_policy(&bytes, start, &Blob::encode(&platform.policy)?)?;
                policy_payload = Some(usize::try_from(start)? + iommu_core::policy::HEADER_SIZE);
            }
            let manifest = platform.sp_manifest(partition)?;
            let mut packed = Packed {
                name: name.clone(),
                uuid: partition.uuid.to_string(),
                manifest,
                image: bytes,
                policy_payload,
                package: Vec::new(),
            };
            packed.pack(platform)?;
            partitions.push(packed);
        }
        Ok(Self {
            spm: firmware.spm.flat.bytes.clone(),
            normal: Some(firmware.normal.flat.bytes.clone()),
            spmc_manifest: platform.spmc_manifest()?,
            tb_fw_config: platform.tb_fw_config()?,
            partitions,
        })
    }

    /// Adds everything that decides how the image comes out to a key.
    pub(crate) fn add_to(&self, key: Key) -> Key {
        let key = key
            .with("spm", &self.spm)
            .with("normal", self.normal.as_deref().unwrap_or_default())
            .with("spmc-manifest", &self.spmc_manifest.blob)
            .with("tb-fw-config", &self.tb_fw_config.blob);
        self.partitions.iter().fold(key, |key, packed| key.with(&packed.uuid, &packed.package))
    }

    /// Writes all parts into a folder, the device trees as text too.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub(crate) fn write(&self, out: &Path) -> Result<()> {
        fs::write(out.join("spm.bin"), &self.spm)?;
        if let Some(normal) = &self.normal {
            fs::write(out.join(NORMAL), normal)?;
        }
        write_tree(out, "spmc-manifest", &self.spmc_manifest)?;
        write_tree(out, "tb-fw-config", &self.tb_fw_config)?;
        for packed in &self.partitions {
            fs::write(out.join(format!("{}.bin", packed.name)), &packed.image)?;
            fs::write(out.join(format!("{}.pkg", packed.name)), &packed.package)?;
            write_tree(out, &format!("{}-manifest", packed.name), &packed.manifest)?;
        }
        Ok(())
    }

    /// Adds the files that [`Self::write`] wrote to the arguments of `fiptool create`.
    pub(crate) fn name_to_fiptool(&self, out: &Path, fiptool: &mut Command) {
        for (option, file) in [
            ("--tb-fw-config", "tb-fw-config.dtb"),
            ("--tos-fw-config", "spmc-manifest.dtb"),
            ("--tos-fw", "spm.bin"),
        ] {
            fiptool.arg(option).arg(out.join(file));
        }
        if self.normal.is_some() {
            fiptool.arg("--nt-fw").arg(out.join(NORMAL));
        }
        for packed in &self.partitions {
            let file = out.join(format!("{}.pkg", packed.name));
            fiptool.arg("--blob").arg(format!("uuid={},file={}", packed.uuid, file.display()));
        }
    }
}

impl Packed {
    /// Makes the package anew from manifest and image.
    ///
    /// # Errors
    /// A part does not fit its place.
    pub(crate) fn pack(&mut self, platform: &Platform) -> Result<()> {
        let partition =
            platform.partition(&self.name).with_context(|| format!("no partition {}", self.name))?;
        self.package = package(partition, &self.manifest.blob, &self.image)?;
        Ok(())
    }
}

fn write_tree(out: &Path, name: &str, tree: &DeviceTree) -> Result<()> {
    fs::write(out.join(format!("{name}.dts")), &tree.text)?;
    fs::write(out.join(format!("{name}.dtb")), &tree.blob)?;
    Ok(())
}
