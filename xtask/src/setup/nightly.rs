// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The nightly Rust that Miri comes with, beside the toolchain that everything else is built by: the one place that says which.

use super::rust;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// The nightly's name by its date; a newer one may warn of what this one does not.
const DATED: &str = "nightly-2026-05-20";
/// The compiler that is in it, by which it is known under another name as well.
const COMMIT: &str = "e50aa6fba4e63ab34c72bf9acfd2c307c1155d1a";
/// What rustup may call it on a machine.
const NAMES: [&str; 2] = [DATED, "nightly"];

/// The nightly with Miri, as it is on this machine.
#[derive(Debug)]
pub(crate) struct Nightly {
    name: &'static str,
}

impl Nightly {
    /// Adds what is missing, by rustup.
    ///
    /// # Errors
    /// Something is missing and rustup is not there or fails; the message says what to install.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        match Self::find() {
            Ok(found) => return Ok(found),
            Err(command) => rust::add(workspace, &what(), &command)?,
        }
        Self::find().or_else(|command| bail!("{} was added, yet it is not whole. Try: {command}", what()))
    }

    /// Looks for it.
    ///
    /// # Errors
    /// It is not there as a whole; the text is the command that adds what is missing.
    pub(super) fn find() -> Result<Self, String> {
        let found = NAMES.into_iter().map(|name| Self { name }).find(Self::is_the_one);
        let Some(found) = found else {
            return Err(format!(
                "rustup toolchain install {DATED} --profile minimal --component miri --component rust-src"
            ));
        };
        match (found.has_miri(), found.has_sources()) {
            (true, true) => Ok(found),
            _ => Err(format!("rustup component add --toolchain {} miri rust-src", found.name)),
        }
    }

    /// Returns a command that runs a program of this toolchain, whatever toolchain this process was started by.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("rustup");
        command
            .args(["run", self.name, program])
            .env("RUSTUP_AUTO_INSTALL", "0")
            .env_remove("CARGO")
            .env_remove("RUSTC")
            .env_remove("RUSTUP_TOOLCHAIN")
            .stdin(Stdio::null());
        command
    }

    fn is_the_one(&self) -> bool {
        self.answer("rustc", &["-vV"])
            .is_some_and(|text| text.lines().any(|line| line.strip_prefix("commit-hash: ") == Some(COMMIT)))
    }

    fn has_miri(&self) -> bool {
        self.answer("cargo", &["miri", "--version"]).is_some()
    }

    /// Looks for the library's source: Miri compiles it for itself.
    fn has_sources(&self) -> bool {
        self.answer("rustc", &["--print", "sysroot"])
            .is_some_and(|root| Path::new(root.trim()).join("lib/rustlib/src/rust/library").is_dir())
    }

    /// Returns what a program prints, if it is there and succeeds.
    fn answer(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = self.command(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Returns what a person calls it.
pub(super) fn what() -> String {
    format!("Rust {DATED} with Miri")
}
