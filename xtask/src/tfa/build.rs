// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Builds TF-A's own parts, once for each content: BL1, BL2, BL31 and fiptool. What it loads is put beside them later,
//! without building TF-A again.

use super::constants::Constants;
use super::source::unpack;
use super::{Facts, Source};
use crate::step;
use crate::store::{self, Key};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Raised when this file builds something else from the same inputs.
const RECIPE: &[u8] = b"2";
const CONSTANTS: &str = "constants.conf";

/// One build of TF-A.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    dir: PathBuf,
    /// The addresses that it was built with.
    pub(crate) constants: Constants,
}

impl Built {
    /// Returns one of the build's files: `bl1.bin`, `bl2.bin`, `bl31.bin`, `fiptool`, `bl31.elf`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Returns the build of these facts, from the cache if it is there.
///
/// # Errors
/// The source cannot be had, a patch does not apply, or make fails.
pub(crate) fn build(workspace: &Workspace, facts: &Facts) -> Result<Built> {
    let source = Source::read(workspace)?;
    let key = key(&source, facts)?;
    let name = format!("{}-{}", facts.platform, key.name());
    let dir = store::folder(&workspace.cache_dir("tf-a")?, &name, |out| {
        let archive = source.fetch(workspace)?;
        let tree = Tree::prepare(workspace, facts, &archive)?;
        fs::write(out.join(CONSTANTS), tree.constants()?.to_text())?;
        tree.make(&format!("building TF-A for {}", facts.platform), &["bl1", "bl2", "bl31", "fiptool"])?;
        for file in ["bl1.bin", "bl2.bin", "bl31.bin", "bl31/bl31.elf"] {
            tree.keep(&tree.product(file), out)?;
        }
        tree.keep(&tree.source().join("tools/fiptool/fiptool"), out)
    })?;
    let constants = Constants::load(&dir.join(CONSTANTS))?;
    Ok(Built { dir, constants })
}

/// Returns the key of everything that decides how TF-A comes out.
///
/// # Errors
/// A patch cannot be read, or there is no compiler.
pub(crate) fn key(source: &Source, facts: &Facts) -> Result<Key> {
    let mut key = Key::default().with("recipe", RECIPE).with("source", source.sha256().as_bytes());
    for option in &facts.options {
        key = key.with("option", option.as_bytes());
    }
    for name in ["spmc_base_macro", "spmc_limit_macro", "bl33_base_macro"] {
        key = key.with(name, facts.conf.need(name)?.as_bytes());
    }
    for patch in &facts.patches {
        key =
            key.with("patch", &fs::read(patch).with_context(|| format!("cannot read {}", patch.display()))?);
    }
    let compiler = Command::new("aarch64-linux-gnu-gcc")
        .arg("--version")
        .output()
        .context("cannot run aarch64-linux-gnu-gcc; `cargo xtask doctor` says how to install it")?;
    Ok(key.with("compiler", &compiler.stdout))
}

/// TF-A's source, unpacked and patched in a folder that goes when the value is dropped.
pub(crate) struct Tree<'a> {
    facts: &'a Facts,
    dir: tempfile::TempDir,
    log: PathBuf,
}

impl<'a> Tree<'a> {
    /// Unpacks and patches.
    ///
    /// # Errors
    /// The archive is broken or a patch does not apply.
    pub(crate) fn prepare(workspace: &Workspace, facts: &'a Facts, archive: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tf-a-").tempdir_in(workspace.scratch()?)?;
        let log = workspace.log(&format!("tf-a-{}", facts.platform))?;
        // A log tells of the last build only.
        fs::write(&log, "")?;
        let tree = Self { facts, dir, log };
        unpack(archive, &tree.source(), &tree.log)?;
        for patch in &facts.patches {
            let mut command = Command::new("patch");
            command
                .current_dir(tree.source())
                .args(["--strip=1", "--fuzz=0", "--force", "--input"])
                .arg(patch);
            let name = patch.file_name().unwrap_or_default().to_string_lossy().into_owned();
            step::run(&format!("applying {name}"), &tree.log, &mut command)?;
        }
        // TF-A wants a layout for this configuration even if it is to build no package.
        fs::write(tree.dir.path().join("no-packages.json"), "{}")?;
        Ok(tree)
    }

    /// Returns the source's top folder.
    pub(crate) fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    /// Returns where make puts a product.
    pub(crate) fn product(&self, name: &str) -> PathBuf {
        let platform =
            self.facts.options.iter().find_map(|option| option.strip_prefix("PLAT=")).unwrap_or_default();
        let kind =
            if self.facts.options.iter().any(|option| option == "DEBUG=1") { "debug" } else { "release" };
        self.dir.path().join("build").join(platform).join(kind).join(name)
    }

    /// Returns the addresses that this source is built with.
    ///
    /// # Errors
    /// They do not compile.
    pub(crate) fn constants(&self) -> Result<Constants> {
        let mut dry_run = self.command("dry-run", &[self.no_packages()]);
        dry_run.args(["--dry-run", "V=1", "bl2"]);
        Constants::compile(self.facts, &self.source(), self.dir.path(), &mut dry_run)
    }

    /// Runs make for some targets that need no SP package.
    ///
    /// # Errors
    /// make fails.
    pub(crate) fn make(&self, what: &str, targets: &[&str]) -> Result<()> {
        step::run(what, &self.log, self.command("build", &[self.no_packages()]).args(targets))
    }

    /// Runs make with more arguments, which say what to pack.
    ///
    /// # Errors
    /// make fails.
    pub(crate) fn make_with(&self, what: &str, arguments: &[String]) -> Result<()> {
        step::run(what, &self.log, &mut self.command("build", arguments))
    }

    /// Copies a product into the folder of a build.
    ///
    /// # Errors
    /// make did not make it.
    pub(crate) fn keep(&self, product: &Path, out: &Path) -> Result<()> {
        let Some(name) = product.file_name() else { bail!("{} is no file", product.display()) };
        fs::copy(product, out.join(name)).with_context(|| {
            format!("TF-A's build made no {}; see {}", product.display(), self.log.display())
        })?;
        Ok(())
    }

    fn no_packages(&self) -> String {
        format!("SP_LAYOUT_FILE={}", self.dir.path().join("no-packages.json").display())
    }

    /// Returns make with the facts' options; the environment is left out, since make takes variables from it.
    fn command(&self, build: &str, arguments: &[String]) -> Command {
        let mut command = Command::new("make");
        command.env_clear().env("LC_ALL", "C").current_dir(self.source());
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let jobs = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        command.arg(format!("-j{jobs}")).args(&self.facts.options);
        command.arg(format!("BUILD_BASE={}", self.dir.path().join(build).display()));
        command.args(arguments);
        command
    }
}
