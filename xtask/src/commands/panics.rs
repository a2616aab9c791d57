// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `panics`: no way from a handler to the panic machinery but those that are listed.

use crate::firmware::Image;
use crate::panics::SUBJECTS;
use crate::report::Tally;
use crate::setup::{self, needs::Purpose};
use crate::workspace::Workspace;
use crate::{firmware, panics};
use anyhow::{Context as _, Result};
use std::process::ExitCode;

pub(super) fn panics(workspace: &Workspace) -> Result<ExitCode> {
    let _lock = workspace.lock()?;
    setup::ensure(workspace, Purpose::Build)?;
    let platform = manifests::Platform::load(&workspace.root().join("manifests"), manifests::PLATFORMS[0])?;
    let images = firmware::build_secure(workspace, &platform)?;
    let tally = check(workspace, images.iter().map(|(name, image)| (name.as_str(), image)))?;
    println!("{tally}");
    Ok(if tally.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks all of the given images that have a list.
pub(super) fn check<'a>(
    workspace: &Workspace,
    images: impl Iterator<Item = (&'a str, &'a Image)> + Clone,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for subject in &SUBJECTS {
        let (_, image) = images
            .clone()
            .find(|(name, _)| *name == subject.name)
            .with_context(|| format!("{} is not among the images", subject.name))?;
        let data =
            std::fs::read(&image.elf).with_context(|| format!("cannot read {}", image.elf.display()))?;
        let report = subject.check(&data, &workspace.root().join(subject.list))?;
        print(subject, &report);
        tally.add(Tally::of(report.good()));
    }
    Ok(tally)
}

fn print(subject: &panics::Subject, report: &panics::Report) {
    let (all, reached) = report.functions;
    let mark = if report.good() { "ok  " } else { "FAIL" };
    println!(
        "    {mark} {}: {reached} of {all} functions are reached from its handlers; {} places of them may panic by \
         the code and are listed in {}, {} are not",
        subject.name,
        report.excused,
        subject.list,
        report.findings.len()
    );
    for finding in &report.findings {
        println!("{finding}");
    }
    for unused in &report.unused {
        println!("    {}: nothing is left of `{unused}`", subject.list);
    }
}
