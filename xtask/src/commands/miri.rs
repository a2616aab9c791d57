// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `miri`: runs tests of the logic in an interpreter that sees undefined behaviour, data races and leaks. That is a component of
//! nightly Rust ([`Nightly`]), which nothing else needs.

use super::host_tests::{self, Tests};
use crate::cli::Miri;
use crate::miri::Skips;
use crate::report::Tally;
use crate::setup::Nightly;
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Result, ensure};
use std::process::{Command, ExitCode};

/// Crates of what decides; each runs in a process of its own, all at once.
const PACKAGES: [&str; 3] = ["ffa-abi", "iommu-core", "spm-core"];
/// The tests that are left out.
const SKIPPED: &str = "tests/miri.conf";
/// Options of Miri. Without a word of the system, time and chance are the same in each run; proptest would look for a file of
/// earlier failures, and one case of it says as much of undefined behaviour as many.
const FLAGS: &str =
    "-Zmiri-env-set=PROPTEST_CASES=1 -Zmiri-env-set=PROPTEST_DISABLE_FAILURE_PERSISTENCE=true";

pub(super) fn miri(workspace: &Workspace, arguments: &Miri) -> Result<ExitCode> {
    let chosen = |package: &&str| arguments.package.as_deref().is_none_or(|only| only == *package);
    let packages: Vec<&str> = PACKAGES.into_iter().filter(chosen).collect();
    ensure!(!packages.is_empty(), "Miri runs tests of these packages only: {}", PACKAGES.join(", "));
    let tally = run(workspace, &packages)?;
    println!("{tally}");
    Ok(if tally.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests that are not listed; a line of the list that no test has is a failure as well.
fn run(workspace: &Workspace, packages: &[&str]) -> Result<Tally> {
    let skips = Skips::read(&workspace.root().join(SKIPPED), &PACKAGES)?;
    let lock = workspace.lock()?;
    let interpreter = Interpreter { workspace, nightly: Nightly::ensure(workspace)? };
    let mut tally = Tally::default();
    let mut running = Vec::new();
    for package in packages {
        let names = interpreter.names(package)?;
        for unused in skips.unused(package, &names) {
            println!("    FAIL {SKIPPED}: {package} has no test `{unused}`");
            tally.add(Tally::of(false));
        }
        let mut command = interpreter.command(package)?;
        command.arg("--exact");
        for name in names.iter().filter(|name| skips.has(package, name)) {
            command.args(["--skip", name]);
        }
        running.push(Tests::start(workspace.log(&format!("miri-{package}"))?, &mut command)?);
    }
    drop(lock);
    tally.add(host_tests::finish("tests under Miri", running)?);
    Ok(tally)
}

struct Interpreter<'a> {
    workspace: &'a Workspace,
    nightly: Nightly,
}

impl Interpreter<'_> {
    /// Returns the command that runs a package's tests; arguments of the test program can follow.
    fn command(&self, package: &str) -> Result<Command> {
        let mut command = self.nightly.command("cargo");
        command
            .current_dir(self.workspace.root())
            .args(["miri", "test", "--lib", "--package", package, "--target-dir"])
            .arg(self.workspace.cache_dir("cargo")?.join("miri"))
            .arg("--")
            .env("MIRIFLAGS", FLAGS);
        Ok(command)
    }

    /// Compiles a package; returns the names of its tests.
    fn names(&self, package: &str) -> Result<Vec<String>> {
        let mut command = self.command(package)?;
        command.args(["--list", "--format", "terse"]);
        let title = format!("compiling {package} for Miri");
        let text = step::output_of(&title, &self.workspace.log("cargo-miri")?, &mut command)?;
        let names = text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned);
        Ok(names.collect())
    }
}
