// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `linux`: boots a stock Debian kernel above spm and judges what it says; part of `test` too.

use crate::cli::Linux;
use crate::image::{Image, Kit};
use crate::linux::{Finding, Kernel, Kvm, LinuxTest, Wanted};
use crate::platform::Machine;
use crate::qemu::Console;
use crate::report::Tally;
use crate::setup::{self, needs::Purpose};
use crate::workspace::Workspace;
use anyhow::Result;
use clap::ValueEnum as _;
use manifests::Set;
use std::process::ExitCode;

pub(super) fn linux(workspace: &Workspace, arguments: &Linux) -> Result<ExitCode> {
    let mut total = Tally::default();
    for machine in Machine::ALL {
        if arguments.machine.is_some_and(|only| only != machine) {
            continue;
        }
        let prepared = prepare(workspace, machine)?;
        for kvm in Kvm::value_variants() {
            if arguments.kvm.is_none_or(|only| only == *kvm) {
                total.add(prepared.boot(workspace, *kvm, arguments.show)?);
            }
        }
    }
    println!("{total}");
    Ok(if total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that one machine boots with.
#[derive(Debug)]
pub(super) struct Prepared {
    machine: Machine,
    kit: Kit,
    image: Image,
    kernel: Kernel,
}

/// Sets up, fetches the kernel, compiles and puts together; one command at a time.
pub(super) fn prepare(workspace: &Workspace, machine: Machine) -> Result<Prepared> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Run)?;
    let kernel = Wanted::read(workspace)?.fetch(workspace)?;
    let kit = Kit::build(workspace, machine.platform(), Set::Product, None)?;
    let image = kit.image_for_linux(workspace)?;
    Ok(Prepared { machine, kit, image, kernel })
}

impl Prepared {
    /// Boots the kernel in one mode, and prints what does not hold.
    pub(super) fn boot(&self, workspace: &Workspace, kvm: Kvm, show: bool) -> Result<Tally> {
        println!("\nLinux on {} with KVM {}: {}", self.machine, kvm.name(), self.kernel.packages);
        let test = LinuxTest {
            machine: self.machine,
            image: &self.image,
            platform: &self.kit.platform,
            kernel: &self.kernel,
            kvm,
        };
        let outcome = test.run(workspace, |console, line| {
            if show {
                let world = match console {
                    Console::Normal => "normal",
                    Console::Secure => "secure",
                };
                println!("{world} | {line}");
            }
        })?;
        let tally = print(&outcome.findings);
        println!("    {tally}; logs: {}", outcome.dir.display());
        Ok(tally)
    }
}

/// Prints the findings that do not hold, and counts all.
fn print(findings: &[Finding]) -> Tally {
    let mut tally = Tally::default();
    for finding in findings {
        tally.add(Tally::of(finding.complaints.is_empty()));
        if !finding.complaints.is_empty() {
            println!("    FAIL {}", finding.what);
            for complaint in &finding.complaints {
                println!("         {complaint}");
            }
        }
    }
    tally
}
