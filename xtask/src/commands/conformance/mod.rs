// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `conformance`: runs the FF-A conformance suite and prints what came of it, interface by instance. `test` runs it too.
//!
//! The cases and what is known of each interface are in the crate `conformance`, the form of the results in [`matrix`], the
//! page of the documentation in [`document`].

mod document;
mod el3;
mod matrix;
mod seeded;

use super::prepare_one;
use crate::cli::Conformance;
use crate::contract::{Mailbox, Mode, Transcript, random_seed};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow, Outcome};
use crate::report::{Tally, print_failures};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use conformance::case::{Instance, Spmc};
use conformance::suite::Setting;
use manifests::Set;
use matrix::{Matrix, claim_name};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

/// A run takes seconds; on a machine under load it may take this long.
const LIMIT: Duration = Duration::from_secs(180);
/// Numbers of cores that the suite runs with.
const CORES: [u64; 2] = [1, 4];

pub(super) fn conformance(workspace: &Workspace, arguments: &Conformance) -> Result<ExitCode> {
    let mut matrix = Matrix::default();
    let mut total = Tally::default();
    for machine in Machine::ALL {
        if arguments.machine.is_none_or(|only| only == machine) {
            for (_, tally) in on_machine(workspace, machine, arguments.smp, &mut matrix)? {
                total.add(tally);
            }
        }
    }
    println!("\n{}", matrix.to_text());
    if arguments.write {
        document::write(workspace, &matrix)?;
    } else if arguments.machine.is_none() && arguments.smp.is_none() {
        total.add(document::check(workspace, &matrix)?);
        total.add(seeded::check(workspace)?);
        total.add(el3::check(workspace)?);
    }
    println!("{total}");
    Ok(if total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs everything on one machine and adds it to the matrix; returns a tally for each number of cores.
///
/// # Errors
/// Something does not compile, or QEMU cannot be run.
pub(super) fn on_machine(
    workspace: &Workspace,
    machine: Machine,
    smp: Option<u64>,
    matrix: &mut Matrix,
) -> Result<Vec<(u64, Tally)>> {
    let (kit, image) = prepare_one(workspace, machine.platform(), Set::Conformance, None)?;
    let mut tallies = Vec::new();
    for cores in CORES.into_iter().filter(|cores| smp.is_none_or(|only| only == *cores)) {
        let mut tally = Tally::default();
        for normal in Instance::ALL_NORMAL {
            // What older callers see does not depend on the number of cores.
            if cores == 1 || Instance::NORMAL.contains(normal) {
                let setting = Setting { spmc: Spmc::Spm, normal: *normal, cores };
                tally.add(run(workspace, machine, &kit, &image, setting, matrix)?);
            }
        }
        tallies.push((cores, tally));
    }
    Ok(tallies)
}

/// Boots an image of the suite once, and waits for its end.
fn boot(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    image: &Image,
    setting: Setting,
) -> Result<Outcome> {
    let (seed, cores) = (random_seed()?, setting.cores);
    let version = setting.normal.version;
    println!(
        "\nConformance on {machine} with {cores} core(s), normal world {}, seed {seed:#018x}",
        setting.normal.name()
    );
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Test, flags: flags(setting), cores },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot
        .run(workspace, &format!("conformance-{cores}-{}", version.1), |_, _, _| Flow::Continue)
        .with_context(|| format!("{machine} could not be run"))?;
    outcome.finish();
    Ok(outcome)
}

/// What the client is told of a setting: the version to speak, and above it the SPMC.
fn flags(setting: Setting) -> u64 {
    let spmc = match setting.spmc {
        Spmc::Spm => 0,
        Spmc::El3 => 1 << 16,
    };
    u64::from(setting.normal.version.1) | spmc
}

/// Boots the suite once, and adds what it said to the matrix.
fn run(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    image: &Image,
    setting: Setting,
    matrix: &mut Matrix,
) -> Result<Tally> {
    let mut outcome = boot(workspace, machine, kit, image, setting)?;
    complain_of_strangers(setting, &mut outcome.transcript);
    matrix.add(&outcome.transcript);
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}

/// The cases that the tool knows have to be those that ran.
fn complain_of_strangers(setting: Setting, transcript: &mut Transcript) {
    let expected: BTreeSet<String> = setting.plan().map(|(_, case, at)| claim_name(case, at)).collect();
    let seen: BTreeSet<String> = transcript.claims.iter().map(|claim| claim.name.clone()).collect();
    let differences: Vec<String> = expected.symmetric_difference(&seen).cloned().collect();
    for name in differences {
        transcript.complain(format!("the image and the tool do not know the same cases: {name}"));
    }
}

/// Compares the documentation with all that was run.
///
/// # Errors
/// It cannot be read.
pub(super) fn check_document(workspace: &Workspace, matrix: &Matrix) -> Result<Tally> {
    println!("\n{}", matrix.to_text());
    document::check(workspace, matrix)
}

pub(super) use el3::check as check_el3_spmc;
pub(super) use matrix::Matrix as Results;
pub(super) use seeded::check as check_seeded_bugs;

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::partner::Partner;
    use conformance::suite::cases;
    use std::path::Path;

    #[test]
    fn names_are_unique_and_each_case_cites_and_runs_somewhere() {
        let mut names = BTreeSet::new();
        for case in cases() {
            assert!(!case.cites.is_empty() && !case.at.is_empty(), "{}", case.name);
            for at in case.at {
                assert!(names.insert(claim_name(case, *at)), "{}", claim_name(case, *at));
            }
        }
        assert!(names.len() > 300);
    }

    #[test]
    fn partners_are_those_of_the_description() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        for name in manifests::CONFORMANCE_PLATFORMS {
            let platform = manifests::Platform::load_set(&root, name, Set::Conformance).unwrap();
            assert_eq!(platform.partitions.len(), Partner::ALL.len());
            for (partition, partner) in platform.partitions.iter().zip(Partner::ALL) {
                assert_eq!(
                    (partition.name.as_str(), partition.id, partition.uuid, partition.contexts),
                    (partner.name(), partner.id(), partner.uuid(), u32::from(partner.contexts()))
                );
                let manifest = platform.sp_manifest(partition).unwrap().text;
                let version = u32::from(partner.version());
                assert!(manifest.contains(&format!("ffa-version = <{version:#x}>;")), "{manifest}");
                for uuid in partner.uuids() {
                    let cells: Vec<String> = uuid
                        .as_bytes()
                        .as_chunks::<4>()
                        .0
                        .iter()
                        .map(|word| format!("{:#x}", u32::from_le_bytes(*word)))
                        .collect();
                    assert!(manifest.contains(&cells.join(" ")), "{manifest}");
                }
                let receives = manifest.contains("notification-support;");
                assert_eq!(receives, partner.receives_notifications(), "{manifest}");
                let messaging = format!("messaging-method = <{:#x}>;", partner.messaging());
                assert!(manifest.contains(&messaging), "{manifest}");
            }
        }
    }
}
