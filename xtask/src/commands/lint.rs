// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `fmt` and `lint`: the house's rules, as far as a tool can check them.

use crate::setup::{self, TARGET, needs::Purpose};
use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::process::{Command, ExitCode};

/// Packages that are compiled for the firmware; the others are checked for this machine.
const FIRMWARE: [&str; 10] = [
    "spm",
    "sp-runtime",
    "iommu-sp",
    "test-sp",
    "conformance-sp",
    "conformance-application",
    "nwd",
    "scenarios",
    "hypervisor",
    "conformance-nwd",
];

pub(super) fn fmt(workspace: &Workspace) -> Result<ExitCode> {
    setup::ensure(workspace, Purpose::Develop)?;
    cargo(workspace, &["fmt", "--all"], &[])?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn lint(workspace: &Workspace) -> Result<ExitCode> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Develop)?;
    super::house::check(workspace)?;
    cargo(workspace, &["fmt", "--all", "--check"], &[])?;
    cargo(workspace, &["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"], &[])?;
    for package in ["spm-core", "iommu-core"] {
        let interleavings = ["--package", package, "--all-targets", "--features", "interleavings"];
        let arguments = [&["clippy", "--quiet"][..], &interleavings, &["--", "-D", "warnings"]].concat();
        cargo(workspace, &arguments, &[])?;
    }
    let model = ["--package", "model", "--package", "fuzz", "--features", "fuzz/model", "--all-targets"];
    let arguments = [&["clippy", "--quiet"][..], &model, &["--", "-D", "warnings"]].concat();
    cargo(workspace, &arguments, &[])?;
    let constants = workspace.cache_dir("platforms")?.join("lint.rs");
    let platform = manifests::Platform::load(&workspace.root().join("manifests"), manifests::PLATFORMS[0])?;
    write_whole(&constants, platform.constants()?.as_bytes())?;
    let constants = constants.display().to_string();
    // Any bytes do where nothing is entered.
    let host = constants.as_str();
    let strict = [
        ("SIDGUARD_PLATFORM_RS", constants.as_str()),
        ("SIDGUARD_HOST_IMAGE", host),
        ("RUSTDOCFLAGS", "-D warnings"),
    ];
    let packages = FIRMWARE.iter().flat_map(|package| ["--package", package]);
    let mut arguments = vec!["clippy", "--quiet", "--release", "--target", TARGET];
    arguments.extend(packages.clone().chain(["--", "-D", "warnings"]));
    cargo(workspace, &arguments, &strict)?;
    cargo(workspace, &["doc", "--quiet", "--no-deps"], &strict)?;
    let mut arguments = vec!["doc", "--quiet", "--no-deps", "--document-private-items", "--target", TARGET];
    arguments.extend(packages);
    cargo(workspace, &arguments, &strict)?;
    println!("Format and lints are as they should be.");
    Ok(ExitCode::SUCCESS)
}

/// Runs cargo with its output going to the person.
fn cargo(workspace: &Workspace, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    println!("cargo {}", arguments.join(" "));
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace.root())
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("`cargo {}` found something to mend", arguments.join(" "));
    }
    Ok(())
}
