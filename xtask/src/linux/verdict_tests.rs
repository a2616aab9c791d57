// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of [`super`]: a run that is good, and each way in which it can be bad.

use super::super::boot::Kvm;
use super::super::rules::{self, Rule};
use super::*;
use crate::platform::Machine;

const CONSOLE: &str = "\
WARNING: early
@partition 1 0x8001 aaaa
@partition 1 0x0000 00000000-0000-0000-0000-000000000000
@partition 2 0x0000 00000000-0000-0000-0000-000000000000
@partition 2 0x8001 aaaa
@log
<6>[    0.000000] hello
<4>[    0.100000] known trouble 7
@end
";

const RULES: &str =
    "must any hello\n r\nmay any WARNING: *\n r\nmay any known trouble *\n r\nnever any bye\n r\n";

fn rules() -> Vec<Rule> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules");
    std::fs::write(&file, RULES).unwrap();
    rules::read(&file, Machine::Virt, Kvm::Vhe).unwrap()
}

/// Judges a console's output, and returns what does not hold.
fn failures(console: &str, secure: &[&str], ended: Ended) -> Vec<String> {
    let mut transcript = Transcript::default();
    console.lines().for_each(|line| transcript.take(line));
    let secure: Vec<String> = secure.iter().map(|line| (*line).to_owned()).collect();
    let partitions = ["0x8001 aaaa".to_owned()];
    let evidence = Evidence { transcript: &transcript, secure: &secure, ended, partitions: &partitions };
    let findings = judge(&evidence, &rules());
    assert_eq!(findings.len(), 8);
    findings.into_iter().flat_map(|finding| finding.complaints).collect()
}

fn without(line: &str) -> String {
    assert!(CONSOLE.contains(line));
    CONSOLE.replacen(&format!("{line}\n"), "", 1)
}

#[test]
fn a_good_run_has_no_complaints() {
    assert_eq!(failures(CONSOLE, &[], Ended::Off), Vec::<String>::new());
}

#[test]
fn trouble_without_a_reason_fails() {
    let console = CONSOLE.replace("known trouble", "unknown trouble");
    assert_eq!(failures(&console, &[], Ended::Off), ["unknown trouble 7"]);
    let late = format!("{CONSOLE}[    9.0] late trouble\n");
    assert_eq!(failures(&late, &[], Ended::Off), ["late trouble"]);
}

#[test]
fn a_line_that_must_be_there_or_must_not_fails() {
    assert_eq!(failures(&without("<6>[    0.000000] hello"), &[], Ended::Off), ["missing; r"]);
    let console = CONSOLE.replace("@end", "<6>[    0.2] bye\n@end");
    assert_eq!(failures(&console, &[], Ended::Off), ["said: bye; r"]);
}

#[test]
fn every_round_lists_exactly_the_partitions() {
    assert_eq!(
        failures(&without("@partition 2 0x8001 aaaa"), &[], Ended::Off),
        ["0x8001 aaaa is not listed"]
    );
    let console = CONSOLE.replace("1 0x8001 aaaa", "1 0x8001 bbbb");
    let expected = ["0x8001 aaaa is not listed", "0x8001 bbbb is listed and should not be"];
    assert_eq!(failures(&console, &[], Ended::Off), expected);
    let twice = CONSOLE.replace("@log", "@partition 2 0x8001 aaaa\n@log");
    assert_eq!(failures(&twice, &[], Ended::Off), ["0x8001 aaaa is listed and should not be"]);
}

#[test]
fn a_run_that_does_not_come_to_its_end_fails() {
    assert_eq!(failures(&without("@end"), &[], Ended::Off), ["the log is cut off"]);
    let limit = failures(CONSOLE, &[], Ended::Limit(9));
    assert_eq!(limit, ["the machine was not done after 9 s and was switched off"]);
}

#[test]
fn a_word_of_the_secure_world_fails() {
    assert_eq!(failures(CONSOLE, &["spm: x: stopped"], Ended::Off), ["it says: spm: x: stopped"]);
}
