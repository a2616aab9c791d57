// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches a running machine: reads its consoles' logs line by line as they grow, and ends it in time.

use super::machine::consoles;
use crate::platform::Machine;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the logs are looked at.
const POLL: Duration = Duration::from_millis(20);
/// A line longer than this is cut: a machine that runs wild must not fill our memory.
const LONGEST_LINE: usize = 4096;
/// As much of all consoles is read; more is a machine that runs wild.
const MOST_BYTES: usize = 64 << 20;

/// Which world's console a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Console {
    /// The first serial port: TF-A's boot stages and the normal world.
    Normal,
    /// The others: spm and the partitions.
    Secure,
}

/// What the watcher wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Go on.
    Continue,
    /// Enough was seen: end the machine after this time, so that what comes after is seen too.
    EndAfter(Duration),
}

/// How a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It switched itself off.
    Off,
    /// QEMU failed.
    Failed(ExitStatus),
    /// Its time was over, in seconds.
    Limit(u64),
    /// It printed without end.
    Wild,
    /// The watcher had seen enough.
    Stopped,
    /// spm let no core go on.
    StoppedItself,
}

impl Ended {
    /// Returns what is wrong with the end, if anything.
    pub(crate) fn complaint(&self) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Failed(status) => Some(format!("QEMU ended with {status}")),
            Self::Limit(seconds) => {
                Some(format!("the machine was not done after {seconds} s and was switched off"))
            }
            Self::Wild => Some("the machine printed without end and was switched off".to_owned()),
            Self::StoppedItself => Some("spm stopped the machine".to_owned()),
            Self::Stopped => Some("the machine was switched off from outside".to_owned()),
        }
    }
}

/// Returns the log of a serial port; the first is the normal world's.
pub(super) fn log_of(dir: &Path, port: usize) -> PathBuf {
    match port {
        0 => dir.join("normal.log"),
        1 => dir.join("secure.log"),
        _ => dir.join(format!("secure-{port}.log")),
    }
}

/// Runs QEMU and hands each line of the consoles to `see`.
pub(super) fn watch(
    mut command: Command,
    dir: &Path,
    machine: Machine,
    limit: Duration,
    see: &mut dyn FnMut(Console, &str) -> Flow,
) -> Result<Ended> {
    let messages = File::create(dir.join("qemu.log"))?;
    std::fs::write(dir.join("command.txt"), format!("{command:?}\n"))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(messages.try_clone()?)
        .stderr(messages)
        .spawn()
        .context("cannot start QEMU; `cargo xtask doctor` says what is missing")?;
    let mut qemu = Qemu(child);
    let mut tails: Vec<Tail> = (0..consoles(machine)).map(|port| Tail::new(dir, port)).collect();
    let start = Instant::now();
    let mut end_at = None;
    loop {
        let status = qemu.0.try_wait()?;
        for tail in &mut tails {
            if let Flow::EndAfter(time) = tail.read(status.is_some(), see)? {
                end_at.get_or_insert(Instant::now() + time);
            }
        }
        if let Some(status) = status {
            return Ok(if status.success() { Ended::Off } else { Ended::Failed(status) });
        }
        if end_at.is_some_and(|at| Instant::now() >= at) {
            return Ok(Ended::Stopped);
        }
        if start.elapsed() >= limit {
            return Ok(Ended::Limit(limit.as_secs()));
        }
        if tails.iter().map(|tail| tail.taken).sum::<usize>() > MOST_BYTES {
            return Ok(Ended::Wild);
        }
        sleep(POLL);
    }
}

/// A running QEMU, which ends when this value goes.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // Nothing can be done about a process that cannot be ended; one that has ended is no error.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The end of a log that grows.
struct Tail {
    path: PathBuf,
    console: Console,
    file: Option<File>,
    rest: Vec<u8>,
    taken: usize,
}

impl Tail {
    fn new(dir: &Path, port: usize) -> Self {
        let console = if port == 0 { Console::Normal } else { Console::Secure };
        Self { path: log_of(dir, port), console, file: None, rest: Vec::new(), taken: 0 }
    }

    /// Hands over the lines that are complete, and with `all` what is left too.
    fn read(&mut self, all: bool, see: &mut dyn FnMut(Console, &str) -> Flow) -> Result<Flow> {
        if self.file.is_none() {
            // QEMU creates it a moment after it was started.
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            let room = u64::try_from(MOST_BYTES)?;
            self.taken += (&*file).take(room).read_to_end(&mut self.rest)?;
        }
        let mut flow = Flow::Continue;
        while let Some(line) = self.next_line(all) {
            if let Flow::EndAfter(time) = see(self.console, &line) {
                flow = Flow::EndAfter(time);
            }
        }
        Ok(flow)
    }

    fn next_line(&mut self, all: bool) -> Option<String> {
        let end = match self.rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None if self.rest.len() >= LONGEST_LINE || (all && !self.rest.is_empty()) => self.rest.len(),
            None => return None,
        };
        let line: Vec<u8> = self.rest.drain(..end).collect();
        Some(printable(&String::from_utf8_lossy(line.get(..LONGEST_LINE).unwrap_or(&line))))
    }
}

/// Returns a line without its end, and without anything that a terminal would obey.
fn printable(line: &str) -> String {
    line.trim_end_matches(['\r', '\n']).chars().filter(|c| *c == '\t' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        script: &str,
        limit: Duration,
        mut see: impl FnMut(Console, &str) -> Flow,
    ) -> (Ended, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.current_dir(dir.path()).args(["-c", script]);
        let mut lines = Vec::new();
        let ended = watch(command, dir.path(), Machine::Virt, limit, &mut |console, line| {
            lines.push(line.to_owned());
            see(console, line)
        });
        (ended.unwrap(), lines)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn all_lines_are_seen_even_one_without_an_end() {
        let (ended, lines) = run(
            "printf 'one\\r\\n\\033[2Jtw' > normal.log; sleep 0.1; printf 'o\\nthree' >> normal.log",
            LONG,
            |_, _| Flow::Continue,
        );
        assert_eq!(ended, Ended::Off);
        assert_eq!(lines, ["one", "[2Jtwo", "three"]);
    }

    #[test]
    fn a_machine_that_hangs_is_ended_at_its_limit() {
        let start = Instant::now();
        let (ended, _) = run("exec sleep 60", Duration::from_millis(200), |_, _| Flow::Continue);
        assert_eq!(ended, Ended::Limit(0));
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_failing_qemu_is_told_from_a_machine_that_switches_itself_off() {
        let (ended, _) = run("exit 3", LONG, |_, _| Flow::Continue);
        assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    }

    #[test]
    fn a_watcher_that_has_seen_enough_still_sees_what_comes_within_its_time() {
        let script = "echo stop > secure.log; sleep 0.1; echo late > normal.log; exec sleep 60";
        let (ended, lines) = run(script, LONG, |console, line| {
            if console == Console::Secure && line == "stop" {
                Flow::EndAfter(Duration::from_secs(1))
            } else {
                Flow::Continue
            }
        });
        assert_eq!(ended, Ended::Stopped);
        assert_eq!(lines, ["stop", "late"]);
    }
}
