// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tests that need no hardware: cargo's own, counted.

use crate::report::Tally;
use crate::step::Progress;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// What several cores do at once, in orders that the test chooses: only these tests can run with the feature.
const INTERLEAVINGS: [&str; 6] =
    ["--package", "spm-core", "--lib", "--features", "interleavings", "interleavings::"];

/// Runs all host tests but those of interleavings; those that fail are named.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    cargo_test(workspace, "host tests", "host-tests", &["--no-fail-fast"])
}

/// Runs the tests of interleavings.
pub(super) fn interleavings(workspace: &Workspace) -> Result<Tally> {
    cargo_test(workspace, "interleavings of cores", "interleavings", &INTERLEAVINGS)
}

fn cargo_test(workspace: &Workspace, title: &str, log: &str, arguments: &[&str]) -> Result<Tally> {
    let log = workspace.log(log)?;
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let progress = Progress::start(title);
    let mut child = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(workspace.root())
        .arg("test")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .context("cannot start cargo")?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        progress.tick();
        sleep(Duration::from_millis(100));
    };
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    let mut tally = count(&text);
    for name in failures(&text) {
        println!("    FAIL {name}");
    }
    if tally.failed == 0 && (!status.success() || tally.passed == 0) {
        // It did not compile, there are none, or a test ended the whole program.
        tally.failed = 1;
        for line in text.lines().filter(|line| line.starts_with("error")).take(10) {
            println!("    {line}");
        }
    }
    progress.done(&format!("{tally}; log: {}", log.display()));
    Ok(tally)
}

/// Adds up the lines in which each test program says how it went.
fn count(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let number = |what: &str| {
            let mut words = line.split([' ', ';']).filter(|word| !word.is_empty()).peekable();
            while let Some(word) = words.next() {
                if words.peek() == Some(&what) {
                    return word.parse().unwrap_or(0);
                }
            }
            0
        };
        tally.add(Tally { passed: number("passed"), failed: number("failed") });
    }
    tally
}

/// Returns the names of tests that failed.
fn failures(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_are_added_up() {
        let text = "running 2 tests\ntest a ... ok\ntest b::c ... FAILED\n\n\
            test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: ok. 40 passed; 0 failed; 1 ignored; 0 measured\nnot a test result: ok. 7 passed";
        assert_eq!(count(text), Tally { passed: 41, failed: 1 });
        assert_eq!(failures(text), ["b::c"]);
        assert_eq!(count("test result: nonsense passed; failed"), Tally::default());
    }
}
