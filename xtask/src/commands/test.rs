// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `test`: every test there is, and one line at the end that counts them all.

use super::{
    Prepared, attack, conformance, contention, crash, el3, host_tests, hypervisor, linux, model, panics,
    prepare, refusals, restart, stage1,
};
use crate::cli::Test;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::firmware::Broken;
use crate::image::variant::Change;
use crate::image::{Image, Kit};
use crate::linux::{CORES as CORES_OF_LINUX, Kvm};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow};
use crate::report::{self, Tally, print_failures};
use crate::setup::{self, needs::Purpose};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use manifests::Set;
use std::process::ExitCode;
use std::time::Duration;

/// The scenarios take seconds; on a machine under load they may take this long.
const LIMIT: Duration = Duration::from_secs(300);
/// Numbers of cores that everything is run with.
const CORES: [u64; 2] = [1, 4];

pub(super) fn test(workspace: &Workspace, arguments: &Test) -> Result<ExitCode> {
    let lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Run)?;
    drop(lock);
    let mut groups = Groups::default();
    groups.add("host tests", host_tests::run(workspace));
    groups.add("interleavings of cores", host_tests::interleavings(workspace));
    groups.add("tests of the model machine", host_tests::model(workspace));
    groups.add("model machine", model::check(workspace));
    groups.add("bugs that are seeded into iommu-sp", model::check_seeded_bugs(workspace));
    let mut results = conformance::Results::default();
    for machine in Machine::ALL {
        if arguments.machine.is_none_or(|only| only == machine) {
            on_machine(workspace, machine, arguments.smp, &mut groups);
            conformance_on_machine(workspace, machine, arguments.smp, &mut results, &mut groups);
            if arguments.smp.is_none_or(|only| only == CORES_OF_LINUX) {
                linux_on(workspace, machine, &mut groups);
            }
        }
    }
    if arguments.machine.is_none_or(|only| only == Machine::Virt)
        && arguments.smp.is_none_or(|only| only == 1)
    {
        groups.add("bugs that are seeded into spm", conformance::check_seeded_bugs(workspace));
        groups.add("conformance of TF-A's SPMC at EL3", conformance::check_el3_spmc(workspace));
    }
    if arguments.machine.is_none_or(|only| only == contention::MACHINE)
        && arguments.smp.is_none_or(|only| only == contention::CORES)
    {
        groups.add("locks on the way of direct messages", contention::check(workspace));
        groups.add("locks on the way of map and unmap", contention::check_service(workspace));
    }
    if arguments.machine.is_none() && arguments.smp.is_none() {
        groups.add("docs/conformance.md", conformance::check_document(workspace, &results));
    }
    println!();
    print!("{}", report::table(&groups.rows));
    println!("\nLogs: {}", workspace.cache().display());
    println!("{}", groups.total);
    Ok(if groups.total.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Groups of tests with their tallies.
struct Groups {
    rows: Vec<[String; 3]>,
    total: Tally,
}

impl Default for Groups {
    fn default() -> Self {
        let heading = ["tests", "passed", "failed"].map(str::to_owned);
        Self { rows: vec![heading], total: Tally::default() }
    }
}

impl Groups {
    /// Adds a group; one that could not be run has failed.
    fn add(&mut self, name: &str, tally: Result<Tally>) {
        let tally = tally.unwrap_or_else(|error| {
            println!("    FAIL {name}: {error:#}");
            Tally::of(false)
        });
        self.rows.push([name.to_owned(), tally.passed.to_string(), tally.failed.to_string()]);
        self.total.add(tally);
    }
}

fn on_machine(workspace: &Workspace, machine: Machine, smp: Option<u64>, groups: &mut Groups) {
    let changes: Vec<Option<Change>> =
        std::iter::once(None).chain(refusals::ALL.iter().map(|refusal| Some(refusal.change))).collect();
    let prepared = match prepare(workspace, machine.platform(), Set::Product, Purpose::Run, None, &changes) {
        Ok(prepared) => prepared,
        Err(error) => return groups.add(&format!("images of {machine}"), Err(error)),
    };
    let Prepared { kit, images } = &prepared;
    groups.add(&format!("what is in the images of {machine}"), contents(workspace, kit));
    let Some((good, damaged)) = images.split_first() else { return };
    for cores in CORES {
        if smp.is_none_or(|only| only == cores) {
            let name = format!("scenarios on {machine} with {cores} core(s)");
            groups.add(&name, scenarios(workspace, machine, kit, good, cores));
            let name = format!("a hypervisor on {machine} with {cores} core(s)");
            groups.add(&name, hypervisor::check(workspace, machine, cores));
            let name = format!("a service that aborts on {machine} with {cores} core(s)");
            groups.add(&name, restart::check(workspace, machine, cores));
        }
    }
    // One core says nothing that four do not; `cargo xtask el3` has both.
    let [.., cores] = CORES;
    if smp.is_none_or(|only| only == cores) {
        let name = format!("iommu-sp under TF-A's SPMC on {machine} with {cores} core(s)");
        groups.add(&name, el3::check(workspace, machine, cores));
    }
    if machine == stage1::MACHINE && smp.is_none_or(|only| only == stage1::CORES) {
        groups.add(&format!("an SMMU with stage 1 alone on {machine}"), stage1::check(workspace, kit, good));
    }
    groups.add(&format!("one iommu-sp for two managers on {machine}"), el3::check_code(workspace, machine));
    let name = format!("many cores under TF-A's SPMC on {machine}");
    groups.add(&name, el3::check_many_cores(workspace, machine));
    let name = format!("a damaged image under TF-A's SPMC on {machine}");
    groups.add(&name, el3::check_damaged(workspace, machine));
    if smp.is_none_or(|only| only == attack::CORES) {
        groups.add(&format!("attacks on {machine}"), attack::check(workspace, machine));
    }
    println!("\nDamaged images on {machine}");
    let refused =
        refusals::ALL.iter().zip(damaged).try_fold(Tally::default(), |mut tally, (refusal, image)| {
            tally.add(refusal.check(workspace, machine, kit, image)?);
            Ok(tally)
        });
    groups.add(&format!("damaged images on {machine}"), refused);
    groups.add(&format!("a failure of spm on {machine}"), crash::check(workspace, machine));
    let name = format!("a partition that spm fails with on {machine}");
    groups.add(&name, crash::check_propagation(workspace, machine));
}

fn conformance_on_machine(
    workspace: &Workspace,
    machine: Machine,
    smp: Option<u64>,
    results: &mut conformance::Results,
    groups: &mut Groups,
) {
    match conformance::on_machine(workspace, machine, smp, results) {
        Ok(tallies) => {
            for (cores, tally) in tallies {
                groups.add(&format!("conformance on {machine} with {cores} core(s)"), Ok(tally));
            }
        }
        Err(error) => groups.add(&format!("conformance on {machine}"), Err(error)),
    }
}

/// Boots Linux in each mode of KVM.
fn linux_on(workspace: &Workspace, machine: Machine, groups: &mut Groups) {
    let prepared = match linux::prepare(workspace, machine) {
        Ok(prepared) => prepared,
        Err(error) => return groups.add(&format!("Linux for {machine}"), Err(error)),
    };
    for kvm in Kvm::value_variants() {
        let name = format!("Linux on {machine}, KVM {}", kvm.name());
        groups.add(&name, prepared.boot(workspace, *kvm, false));
    }
}

fn scenarios(workspace: &Workspace, machine: Machine, kit: &Kit, image: &Image, cores: u64) -> Result<Tally> {
    let seed = random_seed()?;
    println!("\nScenarios on {machine} with {cores} core(s), seed {seed:#018x}");
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed, mode: Mode::Test, flags: 0, cores },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut outcome = boot
        .run(workspace, &format!("test-{cores}"), |_, _, _| Flow::Continue)
        .with_context(|| format!("{machine} could not be run"))?;
    outcome.finish();
    print_failures(&outcome.transcript);
    let tally = Tally::of_run(&outcome.transcript);
    println!("    {tally}; logs: {}", outcome.dir.display());
    Ok(tally)
}

/// Checks that no image has a feature that breaks it on purpose, and that none can be made to panic.
fn contents(workspace: &Workspace, kit: &Kit) -> Result<Tally> {
    let spm = [("spm", &kit.firmware.spm)];
    let partitions = kit.firmware.partitions.iter().map(|(name, image)| (name.as_str(), image));
    let images = spm.into_iter().chain(partitions);
    let mut tally = panics::check(workspace, images.clone())?;
    for (name, image) in images {
        for broken in Broken::value_variants() {
            let clean = !broken.marks(image);
            if !clean {
                println!("    FAIL {name} was compiled with {}", broken.feature());
            }
            tally.add(Tally::of(clean));
        }
    }
    Ok(tally)
}
