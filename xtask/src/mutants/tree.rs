// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The copy of the source that is changed, and the test program that is compiled from it.

use super::list::{self, CRATE, FOLDERS};
use super::{Mutant, Sources};
use crate::setup::CargoMutants;
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is compiled: the tests of one crate, under the profile of Cargo.toml that is quick to compile.
const BUILD: [&str; 9] = [
    "test",
    "--package",
    "iommu-core",
    "--lib",
    "--profile",
    "mutants",
    "--no-run",
    "--message-format",
    "json",
];

/// A copy of the source tree.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    target_dir: PathBuf,
}

impl Tree {
    /// Makes the copy what the source is. Files that are the same stay as they are, so that little is compiled anew.
    ///
    /// # Errors
    /// git does not say which files there are, or one cannot be copied.
    pub(crate) fn copy(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cache_dir("mutants")?;
        let tree = Self { root: folder.join("tree"), target_dir: folder.join("cargo") };
        let mut git = Command::new("git");
        git.current_dir(workspace.root()).args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ]);
        let output = git.output().context("cannot run git")?;
        ensure!(output.status.success(), "git does not list the source: {}", output.status);
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        for name in listed.split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (workspace.root().join(name), tree.root.join(name));
            // One that was deleted is listed until that is committed.
            let Ok(content) = fs::read(&from) else { continue };
            if fs::read(&to).is_ok_and(|there| there == content) {
                continue;
            }
            fs::create_dir_all(to.parent().unwrap_or(&tree.root))?;
            fs::write(&to, content).with_context(|| to.display().to_string())?;
        }
        Ok(tree)
    }

    /// Returns the sources of the crate in the copy.
    ///
    /// # Errors
    /// One cannot be read.
    pub(crate) fn sources(&self) -> Result<Sources> {
        Sources::read(&self.root)
    }

    /// Returns all mutants.
    ///
    /// # Errors
    /// cargo-mutants fails, or lists something else.
    pub(crate) fn mutants(&self, workspace: &Workspace, tool: &CargoMutants) -> Result<Vec<Mutant>> {
        let mut command = tool.command();
        command.current_dir(&self.root).args(["--list", "--json", "--no-config", "--package", "iommu-core"]);
        for folder in FOLDERS {
            command.args(["--file", &format!("{CRATE}/{folder}/**/*.rs")]);
        }
        list::parse(&step::output_of("listing mutants", &workspace.log("mutants")?, &mut command)?)
    }

    /// Compiles the tests; returns their program, or `None` where the source is no Rust.
    ///
    /// # Errors
    /// cargo cannot be started.
    pub(crate) fn compile(&self) -> Result<Option<PathBuf>> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(&self.root)
            .args(BUILD)
            .arg("--target-dir")
            .arg(&self.target_dir)
            // That a change leaves something unused is no reason to refuse it.
            .env("RUSTFLAGS", "--cap-lints=allow")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let output = cargo.output().context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().filter_map(program).next_back().filter(|_| output.status.success()))
    }

    /// Makes a change, calls `then`, and takes the change back.
    ///
    /// # Errors
    /// The file cannot be written, or what `then` says.
    pub(crate) fn with<R>(
        &self,
        mutant: &Mutant,
        sources: &Sources,
        then: impl FnOnce() -> Result<R>,
    ) -> Result<R> {
        let file = self.root.join(CRATE).join(&mutant.file);
        let source = sources.get(&mutant.file)?;
        write(&file, &mutant.apply(source)?)?;
        let done = then();
        write(&file, source)?;
        done
    }
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| file.display().to_string())
}

/// Returns the test program that one of cargo's messages tells of.
fn program(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    let tests = message.get("profile")?.get("test")?.as_bool()?;
    message.get("executable")?.as_str().filter(|_| tests).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_read_from_what_cargo_says() {
        let line =
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":"/x/deps/iommu_core-1"}"#;
        assert_eq!(program(line), Some(PathBuf::from("/x/deps/iommu_core-1")));
        assert_eq!(program(&line.replace("true", "false")), None);
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
