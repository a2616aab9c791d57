// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One machine that boots the kernel in BL33's place, watched from reset to power-off.

use super::initramfs::initramfs;
use super::packages::Kernel;
use super::transcript::Transcript;
use super::verdict::{Evidence, Finding, judge};
use super::{arm64_image, rules, tree};
use crate::image::Image;
use crate::platform::Machine;
use crate::qemu::{Console, Loaded};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use manifests::{LinuxBoot, Platform};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const RULES: &str = "tests/linux/log.rules";
/// Cores that the rules count on.
pub(crate) const CORES: u64 = 2;
/// A boot takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);
/// The console, from the first line on, and no waiting machine after a panic.
const ARGUMENTS: &str = "console=ttyAMA0 earlycon panic=-1";
/// spm's last word before the normal world starts.
const SPM_READY: &str = "spm: ready";

/// What KVM is in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kvm {
    /// The kernel itself runs at EL2.
    Vhe,
    /// pKVM runs at EL2, and between the kernel and EL3.
    Protected,
}

impl Kvm {
    /// Returns the mode's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vhe => "vhe",
            Self::Protected => "protected",
        }
    }

    fn arguments(self) -> String {
        match self {
            Self::Vhe => ARGUMENTS.to_owned(),
            Self::Protected => format!("{ARGUMENTS} kvm-arm.mode=protected"),
        }
    }
}

/// One boot.
#[derive(Debug)]
pub(crate) struct LinuxTest<'a> {
    /// On which machine.
    pub(crate) machine: Machine,
    /// TF-A, spm and the partitions, without BL33.
    pub(crate) image: &'a Image,
    /// The description of the platform.
    pub(crate) platform: &'a Platform,
    /// The kernel.
    pub(crate) kernel: &'a Kernel,
    /// Its mode.
    pub(crate) kvm: Kvm,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct LinuxOutcome {
    /// Everything that had to hold.
    pub(crate) findings: Vec<Finding>,
    /// The folder with the consoles' logs and the device tree.
    pub(crate) dir: PathBuf,
}

impl LinuxTest<'_> {
    /// Boots the kernel and judges what it says; `see` is shown each line of both worlds' consoles.
    ///
    /// # Errors
    /// The machine cannot be prepared or started.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        mut see: impl FnMut(Console, &str),
    ) -> Result<LinuxOutcome> {
        let rules = rules::read(&workspace.root().join(RULES), self.machine, self.kvm)?;
        let dir = workspace.run_dir(&format!("linux-{}-{}", self.kvm.name(), self.machine))?;
        let archive = initramfs(workspace, self.kernel)?;
        let files = dir.join("initramfs.cpio");
        fs::write(&files, &archive)?;
        let (kernel_base, initramfs_base) = self.places()?;
        let machine = Loaded {
            machine: self.machine,
            image: self.image,
            platform: self.platform,
            cores: CORES,
            limit: LIMIT,
        };
        let arguments = self.kvm.arguments();
        let boot = LinuxBoot { arguments: &arguments, initramfs_size: archive.len() as u64 };
        let tree = tree::make(&machine, boot, &dir)?;
        let loads = [(self.kernel.image(), kernel_base), (files, initramfs_base)];
        let mut transcript = Transcript::default();
        let mut secure: Option<Vec<String>> = None;
        let ended = machine.run(&dir, &tree, &loads, &mut |console, line| {
            see(console, line);
            match (console, &mut secure) {
                (Console::Normal, _) => transcript.take(line),
                (Console::Secure, Some(said)) => said.push(line.to_owned()),
                (Console::Secure, ready) => *ready = (line == SPM_READY).then(Vec::new),
            }
        })?;
        let Some(secure) = secure else {
            bail!("spm did not start the normal world; logs: {}", dir.display())
        };
        let evidence =
            Evidence { transcript: &transcript, secure: &secure, ended, partitions: &self.partitions() };
        Ok(LinuxOutcome { findings: judge(&evidence, &rules), dir })
    }

    /// Returns where kernel and initial RAM file system lie, if the kernel fits before the other.
    fn places(&self) -> Result<(u64, u64)> {
        let path = self.kernel.image();
        let image = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let size = arm64_image::memory_of(&image).with_context(|| path.display().to_string())?;
        let linux = self.platform.linux.as_ref().with_context(|| {
            format!("manifests/{}/platform.dtsi does not say how Linux is booted", self.platform.name)
        })?;
        let base = self.platform.memory.normal_image.base;
        if base.checked_add(size).is_none_or(|end| base > linux.initramfs.base || end > linux.initramfs.base)
        {
            bail!("the kernel uses {size:#x} bytes from {base:#x} on and would reach into its initramfs");
        }
        Ok((base, linux.initramfs.base))
    }

    /// Returns the partitions as the first process prints them.
    fn partitions(&self) -> Vec<String> {
        let line = |id: u16, uuid: &dyn std::fmt::Display| format!("{id:#06x} {uuid}");
        self.platform.partitions.iter().map(|partition| line(partition.id, &partition.uuid)).collect()
    }
}
