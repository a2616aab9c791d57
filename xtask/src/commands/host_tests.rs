// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tests that need no hardware: cargo's own, counted.

use crate::report::Tally;
use crate::step::Progress;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// What several cores do at once, in orders that the test chooses: only these tests can run with the feature.
const INTERLEAVINGS: [[&str; 6]; 2] = [
    ["--package", "spm-core", "--lib", "--features", "interleavings", "interleavings::"],
    ["--package", "iommu-core", "--lib", "--features", "interleavings", "interleavings"],
];

/// The model machine is compiled against a service that tells it of its accesses: apart from the others, with the fuzz target that
/// stands on it.
const MODEL: [&str; 6] = ["--package", "model", "--package", "fuzz", "--features", "fuzz/model"];

/// Runs all host tests but those of interleavings and of the model machine; those that fail are named.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    cargo_test(workspace, "host tests", "host-tests", &["--no-fail-fast"])
}

/// Runs the tests of interleavings.
pub(super) fn interleavings(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    for arguments in INTERLEAVINGS {
        let [_, package, ..] = arguments;
        let (title, log) =
            (format!("interleavings of cores in {package}"), format!("interleavings-{package}"));
        tally.add(cargo_test(workspace, &title, &log, &arguments)?);
    }
    Ok(tally)
}

/// Runs the tests of the model machine itself.
pub(super) fn model(workspace: &Workspace) -> Result<Tally> {
    cargo_test(workspace, "tests of the model machine", "model-tests", &MODEL)
}

fn cargo_test(workspace: &Workspace, title: &str, log: &str, arguments: &[&str]) -> Result<Tally> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace.root()).arg("test").args(arguments);
    finish(title, vec![Tests::start(workspace.log(log)?, &mut cargo)?])
}

/// Test programs that run, with what they print going to a log.
pub(super) struct Tests {
    child: Child,
    log: PathBuf,
}

impl Tests {
    /// Starts a command that runs test programs.
    ///
    /// # Errors
    /// The log cannot be written, or the command not be started.
    pub(super) fn start(log: PathBuf, command: &mut Command) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        Ok(Self { child, log })
    }

    /// Counts what the log says, and prints what failed.
    fn judge(&self, status: ExitStatus) -> Result<Tally> {
        let text = String::from_utf8_lossy(&std::fs::read(&self.log)?).into_owned();
        let mut tally = count(&text);
        for name in failures(&text) {
            println!("    FAIL {name}");
        }
        if tally.failed == 0 && (!status.success() || tally.passed == 0) {
            // It did not compile, there are none, or a test ended the whole program.
            tally.failed = 1;
            for line in text.lines().filter(|line| is_error(line)).take(10) {
                println!("    {line}");
            }
        }
        Ok(tally)
    }
}

/// Waits until all have ended; returns what they count together.
pub(super) fn finish(title: &str, mut running: Vec<Tests>) -> Result<Tally> {
    let progress = Progress::start(title);
    let mut total = Tally::default();
    let logs: Vec<String> = running.iter().map(|tests| tests.log.display().to_string()).collect();
    while !running.is_empty() {
        let mut at = 0;
        while let Some(tests) = running.get_mut(at) {
            match tests.child.try_wait()? {
                Some(status) => total.add(running.swap_remove(at).judge(status)?),
                None => at += 1,
            }
        }
        progress.tick();
        sleep(Duration::from_millis(100));
    }
    progress.done(&format!("{total}; log: {}", logs.join(", ")));
    Ok(total)
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

/// Tells whether a line is the compiler's word of an error, or Miri's, which follows on the name of the test that runs.
fn is_error(line: &str) -> bool {
    line.starts_with("error") || (line.starts_with("test ") && line.contains(" ... error: "))
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

    #[test]
    fn errors_are_told_from_what_tests_print() {
        assert!(is_error("error[E0432]: unresolved import"));
        assert!(is_error("error: memory leaked: alloc1 (Rust heap, size: 8, align: 8)"));
        assert!(is_error("test a::b ... error: Undefined Behavior: reading memory"));
        assert!(!is_error("test errors ... ok") && !is_error("an error: of others"));
    }

    #[test]
    fn a_program_that_ends_without_a_word_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let judged = |script: &str| {
            let log = dir.path().join("log");
            let tests = Tests::start(log, Command::new("sh").args(["-c", script])).unwrap();
            finish("try", vec![tests]).unwrap()
        };
        let good = "echo 'test result: ok. 3 passed; 0 failed'";
        assert_eq!(judged(good), Tally { passed: 3, failed: 0 });
        assert_eq!(
            judged(&format!("{good}; echo 'error: memory leaked' >&2; exit 1")),
            Tally { passed: 3, failed: 1 }
        );
        assert_eq!(judged("true"), Tally { passed: 0, failed: 1 });
    }
}
