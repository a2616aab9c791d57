// SPDX-License-Identifier: Apache-2.0 OR MIT
//! cargo-mutants, which says what can be changed in a source: the one place that says which version. It is compiled into the cache,
//! so that nothing is installed for the person.

use crate::step;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Another version may think of other mutants.
const VERSION: &str = "27.1.0";

/// The program, as it is in the cache.
#[derive(Debug)]
pub(crate) struct CargoMutants {
    program: PathBuf,
}

impl CargoMutants {
    /// Compiles it where it is not there.
    ///
    /// # Errors
    /// cargo cannot fetch or compile it.
    pub(crate) fn ensure(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cache_dir("tools")?.join(format!("cargo-mutants-{VERSION}"));
        let found = Self { program: folder.join("bin/cargo-mutants") };
        if !found.program.is_file() {
            let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            // Outside of the workspace, whose settings are for other programs.
            cargo.current_dir(workspace.cache()).args([
                "install",
                "--locked",
                "--version",
                VERSION,
                "--root",
            ]);
            cargo.arg(&folder).arg("cargo-mutants");
            step::run("compiling cargo-mutants", &workspace.log("setup")?, &mut cargo)?;
        }
        Ok(found)
    }

    /// Returns a command that runs it.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("mutants").stdin(Stdio::null());
        command
    }
}
