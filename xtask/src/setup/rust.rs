// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The parts of the Rust toolchain that the pinned one does not come with: targets, and components for development.

use super::needs::Purpose;
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the firmware is compiled for.
pub(crate) const TARGET: &str = "aarch64-unknown-none-softfloat";
/// Components that lints and formatting need, with the program that shows each.
const COMPONENTS: [(&str, &str); 2] = [("rustfmt", "rustfmt"), ("clippy", "cargo-clippy")];

/// Adds what is missing, by rustup.
///
/// # Errors
/// Something is missing and rustup is not there or fails.
pub(super) fn ensure(workspace: &Workspace, purpose: Purpose) -> Result<()> {
    for (what, state) in states(purpose) {
        if let Err(command) = state {
            add(workspace, &what, &command)?;
        }
    }
    Ok(())
}

/// Runs the command of rustup that adds `what`.
///
/// # Errors
/// rustup is not there or fails.
pub(super) fn add(workspace: &Workspace, what: &str, command: &str) -> Result<()> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or("rustup");
    if Command::new(program).arg("--version").output().is_err() {
        bail!("{what} is missing, and there is no rustup to add it. Install Rust by rustup, then: {command}");
    }
    step::run(&format!("adding {what}"), &workspace.log("setup")?, Command::new(program).args(words))
        .with_context(|| format!("{what} is missing, and could not be added by: {command}"))
}

/// Returns each part with the command that adds it, if it is missing.
pub(super) fn states(purpose: Purpose) -> Vec<(String, Result<(), String>)> {
    let target = if target_is_there() { Ok(()) } else { Err(format!("rustup target add {TARGET}")) };
    let mut all = vec![(format!("Rust target {TARGET}"), target)];
    if purpose >= Purpose::Develop {
        for (component, program) in COMPONENTS {
            let there = Command::new(program).arg("--version").stderr(Stdio::null()).output();
            let state = match there {
                Ok(output) if output.status.success() => Ok(()),
                _ => Err(format!("rustup component add {component}")),
            };
            all.push((format!("Rust component {component}"), state));
        }
    }
    all
}

/// Asks the compiler where the target's libraries would be, and looks whether they are.
fn target_is_there() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    output.is_ok_and(|output| {
        output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}
