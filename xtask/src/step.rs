// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One step that runs another program: its output goes to a log file, the person sees a line with the time it takes.

use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(50);
/// After how much time a step says for the first time that it runs where the output is no terminal: short ones say only
/// that they are done.
const FIRST_WORD: Duration = Duration::from_secs(3);
/// How often a step says that it still runs where the output is no terminal.
const REMINDER: Duration = Duration::from_secs(20);
/// No step that builds or downloads takes this long on a machine that works.
const LIMIT: Duration = Duration::from_secs(20 * 60);
/// Lines of a failed step's log that are shown.
const TAIL: usize = 25;

/// Runs `command` to its end, with its output appended to `log`.
///
/// # Errors
/// The program cannot be started, fails, or runs longer than any step may; the message shows the end of the log and
/// names it.
pub(crate) fn run(what: &str, log: &Path, command: &mut Command) -> Result<()> {
    start(what, log, command, None)
}

/// Does the same as [`run`], but returns what the program writes to its standard output.
///
/// # Errors
/// As for [`run`].
pub(crate) fn output_of(what: &str, log: &Path, command: &mut Command) -> Result<String> {
    let mut output = tempfile::tempfile().context("cannot create a temporary file")?;
    start(what, log, command, Some(&output))?;
    let mut bytes = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn start(what: &str, log: &Path, command: &mut Command, stdout: Option<&File>) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(log).with_context(|| {
        format!("cannot write the log {}; is the folder writable and the disk not full?", log.display())
    })?;
    writeln!(file, "\n== {what}\n== {command:?}")?;
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(stdout.unwrap_or(&file).try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start `{program}`; `cargo xtask doctor` says what is missing"))?;
    let progress = Progress::start(what);
    let status = wait(child, &progress)?;
    match status {
        Some(status) if status.success() => {
            progress.done("done");
            Ok(())
        }
        Some(status) => {
            progress.done("FAILED");
            bail!("{what}: `{program}` failed ({status}).\n{}", tail(log))
        }
        None => {
            progress.done("FAILED");
            bail!(
                "{what}: `{program}` took more than {} minutes and was ended.\n{}",
                LIMIT.as_secs() / 60,
                tail(log)
            )
        }
    }
}

/// Waits for a child within [`LIMIT`]; `None` means that it was killed.
fn wait(mut child: Child, progress: &Progress) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if progress.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        progress.tick();
        sleep(POLL);
    }
}

/// Returns the last lines of a log, and where it lies.
fn tail(log: &Path) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    let mut out = String::new();
    for line in lines.iter().skip(from) {
        out.push_str("  | ");
        out.push_str(line);
        out.push('\n');
    }
    out.push_str(&format!("Full log: {}", log.display()));
    out
}

/// A line that tells how long a step has been running.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    since: Instant,
    terminal: bool,
    told: std::cell::Cell<Duration>,
}

impl Progress {
    /// Starts the clock and names the step.
    pub(crate) fn start(what: &str) -> Self {
        let progress = Self {
            what: what.to_owned(),
            since: Instant::now(),
            terminal: std::io::stdout().is_terminal(),
            told: std::cell::Cell::new(Duration::ZERO),
        };
        if progress.terminal {
            progress.line("...", false);
        }
        progress
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Says now and then that the step still runs.
    pub(crate) fn tick(&self) {
        let every = match (self.terminal, self.told.get()) {
            (true, _) => Duration::from_secs(1),
            (false, Duration::ZERO) => FIRST_WORD,
            (false, _) => REMINDER,
        };
        let elapsed = self.elapsed();
        if elapsed.saturating_sub(self.told.get()) >= every {
            self.told.set(elapsed);
            self.line("...", !self.terminal);
        }
    }

    /// Ends the line with the outcome.
    pub(crate) fn done(&self, outcome: &str) {
        self.line(outcome, true);
    }

    fn line(&self, outcome: &str, ended: bool) {
        let start = if self.terminal { "\r" } else { "" };
        let end = if ended { "\n" } else { "" };
        let mut out = std::io::stdout().lock();
        // A closed standard output is no reason to stop a build.
        drop(write!(out, "{start}  [{:4}s] {} {outcome}{end}", self.elapsed().as_secs(), self.what));
        drop(out.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_step_shows_its_output_and_names_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("x.log");
        let error = run("try", &log, Command::new("sh").args(["-c", "echo why >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("| why"), "{error}");
        assert!(error.contains(&log.display().to_string()), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_points_to_doctor() {
        let dir = tempfile::tempdir().unwrap();
        let error =
            run("try", &dir.path().join("x.log"), &mut Command::new("no-such-program-here")).unwrap_err();
        assert!(format!("{error:#}").contains("doctor"));
    }
}
