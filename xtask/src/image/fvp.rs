// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The image for Arm's FVP, made by TF-A's own build from an SP layout, as an integrator would make it.

use super::Image;
use super::parts::Parts;
use crate::store;
use crate::tfa::{self, Facts, Source, Tree};
use crate::workspace::Workspace;
use anyhow::Result;
use manifests::PartitionFiles;
use std::fs;

/// Builds TF-A with everything that it packs, or takes it from the cache.
pub(super) fn image(
    workspace: &Workspace,
    facts: &Facts,
    platform: &manifests::Platform,
    parts: &Parts,
) -> Result<Image> {
    let source = Source::read(workspace)?;
    let key = parts.add_to(tfa::key(&source, facts)?);
    let name = format!("{}-{}", facts.platform, key.name());
    let dir = store::folder(&workspace.cache_dir("images")?, &name, |out| {
        let archive = source.fetch(workspace)?;
        let tree = Tree::prepare(workspace, facts, &archive)?;
        super::agree(platform, &tree.constants()?)?;
        parts.write(out)?;
        let files: Vec<PartitionFiles> = parts
            .partitions
            .iter()
            .map(|packed| PartitionFiles {
                name: packed.name.clone(),
                image: format!("{}.bin", packed.name).into(),
                manifest: format!("{}-manifest.dts", packed.name).into(),
            })
            .collect();
        let layout = out.join("sp-layout.json");
        fs::write(&layout, platform.sp_layout(&files))?;
        let arguments = [
            format!("SP_LAYOUT_FILE={}", layout.display()),
            format!("ARM_SPMC_MANIFEST_DTS={}", out.join("spmc-manifest.dts").display()),
            format!("BL32={}", out.join("spm.bin").display()),
            format!("BL33={}", out.join("bl33.bin").display()),
            "bl1".to_owned(),
            "fip".to_owned(),
        ];
        tree.make_with("building TF-A with its FIP for fvp", &arguments)?;
        tree.keep(&tree.product("bl1.bin"), out)?;
        tree.keep(&tree.product("fip.bin"), out)
    })?;
    Ok(Image { dir })
}
