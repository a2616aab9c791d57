// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `coverage`: which lines of spm and iommu-sp the tests on QEMU reach.

use super::{Prepared, prepare};
use crate::cli::Coverage;
use crate::contract::{Mailbox, Mode, random_seed};
use crate::coverage::{FileLines, Reached, arguments, lines, unreached_functions};
use crate::elf::{Code, Places};
use crate::image::{Image, Kit};
use crate::platform::Machine;
use crate::qemu::{Boot, Flow};
use crate::report;
use crate::setup::needs::Purpose;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use manifests::Set;
use std::collections::BTreeMap;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

/// With the log, the tests take longer.
const LIMIT: Duration = Duration::from_secs(600);
/// What is run: a set of partitions, with a number of cores, and the client's flags; those of the conformance suite say that
/// the normal world speaks FF-A 1.2.
const RUNS: [(Set, u64, u64); 4] =
    [(Set::Product, 1, 0), (Set::Product, 4, 0), (Set::Conformance, 1, 2), (Set::Conformance, 4, 2)];

/// An image, where it stands, and what of it was reached.
struct Subject {
    name: String,
    elf: Vec<u8>,
    base: u64,
    size: u64,
}

pub(super) fn coverage(workspace: &Workspace, arguments: &Coverage) -> Result<ExitCode> {
    let machine = arguments.machine;
    let mut spm_reached = Reached::default();
    let mut service_reached = Reached::default();
    let mut subjects = Vec::new();
    for (set, cores, flags) in RUNS {
        let Prepared { kit, images } =
            prepare(workspace, machine.platform(), set, Purpose::Run, None, &[None])?;
        let image = images.first().context("no image was built")?;
        let all = subjects_of(&kit)?;
        let ranges: Vec<Range<u64>> =
            all.iter().map(|subject| subject.base..subject.base + subject.size).collect();
        let log = workspace.scratch()?.join("in_asm.log");
        let mailbox = Mailbox { seed: random_seed()?, mode: Mode::Test, flags, cores };
        run(workspace, arguments.machine, &kit, image, mailbox, &ranges, &log)?;
        // Both are told apart by their addresses.
        spm_reached.add(&log)?;
        if set == Set::Product {
            service_reached.add(&log)?;
            subjects = all;
        }
        std::fs::remove_file(&log)?;
    }
    for subject in &subjects {
        let reached = if subject.name == "spm" { &spm_reached } else { &service_reached };
        print(subject, reached, arguments.functions)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns spm and, where the set has it, the service, each with its place.
fn subjects_of(kit: &Kit) -> Result<Vec<Subject>> {
    let read = |name: &str, image: &crate::firmware::Image, base: u64| -> Result<Subject> {
        let elf =
            std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
        Ok(Subject { name: name.to_owned(), elf, base, size: image.flat.memory_size })
    };
    let mut all = vec![read("spm", &kit.firmware.spm, kit.platform.memory.spm.base)?];
    if let Some(service) = kit.platform.iommu_partition() {
        let image = kit.firmware.partitions.iter().find(|(name, _)| *name == service.name);
        let (_, image) = image.context("the service was not compiled")?;
        all.push(read(&service.name, image, service.memory.base + manifests::IMAGE_OFFSET as u64)?);
    }
    Ok(all)
}

fn run(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    image: &Image,
    mailbox: Mailbox,
    ranges: &[Range<u64>],
    log: &std::path::Path,
) -> Result<()> {
    let extra = arguments(log, ranges);
    println!("Running on {machine} with {} core(s), seed {:#018x} ...", mailbox.cores, mailbox.seed);
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox,
        counted: false,
        limit: LIMIT,
        extra: &extra,
    };
    let mut outcome = boot.run(workspace, "coverage", |_, _, _| Flow::Continue)?;
    outcome.finish();
    let (passed, failed) = (outcome.transcript.passed(), outcome.transcript.failed());
    println!("  {passed} passed, {failed} failed");
    if passed == 0 {
        bail!("no test ran; logs: {}", outcome.dir.display());
    }
    Ok(())
}

fn print(subject: &Subject, reached: &Reached, functions: bool) -> Result<()> {
    let code = Code::read(&subject.elf)?;
    let places = Places::read(&subject.elf)?;
    let files = lines(&code, &places, subject.base, reached)?;
    if files.values().all(|file| file.reached.is_empty()) {
        bail!("{}: nothing was reached, so that its place must be wrong", subject.name);
    }
    println!("\n{}: lines that have instructions, and those that ran", subject.name);
    let mut rows = vec![["file", "lines", "ran", "%"].map(str::to_owned)];
    rows.extend(files.iter().map(|(name, file)| row(name, file)));
    rows.push(row("all", &total(&files)));
    print!("{}", report::table(&rows));
    let unreached = unreached_functions(&code, subject.base, reached);
    println!("{} of {} functions were not reached", unreached.len(), code.functions.len());
    if functions {
        for name in unreached {
            println!("    {name}");
        }
        for (name, file) in &files {
            let missing: Vec<String> = file.all.difference(&file.reached).map(u32::to_string).collect();
            if !missing.is_empty() {
                println!("    {name}: {}", missing.join(" "));
            }
        }
    }
    println!("({} instructions are in the log)", reached.len());
    Ok(())
}

fn row(name: &str, file: &FileLines) -> [String; 4] {
    let (all, ran) = (file.all.len(), file.reached.len());
    let percent = (ran * 100).checked_div(all).unwrap_or(100);
    [name.to_owned(), all.to_string(), ran.to_string(), percent.to_string()]
}

/// Counts the lines of all files; a line's number says nothing here.
fn total(files: &BTreeMap<String, FileLines>) -> FileLines {
    let mut total = FileLines::default();
    let mut next = 0;
    for file in files.values() {
        for line in &file.all {
            total.all.insert(next);
            if file.reached.contains(line) {
                total.reached.insert(next);
            }
            next += 1;
        }
    }
    total
}
