// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether a run was good: each finding is one thing that had to hold, with what speaks against it.

use super::rules::{Rule, Verb};
use super::transcript::Transcript;
use crate::qemu::Ended;

/// What the first process prints for each partition that the driver lists: round, ID, UUID.
const PARTITION: &str = "@partition ";
/// How often the driver is loaded.
const ROUNDS: [u32; 2] = [1, 2];
/// The driver lists itself too, by the ID that it was given and without a service (Linux 7.2,
/// drivers/firmware/arm_ffa/driver.c).
const DRIVER_ITSELF: &str = "0x0000 00000000-0000-0000-0000-000000000000";
/// More complaints of one kind tell nothing new.
const SHOWN: usize = 10;

/// One thing that had to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What had to hold.
    pub(crate) what: String,
    /// What speaks against it; nothing, if it held.
    pub(crate) complaints: Vec<String>,
}

/// What a run left.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    /// The normal world's console.
    pub(super) transcript: &'a Transcript,
    /// What the secure world printed after it had said that it is ready.
    pub(super) secure: &'a [String],
    /// How the machine ended.
    pub(super) ended: Ended,
    /// Partitions that the driver has to find, as ID and UUID.
    pub(super) partitions: &'a [String],
}

/// Judges a run by the rules that hold for it.
pub(super) fn judge(evidence: &Evidence<'_>, rules: &[Rule]) -> Vec<Finding> {
    let mut findings = vec![
        finding("the machine switches itself off", evidence.ended.complaint()),
        finding(
            "the first process prints the kernel's log to its end",
            (!evidence.transcript.is_whole()).then(|| "the log is cut off".to_owned()),
        ),
        finding(
            "the secure world has nothing to say while Linux runs",
            evidence.secure.iter().map(|line| format!("it says: {line}")),
        ),
    ];
    for round in ROUNDS {
        let what = format!("the driver lists the partitions of the manifests and no others, round {round}");
        findings.push(finding(&what, partitions(evidence, round)));
    }
    findings.extend(rules.iter().filter_map(|rule| apply(rule, evidence.transcript)));
    findings
        .push(finding("no warning and no error without a reason", unexplained(evidence.transcript, rules)));
    findings
}

fn finding(what: &str, complaints: impl IntoIterator<Item = String>) -> Finding {
    Finding { what: what.to_owned(), complaints: complaints.into_iter().take(SHOWN).collect() }
}

/// Compares what the driver has listed in one round with what there is.
fn partitions(evidence: &Evidence<'_>, round: u32) -> Vec<String> {
    let round = format!("{round} ");
    let mut listed: Vec<&str> =
        evidence.transcript.words_after(PARTITION).filter_map(|words| words.strip_prefix(&round)).collect();
    let mut complaints = Vec::new();
    for partition in evidence.partitions.iter().map(String::as_str).chain([DRIVER_ITSELF]) {
        match listed.iter().position(|other| *other == partition) {
            Some(place) => drop(listed.swap_remove(place)),
            None => complaints.push(format!("{partition} is not listed")),
        }
    }
    complaints.extend(listed.iter().map(|other| format!("{other} is listed and should not be")));
    complaints
}

fn apply(rule: &Rule, transcript: &Transcript) -> Option<Finding> {
    let mut alike = transcript.lines.iter().filter(|line| rule.is_about(&line.text));
    match rule.verb {
        Verb::May => None,
        Verb::Must => {
            let missing = alike.next().is_none().then(|| format!("missing; {}", rule.reason));
            Some(finding(&format!("a line says `{}`", rule.pattern), missing))
        }
        Verb::Never => {
            let said = alike.map(|line| format!("said: {}; {}", line.text, rule.reason));
            Some(finding(&format!("no line says `{}`", rule.pattern), said))
        }
    }
}

/// Returns all trouble that no rule is about.
fn unexplained(transcript: &Transcript, rules: &[Rule]) -> Vec<String> {
    let explained = |text: &str| rules.iter().any(|rule| rule.verb != Verb::Never && rule.is_about(text));
    let troubles = transcript.lines.iter().filter(|line| line.trouble && !explained(&line.text));
    troubles.map(|line| line.text.clone()).collect()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
