// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TF-A: which one, from where, built how. Its facts stand in `tf-a-integration/`; nothing of them is written here.

mod build;
mod constants;
mod source;

pub(crate) use build::{Built, build};
pub(crate) use build::{Tree, key};
pub(crate) use constants::Constants;
pub(crate) use source::Source;

use crate::conf::Conf;
use crate::platform::Platform;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::PathBuf;

/// The facts of one platform's TF-A.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The platform that they are of.
    pub(crate) platform: Platform,
    /// `platform.conf`.
    pub(crate) conf: Conf,
    /// `NAME=value` arguments of make: the common options, then the platform's.
    pub(crate) options: Vec<String>,
    /// The patches in the order in which they are applied.
    pub(crate) patches: Vec<PathBuf>,
}

impl Facts {
    /// Reads the facts of a platform.
    ///
    /// # Errors
    /// A file is missing or has a line that is no setting.
    pub(crate) fn read(workspace: &Workspace, platform: Platform) -> Result<Self> {
        let common = workspace.root().join("tf-a-integration");
        let own = common.join(platform.name());
        let mut options = Vec::new();
        for dir in [&common, &own] {
            let conf = Conf::read(&dir.join("options.conf"))?;
            options.extend(conf.all().map(|(name, value)| format!("{name}={value}")));
        }
        Ok(Self { platform, conf: Conf::read(&own.join("platform.conf"))?, options, patches: patches(&own)? })
    }
}

fn patches(own: &std::path::Path) -> Result<Vec<PathBuf>> {
    let dir = own.join("patches");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut patches = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            patches.push(path);
        }
    }
    patches.sort();
    Ok(patches)
}
