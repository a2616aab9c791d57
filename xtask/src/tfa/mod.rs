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

    /// Returns the facts of a TF-A that is the SPMC itself, by the folders `el3-spmc`.
    ///
    /// # Errors
    /// A file is missing or has a line that is no setting.
    pub(crate) fn for_el3_spmc(&self, workspace: &Workspace) -> Result<Self> {
        let common = workspace.root().join("tf-a-integration");
        let conf = Conf::read(&common.join("el3-spmc/options.conf"))?;
        let mut facts = Self { options: replaced(&self.options, &conf, 0), ..self.clone() };
        for of in [common.clone(), common.join(self.platform.name())] {
            facts.patches.extend(patches(&of.join("el3-spmc"))?);
        }
        Ok(facts)
    }

    /// Returns the facts of a TF-A that starts a Linux kernel which lies at `base` already, by `linux.conf`.
    ///
    /// # Errors
    /// The file is missing or has a line that is no setting.
    pub(crate) fn for_linux(&self, workspace: &Workspace, base: u64) -> Result<Self> {
        let conf = Conf::read(&workspace.root().join("tf-a-integration/linux.conf"))?;
        Ok(Self { options: replaced(&self.options, &conf, base), ..self.clone() })
    }
}

/// How `linux.conf` names the address that the platform description has for BL33.
const BL33_BASE: &str = "<normal-image>";

/// Returns `options` with those of `conf` in the place of others of the same name.
fn replaced(options: &[String], conf: &Conf, base: u64) -> Vec<String> {
    let name_of = |option: &String| option.split('=').next().unwrap_or_default().to_owned();
    let kept = options.iter().filter(|option| conf.get(&name_of(option)).is_none()).cloned();
    let value = |value: &str| if value == BL33_BASE { format!("{base:#x}") } else { value.to_owned() };
    kept.chain(conf.all().map(|(name, text)| format!("{name}={}", value(text)))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_variant_replace_those_of_the_same_name() {
        let options = ["PLAT=x", "PRELOADED_BL33_BASE=", "DEBUG=0"].map(str::to_owned);
        let conf = Conf::parse("f", "PRELOADED_BL33_BASE = <normal-image>\nOTHER = 1").unwrap();
        let expected = ["PLAT=x", "DEBUG=0", "PRELOADED_BL33_BASE=0x60000000", "OTHER=1"];
        assert_eq!(replaced(&options, &conf, 0x6000_0000), expected);
    }
}
