// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A boot of an spm that one call makes fail, and one of an spm that is to fail with a partition: it must say where or why, and let
//! no core go on that calls it.

use super::{Prepared, prepare};
use crate::contract::{Mailbox, Mode, random_seed};
use crate::firmware::Broken;
use crate::image::variant::Change;
use crate::image::{Image, Kit};
use crate::panics::SUBJECTS;
use crate::platform::Machine;
use crate::qemu::{Boot, Console, Ended, Flow};
use crate::report::Tally;
use crate::setup::needs::Purpose;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use manifests::Set;
use std::time::Duration;

/// A boot is done within this time, also on a machine under load.
const LIMIT: Duration = Duration::from_secs(120);
/// One core makes spm fail, another one calls it afterwards.
const CORES: u64 = 2;

/// What both consoles said.
#[derive(Debug, Default)]
struct Seen {
    /// spm's report, with file and line.
    report: Option<String>,
    /// The core that makes spm fail was about to.
    fails: bool,
    /// The other core was about to call spm.
    calls: bool,
    /// Lines of cores that went on.
    went_on: Vec<String>,
}

impl Seen {
    fn see(&mut self, console: Console, line: &str) {
        match console {
            Console::Secure if line.contains("FAILED:") => self.report = Some(line.to_owned()),
            Console::Secure => {}
            Console::Normal => {
                self.fails |= line == "crash: core 0 makes spm fail";
                self.calls |= line == "crash: core 1 enters spm";
                if line.starts_with("crash: core ") && line.contains("goes on") {
                    self.went_on.push(line.to_owned());
                }
            }
        }
    }

    /// Returns each claim and whether it holds; `says_why` judges what spm reports.
    fn claims(&self, ended: Ended, says_why: fn(&str) -> bool) -> [(String, bool); 3] {
        let report = self.report.as_deref().unwrap_or_default();
        [
            (format!("spm says why it failed: `{report}`"), says_why(report)),
            (
                "the core that made spm fail does not go on".to_owned(),
                self.fails && self.went_on.iter().all(|line| !line.contains("core 0")),
            ),
            (
                "another core stops when it next calls spm, and the machine stands still".to_owned(),
                self.calls && self.went_on.is_empty() && ended == Ended::StoppedItself,
            ),
        ]
    }
}

/// Tells whether a report names the place: "spm: core 0 FAILED: words at spm/src/panic.rs:12".
fn names_place(report: &str) -> bool {
    report.rsplit_once("panic.rs:").is_some_and(|(before, line)| {
        before.starts_with("spm: core 0 FAILED:") && line.parse::<u32>().is_ok()
    })
}

/// Tells whether a report names the partition that spm fails with.
fn names_partition(report: &str) -> bool {
    report == "spm: core 0 FAILED: test-sp aborted, and its abort-action is to propagate"
}

/// Boots an spm that is to fail with a partition that aborts, and looks what becomes of the machine.
pub(super) fn check_propagation(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let change = Some(Change::Propagates);
    let Prepared { kit, images } =
        prepare(workspace, machine.platform(), Set::Product, Purpose::Run, None, &[change])?;
    println!("\nA partition that spm fails with on {machine}");
    boot(workspace, machine, &kit, &images, WITH_PARTITION, names_partition)
}

/// Flag of the mailbox: a partition aborts, whose manifest has spm fail with it.
const WITH_PARTITION: u64 = 1;

/// Boots it and looks what becomes of the machine; and looks whether the way to the failure is seen in the image.
pub(super) fn check(workspace: &Workspace, machine: Machine) -> Result<Tally> {
    let broken = Some(Broken::SpmPanic);
    let Prepared { kit, images } =
        prepare(workspace, machine.platform(), Set::Product, Purpose::Run, broken, &[None])?;
    println!("\nA failure of spm on {machine}");
    let mut tally = boot(workspace, machine, &kit, &images, 0, names_place)?;
    let found = is_found(workspace, &kit)?;
    println!(
        "    {} {machine}: the way to the failure is found in the image",
        if found { "ok  " } else { "FAIL" }
    );
    tally.add(Tally::of(found));
    Ok(tally)
}

/// Boots the first image, and judges what is said.
fn boot(
    workspace: &Workspace,
    machine: Machine,
    kit: &Kit,
    images: &[Image],
    flags: u64,
    says_why: fn(&str) -> bool,
) -> Result<Tally> {
    let image = images.first().context("no image was built")?;
    let boot = Boot {
        machine,
        image,
        platform: &kit.platform,
        mailbox: Mailbox { seed: random_seed()?, mode: Mode::Crash, flags, cores: CORES },
        counted: false,
        limit: LIMIT,
        extra: &[],
    };
    let mut seen = Seen::default();
    let outcome = boot.run(workspace, "crash", |console, line, _| {
        seen.see(console, line);
        Flow::Continue
    })?;
    let mut tally = Tally::default();
    for (claim, holds) in seen.claims(outcome.ended, says_why) {
        println!("    {} {machine}: {claim}", if holds { "ok  " } else { "FAIL" });
        tally.add(Tally::of(holds));
    }
    if !tally.good() {
        println!("         logs: {}", outcome.dir.display());
    }
    Ok(tally)
}

/// Returns whether the search for panics finds the one that this image has on purpose, and no other.
fn is_found(workspace: &Workspace, kit: &Kit) -> Result<bool> {
    let elf = &kit.firmware.spm.elf;
    let data = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let subject = SUBJECTS.iter().find(|subject| subject.name == "spm").context("spm has no list")?;
    let report = subject.check(&data, &workspace.root().join(subject.list))?;
    for finding in &report.findings {
        println!("    found: {finding}");
    }
    Ok(matches!(report.findings.as_slice(), [finding] if finding.to_string().contains("fail_on_purpose")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "spm: core 0 FAILED: MADE TO FAIL ON PURPOSE at spm/src/panic.rs:80";

    fn seen(lines: &[(Console, &str)], ended: Ended) -> [bool; 3] {
        let mut seen = Seen::default();
        for (console, line) in lines {
            seen.see(*console, line);
        }
        seen.claims(ended, names_place).map(|(_, holds)| holds)
    }

    #[test]
    fn a_machine_that_stands_still_and_says_why_is_told_from_others() {
        let (first, second) = ("crash: core 0 makes spm fail", "crash: core 1 enters spm");
        let good = [(Console::Normal, first), (Console::Secure, REPORT), (Console::Normal, second)];
        assert_eq!(seen(&good, Ended::StoppedItself), [true; 3]);
        assert_eq!(seen(&good, Ended::Off), [true, true, false]);
        assert_eq!(seen(&good[..2], Ended::StoppedItself), [true, true, false]);
        assert_eq!(seen(&good[2..], Ended::StoppedItself), [false, false, true]);
        let on = |core: &'static str| [good.as_slice(), &[(Console::Normal, core)]].concat();
        assert_eq!(seen(&on("crash: core 0 goes on with 0x1"), Ended::StoppedItself), [true, false, false]);
        assert_eq!(seen(&on("crash: core 1 goes on with 0x1"), Ended::StoppedItself), [true, true, false]);
        let silent = [(Console::Normal, first), (Console::Secure, "spm: core 0 FAILED: words")];
        assert!(!seen(&silent, Ended::StoppedItself)[0]);
    }
}
