// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts together what a machine boots: TF-A's parts, spm, the partitions' packages, manifests, BL33.

mod el3_spmc;
pub(crate) mod flatten;
mod fvp;
mod parts;
pub(crate) mod variant;

use crate::firmware::{self, Broken, Firmware};
use crate::platform::Platform;
use crate::step;
use crate::store::{self, Key};
use crate::tfa::{self, Built, Constants, Facts};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::{Manager, Set};
use parts::Parts;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use variant::Change;

/// How many images are kept before the oldest go.
const KEPT_IMAGES: usize = 64;

/// Everything of one platform that does not depend on what is changed in an image.
#[derive(Debug)]
pub(crate) struct Kit {
    /// Which platform.
    pub(crate) of: Platform,
    /// Its description.
    pub(crate) platform: manifests::Platform,
    /// The compiled images.
    pub(crate) firmware: Firmware,
    facts: Facts,
}

impl Kit {
    /// Compiles what a platform boots with a set of partitions.
    ///
    /// # Errors
    /// The description is wrong or something does not compile.
    pub(crate) fn build(
        workspace: &Workspace,
        of: Platform,
        set: Set,
        broken: Option<Broken>,
    ) -> Result<Self> {
        let platform = manifests::Platform::load_set(&workspace.root().join("manifests"), of.name(), set)?;
        let firmware = firmware::build(workspace, &platform, of, set, broken)?;
        Ok(Self { of, platform, firmware, facts: Facts::read(workspace, of)? })
    }

    /// Returns the image of this platform, with `change` made in it; from the cache if it is there.
    ///
    /// # Errors
    /// TF-A does not build, or contradicts the platform description.
    pub(crate) fn image(&self, workspace: &Workspace, change: Option<Change>) -> Result<Image> {
        let mut parts = Parts::generate(&self.platform, &self.firmware)?;
        if let Some(change) = change {
            change.apply(&mut parts, &self.platform, workspace)?;
        }
        if self.platform.manager == Manager::El3 {
            parts = el3_spmc::without_spm(parts, workspace)?;
        }
        if self.of == Platform::Fvp {
            return fvp::image(workspace, &self.facts, &self.platform, &parts);
        }
        self.pack(workspace, &self.facts, &parts)
    }

    /// Returns the image with a TF-A that starts a Linux kernel in the client's place. The kernel is not in it: whoever
    /// starts the machine puts it where BL33 would be.
    ///
    /// # Errors
    /// As for [`Self::image`].
    pub(crate) fn image_for_linux(&self, workspace: &Workspace) -> Result<Image> {
        let parts = Parts { normal: None, ..Parts::generate(&self.platform, &self.firmware)? };
        let facts = self.facts.for_linux(workspace, self.platform.memory.normal_image.base)?;
        self.pack(workspace, &facts, &parts)
    }

    /// Puts an image for QEMU together from a TF-A that is built once for all of them.
    fn pack(&self, workspace: &Workspace, facts: &Facts, parts: &Parts) -> Result<Image> {
        let built = tfa::build(workspace, facts)?;
        agree(&self.platform, &built.constants)?;
        let images = workspace.cache_dir("images")?;
        forget_oldest(&images)?;
        let name = format!("{}-{}", self.of, self.key(&built, parts)?.name());
        let dir = store::folder(&images, &name, |out| {
            parts.write(out)?;
            let fip = out.join("fip.bin");
            let mut fiptool = Command::new(built.file("fiptool"));
            fiptool.arg("create").arg("--tb-fw").arg(built.file("bl2.bin"));
            fiptool.arg("--soc-fw").arg(built.file("bl31.bin"));
            parts.name_to_fiptool(out, &mut fiptool);
            let log = workspace.log(&format!("image-{}", self.of))?;
            step::run(&format!("packing the image for {}", self.of), &log, fiptool.arg(&fip))?;
            self.flash(&built, &fip, out)
        })?;
        Ok(Image { dir })
    }

    fn key(&self, built: &Built, parts: &Parts) -> Result<Key> {
        let key = parts.add_to(Key::default());
        let key =
            key.with("bl1", &fs::read(built.file("bl1.bin"))?).with("bl2", &fs::read(built.file("bl2.bin"))?);
        let key = key.with("fip-offset", self.facts.conf.need("fip_offset")?.as_bytes());
        Ok(key.with("bl31", &fs::read(built.file("bl31.bin"))?))
    }

    /// Writes what the machine finds at its reset address.
    fn flash(&self, built: &Built, fip: &Path, out: &Path) -> Result<()> {
        let bl1 = fs::read(built.file("bl1.bin"))?;
        let fip_offset = self.facts.conf.need_number("fip_offset")?;
        if bl1.len() as u64 > fip_offset {
            bail!("BL1 has {} bytes and reaches into the FIP at {fip_offset:#x}", bl1.len());
        }
        let mut flash = File::create(out.join(FLASH))?;
        flash.write_all(&bl1)?;
        flash.seek(SeekFrom::Start(fip_offset))?;
        flash.write_all(&fs::read(fip)?)?;
        if self.facts.conf.get("flash_size").is_some() {
            let size = self.facts.conf.need_number("flash_size")?;
            if flash.metadata()?.len() > size {
                bail!("BL1 and the FIP are larger than the flash of {size:#x} bytes");
            }
            // Sparse: takes no room on the disk.
            flash.set_len(size)?;
            File::create(out.join(SECOND_FLASH))?.set_len(size)?;
        }
        Ok(())
    }
}

const FLASH: &str = "flash0.img";
const SECOND_FLASH: &str = "flash1.img";

/// An image in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Its folder; each part and its source text stand there too.
    pub(crate) dir: PathBuf,
}

impl Image {
    /// Returns the file with BL1 and the FIP.
    pub(crate) fn flash(&self) -> PathBuf {
        self.dir.join(FLASH)
    }

    /// Returns the second flash, which is empty, where the machine has one.
    pub(crate) fn second_flash(&self) -> PathBuf {
        self.dir.join(SECOND_FLASH)
    }
}

/// Checks that TF-A was built for the addresses that the platform description has.
fn agree(platform: &manifests::Platform, constants: &Constants) -> Result<()> {
    let spm = platform.memory.spm;
    let bl33 = platform.memory.normal_image.base;
    let complaint = |what: &str, tfa: u64, ours: u64| {
        format!(
            "TF-A for {} has {what} at {tfa:#x}, manifests/{}/platform.dtsi says {ours:#x}; correct one of them",
            platform.name, platform.name
        )
    };
    if constants.spmc_base != spm.base {
        bail!(complaint("the SPMC", constants.spmc_base, spm.base));
    }
    let end = spm.base.checked_add(spm.size).context("spm's memory has no end")?;
    if end > constants.spmc_limit {
        bail!(complaint("the end of the SPMC's memory", constants.spmc_limit, end));
    }
    if constants.bl33_base != bl33 {
        bail!(complaint("BL33", constants.bl33_base, bl33));
    }
    Ok(())
}

fn forget_oldest(images: &Path) -> Result<()> {
    let mut dirs = Vec::new();
    for entry in fs::read_dir(images)? {
        let entry = entry?;
        dirs.push((entry.metadata()?.modified()?, entry.path()));
    }
    dirs.sort();
    let surplus = dirs.len().saturating_sub(KEPT_IMAGES);
    for (_, dir) in dirs.iter().take(surplus) {
        // A folder that cannot be removed costs room only.
        drop(fs::remove_dir_all(dir));
    }
    Ok(())
}
