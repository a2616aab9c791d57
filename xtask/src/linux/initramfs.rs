// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first file system: `tests/linux/init`, the shell that runs it, and the modules that it loads.

use super::newc::Archive;
use super::packages::Kernel;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

const INIT: &str = "tests/linux/init";
/// Number of `/dev/console` (Linux, Documentation/admin-guide/devices.txt), which the first process gets as its output.
const CONSOLE: (u32, u32) = (5, 1);

/// Returns the archive for a kernel.
///
/// # Errors
/// A file cannot be read.
pub(super) fn initramfs(workspace: &Workspace, kernel: &Kernel) -> Result<Vec<u8>> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "sys"] {
        archive.directory(folder)?;
    }
    archive.character_device("dev/console", CONSOLE)?;
    archive.program("bin/busybox", &read(&kernel.shell())?)?;
    archive.program("init", &read(&workspace.root().join(INIT))?)?;
    for name in &kernel.modules {
        archive.file(&format!("{name}.ko"), &read(&kernel.module(name))?)?;
    }
    archive.finish()
}
