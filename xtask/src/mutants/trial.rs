// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Running a test program until something fails: the tests of one module, then those that are likely to notice, then the rest.

use anyhow::{Context as _, Result};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Tests that run after each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Of the module that is changed.
    Module,
    /// Of all that stands on it: but for the SMMU's driver, whose tests take longest and have little to do with it.
    NotOfSmmu,
    /// Those of the driver.
    OfSmmu,
}

/// All of them in their order.
const STAGES: [Stage; 3] = [Stage::Module, Stage::NotOfSmmu, Stage::OfSmmu];

/// Values that a test by chance tries: some of those that it tries otherwise.
const CASES: &str = "32";
/// Kilobytes of memory that a test program can have.
const MEMORY: u64 = 4 << 20;
/// Whoever waits for ever takes no time of a processor.
const WAITED: u32 = 8;

/// What tests say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of them passed.
    Passed,
    /// This one failed, or the program ended in it.
    Failed(String),
    /// They do not come to an end.
    Endless,
}

/// How long the stages take where nothing is changed.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    stages: Vec<Duration>,
}

impl Limits {
    /// Measures it.
    ///
    /// # Errors
    /// The tests fail, or cannot be started.
    pub(crate) fn measure(program: &Path, module: &str) -> Result<Self> {
        let mut stages = Vec::new();
        for stage in STAGES {
            let start = Instant::now();
            let verdict = one(program, stage, module, Duration::from_secs(600))?;
            anyhow::ensure!(verdict == Verdict::Passed, "without any change: {verdict:?}");
            stages.push(start.elapsed());
        }
        Ok(Self { stages })
    }

    /// Returns what a stage may take of a processor.
    fn of(&self, stage: Stage) -> Duration {
        let place = STAGES.iter().position(|other| *other == stage).unwrap_or(0);
        self.stages.get(place).map_or(Duration::ZERO, |taken| *taken * 3 / 2) + Duration::from_secs(5)
    }
}

/// Runs all stages, up to the first that does not pass.
///
/// # Errors
/// The program cannot be started.
pub(crate) fn run(program: &Path, module: &str, limits: &Limits) -> Result<Verdict> {
    for stage in STAGES {
        let verdict = one(program, stage, module, limits.of(stage))?;
        if verdict != Verdict::Passed {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Passed)
}

fn one(program: &Path, stage: Stage, module: &str, limit: Duration) -> Result<Verdict> {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -t "$0" && ulimit -v "$1" && shift && exec "$@""#])
        .arg(limit.as_secs().max(1).to_string())
        .arg(MEMORY.to_string())
        .arg(program)
        .args(["--test-threads", "1"]);
    match stage {
        Stage::Module => _ = command.arg(format!("{module}::")),
        Stage::NotOfSmmu => _ = command.args(["--skip", "smmu::"]),
        Stage::OfSmmu => _ = command.arg("smmu::"),
    }
    command.env("PROPTEST_CASES", CASES).env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start the tests")?;
    let verdict = watch(&mut child, limit * WAITED);
    // Whatever it does now, nobody waits for it; it may be over.
    drop(child.kill());
    let status = child.wait()?;
    Ok(match verdict? {
        Seen::Failed(test) => Verdict::Failed(test),
        Seen::Silent => Verdict::Endless,
        Seen::Ended(None) if status.success() => Verdict::Passed,
        Seen::Ended(open) => {
            use std::os::unix::process::ExitStatusExt as _;
            match status.signal() {
                // SIGXCPU, or SIGKILL after it: the time is over.
                Some(24 | 9) => Verdict::Endless,
                _ => Verdict::Failed(open.unwrap_or_else(|| "the program".to_owned())),
            }
        }
    })
}

/// What was seen of a program's output.
enum Seen {
    Failed(String),
    /// It ended, within this test if one is named.
    Ended(Option<String>),
    Silent,
}

/// Reads lines until one says that a test failed.
fn watch(child: &mut Child, limit: Duration) -> Result<Seen> {
    let output = child.stdout.take().context("the tests have no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        // The last line may have no end: it names the test in which the program has ended.
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
            if sender.send(text).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + limit;
    let mut open = None;
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(test) = failed(&line) {
                    return Ok(Seen::Failed(test.to_owned()));
                }
                open = unfinished(&line).map(str::to_owned);
            }
            Err(RecvTimeoutError::Timeout) => return Ok(Seen::Silent),
            Err(RecvTimeoutError::Disconnected) => return Ok(Seen::Ended(open)),
        }
    }
}

/// Returns the test that a line says has failed.
fn failed(line: &str) -> Option<&str> {
    name(line.trim_end().strip_suffix(" ... FAILED")?)
}

/// Returns the test that a line names without saying what came of it.
fn unfinished(line: &str) -> Option<&str> {
    name(line.strip_suffix(" ... ")?)
}

fn name(text: &str) -> Option<&str> {
    // `test a::b - should panic ... FAILED`
    text.strip_prefix("test ")?.split(' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn judge(script: &str) -> Verdict {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("tests");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        one(&program, Stage::Module, "a", Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn the_first_failure_ends_it() {
        let fails =
            "echo 'running 2 tests'; echo 'test a::one ... ok'; echo 'test a::b - should panic ... FAILED'";
        assert_eq!(judge(&format!("{fails}; sleep 600")), Verdict::Failed("a::b".to_owned()));
        assert_eq!(judge("echo 'test a::b ... ok'"), Verdict::Passed);
        assert_eq!(judge("printf 'test a::b ... '; kill -ABRT $$"), Verdict::Failed("a::b".to_owned()));
        assert_eq!(judge("exit 3"), Verdict::Failed("the program".to_owned()));
    }

    #[test]
    fn what_does_not_end_is_ended() {
        assert_eq!(judge("printf 'test a::b ... '; while :; do :; done"), Verdict::Endless);
    }
}
