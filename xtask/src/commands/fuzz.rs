// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fuzz`: compiles the fuzz targets so that they tell what they reach, and runs them.

use crate::cli::Fuzz;
use crate::setup::{self, needs::Purpose};
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::process::{Command, ExitCode};

/// SanitizerCoverage, as LLVM has it and stable Rust passes it on: a counter for each edge between basic blocks.
const FLAGS: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    // Counters are found by the names of their sections, which the linker must not throw away.
    "-Clink-arg=-Wl,-z,nostart-stop-gc",
];

pub(super) fn fuzz(workspace: &Workspace, arguments: &Fuzz) -> Result<ExitCode> {
    let lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Build)?;
    let host = host()?;
    let target_dir = workspace.cache_dir("cargo")?.join("fuzz");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace.root())
        // With a target named, flags are for the program and not for what runs while it is compiled.
        .args(["build", "--profile", "fuzz", "--package", "fuzz", "--features", "model"])
        .args(["--target", &host, "--target-dir"])
        .arg(&target_dir)
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    step::run("compiling the fuzz targets", &workspace.log("cargo-fuzz")?, &mut cargo)?;
    drop(lock);
    let folder = workspace.root().join("tests/fuzz");
    let mut program = Command::new(target_dir.join(&host).join("fuzz/fuzz"));
    program.arg(&folder);
    match (&arguments.replay, &arguments.target) {
        (Some(file), target) => {
            let target = target.as_deref().context("whose input it is: --target")?;
            program.args(["replay", target]).arg(file);
        }
        (None, _) if arguments.keep => _ = program.args(["keep", &arguments.seconds.to_string()]),
        (None, target) => _ = program.arg(arguments.seconds.to_string()).args(target),
    }
    let status = program.status().context("cannot start the fuzz targets")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the name of the target that programs of this machine are compiled for.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what it runs on")
}
