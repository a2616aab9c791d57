// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Brings a machine to where everything can be built and run: Debian packages, Rust targets, the nightly Rust of Miri.
//!
//! What is needed stands in [`needs`]; how apt is asked in [`apt`]; who may install in [`privilege`]. TF-A's source and the
//! Linux kernel of the tests are not installed but fetched into the cache, by [`crate::tfa`] and [`crate::linux`] through
//! [`private_apt`].

pub(crate) mod apt;
mod cargo_mutants;
mod install;
pub(crate) mod needs;
mod nightly;
pub(crate) mod private_apt;
mod privilege;
mod rust;

use crate::workspace::Workspace;
use anyhow::{Result, bail};
use needs::{Need, Purpose};

pub(crate) use cargo_mutants::CargoMutants;
pub(crate) use install::Debian;
pub(crate) use nightly::Nightly;
pub(crate) use rust::TARGET;

/// Installs what is missing for `purpose`; does nothing, and asks for no privilege, if all is there.
///
/// # Errors
/// Something is missing and cannot be installed from here; the message says what to do.
pub(crate) fn ensure(workspace: &Workspace, purpose: Purpose) -> Result<()> {
    let missing = needs::missing(purpose);
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
        println!("Set-up: missing on this machine: {}", names.join(", "));
        install::packages(workspace, &missing)?;
        still_missing(&needs::missing(purpose))?;
    }
    rust::ensure(workspace, purpose)
}

/// Tells what is missing for `purpose` and for Miri, each with the command that installs it; returns how much.
pub(crate) fn report(purpose: Purpose) -> usize {
    let mut count = 0;
    for need in needs::all(purpose) {
        let found = need.check();
        match &found {
            Ok(version) => println!("  ok       {:<28} {version}", need.what),
            Err(why) => {
                count += 1;
                println!("  MISSING  {:<28} {why}", need.what);
                println!("           install it by:  {}", install::command_for(&need));
            }
        }
    }
    let nightly = (nightly::what(), Nightly::find().map(drop));
    for (what, state) in rust::states(purpose).into_iter().chain([nightly]) {
        match state {
            Ok(()) => println!("  ok       {what}"),
            Err(command) => {
                count += 1;
                println!("  MISSING  {what}\n           install it by:  {command}");
            }
        }
    }
    count
}

fn still_missing(missing: &[Need]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut text = String::from("Packages were installed, yet this is still missing:\n");
    for need in missing {
        if let Err(why) = need.check() {
            text.push_str(&format!("  {}: {why}\n", need.what));
        }
    }
    text.push_str("Is another program of the same name first in PATH?");
    bail!(text)
}
