// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `model`: compiles the model machine with the service on it, and has clients try everything.

use crate::cli::Model;
use crate::contract::random_seed;
use crate::report::Tally;
use crate::setup::{self, needs::Purpose};
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Steps of `cargo xtask test`.
const STEPS: u64 = 200_000;

pub(super) fn model(workspace: &Workspace, arguments: &Model) -> Result<ExitCode> {
    let mut program = Command::new(compile(workspace)?);
    if let Some(bug) = &arguments.with {
        program.args(["with", bug]);
    }
    match &arguments.replay {
        Some(file) => _ = program.arg("replay").arg(file),
        None if arguments.bugs => _ = program.arg("bugs"),
        None => {
            let seed = arguments.seed.map_or_else(random_seed, Ok)?;
            run(workspace, &mut program, arguments.steps, seed);
        }
    }
    let status = program.status().context("cannot start the model machine")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the steps that every change has to stand, from a seed of its own.
pub(super) fn check(workspace: &Workspace) -> Result<Tally> {
    let mut program = Command::new(compile(workspace)?);
    run(workspace, &mut program, STEPS, random_seed()?);
    judge(&mut program)
}

/// Searches for the bugs that can be seeded into the service: each has to be found.
pub(super) fn check_seeded_bugs(workspace: &Workspace) -> Result<Tally> {
    let mut program = Command::new(compile(workspace)?);
    judge(program.arg("bugs"))
}

fn run(workspace: &Workspace, program: &mut Command, steps: u64, seed: u64) {
    let failures = workspace.root().join("tests/model/failures");
    program.args(["run", &steps.to_string(), &seed.to_string()]).arg(failures);
}

/// Shows what a run says, and reads its closing line.
fn judge(program: &mut Command) -> Result<Tally> {
    let output = program.output().context("cannot start the model machine")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    let tally = text.lines().last().and_then(closing).context("the model machine did not come to an end")?;
    Ok(if output.status.success() == tally.good() { tally } else { Tally::of(false) })
}

/// Reads `N passed, N failed`.
fn closing(line: &str) -> Option<Tally> {
    let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
    Some(Tally { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

/// Compiles the machine; as with the fuzz targets, a panic is caught and overflows are checked.
fn compile(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Build)?;
    let target_dir = workspace.cache_dir("cargo")?.join("model");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace.root())
        .args(["build", "--profile", "fuzz", "--package", "model", "--target-dir"])
        .arg(&target_dir);
    step::run("compiling the model machine", &workspace.log("cargo-model")?, &mut cargo)?;
    Ok(target_dir.join("fuzz/model"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read_and_others_are_not() {
        assert_eq!(closing("200 passed, 1 failed"), Some(Tally { passed: 200, failed: 1 }));
        assert_eq!(closing("200 passed"), None);
        assert_eq!(closing("x passed, 0 failed"), None);
    }
}
