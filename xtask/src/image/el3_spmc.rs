// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images with TF-A's own SPMC, at EL3, and one partition at S-EL1 in spm's place: iommu-sp, or one of the conformance
//! suite.

use super::parts::{Packed, Parts};
use super::variant::compile;
use super::{Image, Kit};
use crate::firmware;
use crate::platform::Platform;
use crate::tfa::{self, Facts};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use conformance::partner::{EL3_CONTEXTS, EL3_MESSAGING, Partner};
use manifests::{DeviceTree, Set};

/// The partition that is left.
const PARTNER: Partner = Partner::PeerMp;
/// BL2's list of packages: there are none, BL2 loads the partition as BL32.
const NO_PACKAGES: &str = "// SPDX-License-Identifier: Apache-2.0 OR MIT\n/dts-v1/;\n\n/ {\n\tsecure-partitions {\n\
                           \t\tcompatible = \"arm,sp\";\n\t};\n};\n";

/// Returns parts in which the one partition is BL32, and its manifest the SPMC's: there is no package.
pub(super) fn without_spm(parts: Parts, workspace: &Workspace) -> Result<Parts> {
    let [Packed { image, manifest, .. }] = parts.partitions.as_slice() else {
        bail!("TF-A's SPMC at EL3 runs one partition, not {}", parts.partitions.len());
    };
    Ok(Parts {
        spm: image.clone(),
        spmc_manifest: manifest.clone(),
        tb_fw_config: compile(NO_PACKAGES.to_owned(), workspace)?,
        partitions: Vec::new(),
        ..parts
    })
}

impl Kit {
    /// As [`Kit::build`], for TF-A's own SPMC, at EL3: with iommu-sp and nothing else.
    ///
    /// # Errors
    /// As for [`Kit::build`], and TF-A does not build.
    pub(crate) fn build_at_el3(workspace: &Workspace, of: Platform, set: Set) -> Result<Self> {
        let facts = Facts::read(workspace, of)?.for_el3_spmc(workspace)?;
        let cores = u32::try_from(tfa::build(workspace, &facts)?.constants.cores)?;
        let platform = manifests::Platform::load_set(&workspace.root().join("manifests"), of.name(), set)?;
        let platform = platform.at_el3(cores)?;
        let firmware = firmware::build(workspace, &platform, of, set, None)?;
        Ok(Self { of, platform, firmware, facts })
    }

    /// Returns the image with a partition of the conformance suite.
    ///
    /// # Errors
    /// As for [`Kit::image`].
    pub(crate) fn image_for_el3_spmc(&self, workspace: &Workspace) -> Result<Image> {
        let name = PARTNER.name();
        let found = self.firmware.partitions.iter().find(|(other, _)| other == name);
        let (_, image) = found.with_context(|| format!("no partition is named {name}"))?;
        let partition = self.platform.partition(name).with_context(|| format!("no partition {name}"))?;
        let manifest = self.platform.sp_manifest(partition)?;
        let parts = Parts {
            spm: image.flat.bytes.clone(),
            spmc_manifest: compile(manifest_at_el3(&manifest, self.platform.memory.spm.base), workspace)?,
            tb_fw_config: compile(NO_PACKAGES.to_owned(), workspace)?,
            partitions: Vec::new(),
            ..Parts::generate(&self.platform, &self.firmware)?
        };
        let facts = self.facts.for_el3_spmc(workspace)?;
        self.pack(workspace, &facts, &parts)
    }
}

/// Returns a partition's manifest as this SPMC takes it: the partition stands where spm would, has a context for each core
/// that the platform may have, and only the messages that there are (TF-A 2.12, services/std_svc/spm/el3_spmc/spmc_main.c).
fn manifest_at_el3(manifest: &DeviceTree, base: u64) -> String {
    let own = [
        ("execution-ctx-count", format!(" = <{EL3_CONTEXTS}>")),
        ("messaging-method", format!(" = <{EL3_MESSAGING:#x}>")),
        ("load-address", format!(" = <{:#x} {:#x}>", base >> 32, base & 0xffff_ffff)),
        ("entrypoint-offset", " = <0>".to_owned()),
        ("power-management-messages", " = <0>".to_owned()),
    ];
    let replaced = |line: &str| {
        let name = line.trim().split([' ', ';']).next().unwrap_or_default();
        name == "notification-support" || own.iter().any(|(other, _)| *other == name)
    };
    let mut text = String::new();
    for line in manifest.text.lines().filter(|line| !replaced(line)) {
        text.push_str(line);
        text.push('\n');
        if line == "/ {" {
            for (name, value) in &own {
                text.push_str(&format!("\t{name}{value};\n"));
            }
        }
    }
    text
}
