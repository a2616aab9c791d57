// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The device tree that Linux reads: the machine's own, which QEMU prints, with the platform's overlay on it.

use crate::qemu::Loaded;
use crate::step;
use anyhow::Result;
use manifests::{LinuxBoot, Tree};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the tree for a machine in a folder, and returns its file.
///
/// # Errors
/// QEMU prints no tree, or the overlay does not fit it.
pub(super) fn make(machine: &Loaded<'_>, boot: LinuxBoot<'_>, dir: &Path) -> Result<PathBuf> {
    let [own, overlay, result, log] =
        ["machine.dtb", "overlay.dtbo", "linux.dtb", "tree.log"].map(|name| dir.join(name));
    machine.print_tree(&own, &log)?;
    let tree = Tree::from_dtb(&own, &fs::read(&own)?)?;
    let generated = machine.platform.linux_overlay(&tree, boot)?;
    fs::write(dir.join("overlay.dts"), &generated.text)?;
    fs::write(&overlay, &generated.blob)?;
    let mut fdtoverlay = Command::new("fdtoverlay");
    fdtoverlay.arg("-i").arg(&own).arg("-o").arg(&result).arg(&overlay);
    step::run("laying the overlay for Linux over it", &log, &mut fdtoverlay)?;
    Ok(result)
}
