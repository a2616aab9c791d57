// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fetches TF-A's source archive from the machine's own Debian mirror, by apt folders that are this project's alone, and
//! unpacks it. An archive whose checksum differs from `tf-a.conf` is never used.

use crate::conf::Conf;
use crate::setup::Debian;
use crate::setup::private_apt::{PrivateApt, Sought};
use crate::step;
use crate::store::sha256_of;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pinned source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    package: String,
    version: String,
    suite: String,
    archive: String,
    sha256: String,
}

impl Source {
    /// Reads `tf-a.conf`.
    ///
    /// # Errors
    /// It is missing or lacks a setting.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let conf = Conf::read(&workspace.root().join("tf-a-integration/tf-a.conf"))?;
        let need = |name| conf.need(name).map(str::to_owned);
        Ok(Self {
            package: need("package")?,
            version: need("version")?,
            suite: need("suite")?,
            archive: need("archive")?,
            sha256: need("sha256")?,
        })
    }

    /// Returns the checksum that pins the source, in hexadecimal digits.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns the checked archive, downloaded if it is not in the cache.
    ///
    /// # Errors
    /// It cannot be had, or is another one than the pinned; the message says where to put it by hand.
    pub(crate) fn fetch(&self, workspace: &Workspace) -> Result<PathBuf> {
        let path = workspace.cache_dir("downloads")?.join(&self.archive);
        if path.is_file() {
            self.check(&path)?;
            return Ok(path);
        }
        let fetched = self.download(workspace).with_context(|| {
            format!(
                "TF-A's source could not be fetched. Check the network and `apt-get update`; or put {} (SHA-256 {}) \
                 of Debian's source package {} {} into {}",
                self.archive,
                self.sha256,
                self.package,
                self.version,
                path.parent().unwrap_or(&path).display()
            )
        })?;
        self.check(&fetched)?;
        fs::rename(&fetched, &path)
            .with_context(|| format!("cannot move the archive to {}", path.display()))?;
        Ok(path)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let found = sha256_of(path)?;
        if found != self.sha256 {
            bail!(
                "{} is not the pinned archive: its SHA-256 is {found}, expected is {}. Delete it and start again.",
                path.display(),
                self.sha256
            );
        }
        Ok(())
    }

    /// Downloads the archive by apt, which checks it against the signed index of the release.
    fn download(&self, workspace: &Workspace) -> Result<PathBuf> {
        let mirror = Debian::recognise().and_then(|debian| debian.mirror())?;
        let sought = Sought { folder: "tf-a", types: "deb-src", suite: &self.suite, architecture: None };
        let apt = PrivateApt::create(workspace, &mirror, sought)?;
        let log = workspace.log("tf-a-source")?;
        step::run("reading Debian's index of sources", &log, apt.get().arg("update"))?;
        let wanted = format!("{}={}", self.package, self.version);
        let mut download = apt.get();
        download.args(["source", "--download-only", "--tar-only", &wanted]);
        step::run("downloading TF-A's source", &log, &mut download)?;
        Ok(apt.downloads().join(&self.archive))
    }
}

/// Unpacks the archive into `to`, without its topmost folder.
///
/// # Errors
/// tar fails.
pub(super) fn unpack(archive: &Path, to: &Path, log: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(archive).arg("--directory").arg(to).arg("--strip-components=1");
    step::run("unpacking TF-A", log, &mut tar)
}
