// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fetches the kernel's packages by apt folders of their own, takes the files out that are needed, and keeps these. What
//! is kept is used until the cache is deleted: tests of one day do not differ because a mirror changed.

use super::deb;
use super::release::newest_first;
use crate::conf::Conf;
use crate::setup::Debian;
use crate::setup::apt::Mirror;
use crate::setup::private_apt::{PrivateApt, Sought};
use crate::step;
use crate::store::{self, Key};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Raised when this file makes something else of the same packages.
const RECIPE: &[u8] = b"1";
const CONF: &str = "tests/linux/kernel.conf";
/// Names of the files that are kept.
const KERNEL: &str = "Image";
const SHELL: &str = "busybox";
const USED: &str = "packages.txt";
/// Name of the log of fetching.
const LOG: &str = "linux-packages";

/// Which kernel is wanted: `kernel.conf`.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    conf: Conf,
}

/// A kernel in the cache.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    dir: PathBuf,
    /// Names of its modules in the order in which they are loaded.
    pub(super) modules: Vec<String>,
    /// The packages that it came from with their versions, in one line.
    pub(crate) packages: String,
}

impl Kernel {
    /// Returns the kernel's image.
    pub(super) fn image(&self) -> PathBuf {
        self.dir.join(KERNEL)
    }

    /// Returns the program that is shell and everything else of the first process.
    pub(super) fn shell(&self) -> PathBuf {
        self.dir.join(SHELL)
    }

    /// Returns the file of a module.
    pub(super) fn module(&self, name: &str) -> PathBuf {
        self.dir.join(module_file(name))
    }
}

fn module_file(name: &str) -> String {
    format!("{name}.ko")
}

impl Wanted {
    /// Reads `kernel.conf`.
    ///
    /// # Errors
    /// It is missing or has a line that is no setting.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        Ok(Self { conf: Conf::read(&workspace.root().join(CONF))? })
    }

    fn modules(&self) -> Result<Vec<String>> {
        Ok(self.conf.need("modules")?.split_whitespace().map(str::to_owned).collect())
    }

    /// Returns the kernel, downloaded if it is not in the cache.
    ///
    /// # Errors
    /// No release of Debian that is looked in has it, or the mirror cannot be reached.
    pub(crate) fn fetch(&self, workspace: &Workspace) -> Result<Kernel> {
        let mut key = Key::default().with("recipe", RECIPE);
        for (name, value) in self.conf.all() {
            key = key.with(name, value.as_bytes());
        }
        let dir = store::folder(&workspace.cache_dir("linux")?, &key.name(), |out| {
            self.download(workspace, out).context(
                "The Debian kernel that the tests boot could not be fetched. Check the network and `apt-get update`",
            )
        })?;
        let packages = fs::read_to_string(dir.join(USED))?.lines().collect::<Vec<_>>().join(", ");
        Ok(Kernel { modules: self.modules()?, packages, dir })
    }

    fn download(&self, workspace: &Workspace, out: &Path) -> Result<()> {
        let mirror = Debian::recognise().and_then(|debian| debian.mirror())?;
        // A log tells of the last download only.
        fs::write(workspace.log(LOG)?, "")?;
        let mut last = None;
        for suite in self.conf.need("suites")?.split_whitespace() {
            match self.try_suite(workspace, &mirror, suite, out) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    println!("  Debian {suite} has no kernel for us: {error:#}");
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("{CONF} names no release to look in")))
    }

    /// Takes the newest kernel of one release whose files the mirror really has.
    fn try_suite(&self, workspace: &Workspace, mirror: &Mirror, suite: &str, out: &Path) -> Result<()> {
        let sought = Sought {
            folder: "linux",
            types: "deb",
            suite,
            architecture: Some(self.conf.need("architecture")?),
        };
        let apt = PrivateApt::create(workspace, mirror, sought)?;
        let log = workspace.log(LOG)?;
        step::run(&format!("reading Debian {suite}'s index of packages"), &log, apt.get().arg("update"))?;
        let pattern = self.conf.need("kernel_package")?;
        let prefix = pattern.split('*').next().unwrap_or_default();
        let what = format!("looking for kernels in Debian {suite}");
        let names = step::output_of(&what, &log, apt.cache().args(["pkgnames", prefix]))?;
        let major = self.conf.need_number("major")?;
        let mut last = anyhow::anyhow!("no package there is {pattern} of version {major}");
        for release in newest_first(&names, pattern, major) {
            match self.take(&apt, &release, &log, out) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Downloads the packages of one release, and takes the files out.
    fn take(&self, apt: &PrivateApt, release: &str, log: &Path, out: &Path) -> Result<()> {
        empty(&apt.downloads())?;
        let named = |setting| Ok::<_, anyhow::Error>(self.conf.need(setting)?.replace('*', release));
        let packages = [named("kernel_package")?, named("modules_package")?, named("shell_package")?];
        let what = format!("downloading Linux {release}");
        step::run(&what, log, apt.get().arg("download").args(&packages))?;
        let [kernel, modules, shell] = &packages;
        let modules_wanted = self.modules()?;
        let patterns: Vec<String> =
            modules_wanted.iter().map(|name| format!("*/{}*", module_file(name))).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let what = format!("unpacking Linux {release}");
        deb::unpack(&what, &deb_of(apt, modules)?, &patterns, out, log)?;
        for name in &modules_wanted {
            deb::decompress(&out.join(module_file(name)), log)?;
        }
        for (package, setting, kept) in [(kernel, "kernel", KERNEL), (shell, "shell", SHELL)] {
            let pattern = self.conf.need(setting)?;
            deb::unpack(
                &format!("taking {kept} out of {package}"),
                &deb_of(apt, package)?,
                &[pattern],
                out,
                log,
            )?;
            let name = pattern.rsplit('/').next().unwrap_or(pattern);
            fs::rename(out.join(name), out.join(kept)).with_context(|| format!("{package} has no {name}"))?;
        }
        let mut used = String::new();
        for package in &packages {
            used.push_str(&deb::name_and_version(&deb_of(apt, package)?, log)?);
        }
        fs::write(out.join(USED), used)?;
        empty(&apt.downloads())
    }
}

/// Returns the file that apt has downloaded for a package.
fn deb_of(apt: &PrivateApt, package: &str) -> Result<PathBuf> {
    let start = format!("{package}_");
    for entry in fs::read_dir(apt.downloads())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&start) {
            return Ok(entry.path());
        }
    }
    bail!("apt has downloaded no {package}")
}

/// Removes all files in a folder.
fn empty(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
