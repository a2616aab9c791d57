// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Machines that find files in their memory and a device tree when they start, as a boot loader would leave them.

use super::machine::{Base, escaped};
use super::watch::{self, Console, Ended, Flow};
use crate::image::Image;
use crate::platform::Machine;
use crate::step;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How such a machine is started.
#[derive(Debug, Clone)]
pub(crate) struct Loaded<'a> {
    /// Which machine.
    pub(crate) machine: Machine,
    /// What its flash holds.
    pub(crate) image: &'a Image,
    /// The description of its platform.
    pub(crate) platform: &'a manifests::Platform,
    /// Number of cores.
    pub(crate) cores: u64,
    /// After how much time the machine is switched off.
    pub(crate) limit: Duration,
}

impl Loaded<'_> {
    /// Lets QEMU write the tree that it makes for this machine to a file, and its messages to `log`; nothing is started.
    ///
    /// # Errors
    /// QEMU fails.
    pub(crate) fn print_tree(&self, file: &Path, log: &Path) -> Result<()> {
        let mut command = self.base().command(&format!(",dumpdtb={}", escaped(file)));
        let what = format!("asking QEMU for the device tree of {}", self.machine);
        step::run(&what, log, &mut command)?;
        fs::metadata(file).with_context(|| format!("QEMU wrote no device tree of {}", self.machine))?;
        Ok(())
    }

    /// Runs the machine until it switches itself off or its time is over; the consoles' logs go to `dir`.
    ///
    /// # Errors
    /// QEMU cannot be started or its logs cannot be read.
    pub(crate) fn run(
        &self,
        dir: &Path,
        tree: &Path,
        files: &[(PathBuf, u64)],
        see: &mut dyn FnMut(Console, &str),
    ) -> Result<Ended> {
        let mut command = self.base().with_consoles(dir);
        command.arg("-dtb").arg(tree);
        for (file, address) in files {
            let loader = format!("loader,file={},addr={address:#x},force-raw=on", escaped(file));
            command.args(["-device", &loader]);
        }
        watch::watch(command, dir, self.machine, self.limit, &mut |console, line| {
            see(console, line);
            Flow::Continue
        })
    }

    fn base(&self) -> Base<'_> {
        let Self { machine, image, platform, cores, .. } = *self;
        Base { machine, image, platform, cores }
    }
}
