// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Folders and sources of apt that no other program uses: what is fetched by them is not installed, and the machine's own
//! apt does not know of it. apt checks all of it against the signed index of its release.

use super::apt::Mirror;
use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    /// Name of the folders, of letters and `-`.
    pub(crate) folder: &'a str,
    /// Types of packages in apt's words, `deb` or `deb-src`.
    pub(crate) types: &'a str,
    /// The Debian release to look in.
    pub(crate) suite: &'a str,
    /// Architecture of the packages; without one the machine's own.
    pub(crate) architecture: Option<&'a str>,
}

/// apt, with folders of its own.
#[derive(Debug)]
pub(crate) struct PrivateApt {
    base: PathBuf,
    architecture: Option<String>,
}

impl PrivateApt {
    /// Creates the folders, with one source.
    ///
    /// # Errors
    /// The cache cannot be written to.
    pub(crate) fn create(workspace: &Workspace, mirror: &Mirror, sought: Sought<'_>) -> Result<Self> {
        let base = workspace.cache_dir("apt")?.join(sought.folder);
        for dir in ["sources.d", "lists/partial", "archives/partial", "downloads"] {
            fs::create_dir_all(base.join(dir))?;
        }
        // No package counts as installed.
        fs::write(base.join("status"), "")?;
        let mut entry = mirror.entry(sought.types, sought.suite);
        if let Some(architecture) = sought.architecture {
            entry = format!("Architectures: {architecture}\n{entry}");
        }
        write_whole(&base.join("sources.d/only.sources"), entry.as_bytes())?;
        Ok(Self { base, architecture: sought.architecture.map(str::to_owned) })
    }

    /// Returns where `apt-get source` and `apt-get download` put what they fetch.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.base.join("downloads")
    }

    /// Returns apt-get, started in the folder of downloads.
    pub(crate) fn get(&self) -> Command {
        self.command("apt-get")
    }

    /// Returns apt-cache.
    pub(crate) fn cache(&self) -> Command {
        self.command("apt-cache")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.downloads());
        let mut set = |option: &str, value: &str| {
            command.args(["-o", &format!("{option}={value}")]);
        };
        let inside = |name: &str| Path::new(&self.base).join(name).display().to_string();
        set("Dir::Etc::sourcelist", "/dev/null");
        set("Dir::Etc::sourceparts", &inside("sources.d"));
        set("Dir::State::lists", &inside("lists"));
        set("Dir::State::status", &inside("status"));
        set("Dir::Cache::archives", &inside("archives"));
        set("Dir::Cache::pkgcache", "");
        set("Dir::Cache::srcpkgcache", "");
        if let Some(architecture) = &self.architecture {
            set("APT::Architecture", architecture);
            set("APT::Architectures", architecture);
        }
        // Descriptions in other languages are for people.
        set("Acquire::Languages", "none");
        // apt's own user could not reach a folder that is private to whoever builds.
        set("APT::Sandbox::User", "root");
        set("Acquire::Retries", "3");
        set("Acquire::http::Timeout", "30");
        // A list that could not be fetched is an error here, and not a warning before a stranger one.
        set("APT::Update::Error-Mode", "any");
        command
    }
}
