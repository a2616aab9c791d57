// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boots images on QEMU: which machine with which devices, and how a run is watched and ended.

mod loaded;
mod machine;
mod watch;

pub(crate) use loaded::Loaded;
pub(crate) use watch::{Console, Ended, Flow};

use crate::contract::{Line, Mailbox, Transcript};
use crate::image::Image;
use crate::platform::Machine;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;

/// How spm ends its last line when it lets no core go on; there is no end of the machine to wait for after it.
const SPM_STOPPED: &str = "stops here";
/// How long a stopped machine is watched on: what is not stopped would have spoken by then.
const AFTER_STOP: Duration = Duration::from_secs(2);

/// How a machine is started.
#[derive(Debug, Clone)]
pub(crate) struct Boot<'a> {
    /// Which machine.
    pub(crate) machine: Machine,
    /// What it boots.
    pub(crate) image: &'a Image,
    /// The description of its platform.
    pub(crate) platform: &'a manifests::Platform,
    /// What the client is told; its number of cores is the machine's.
    pub(crate) mailbox: Mailbox,
    /// Whether instructions are counted instead of time, so that two runs count alike.
    pub(crate) counted: bool,
    /// After how much time the machine is switched off.
    pub(crate) limit: Duration,
    /// More arguments of QEMU.
    pub(crate) extra: &'a [String],
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the client said.
    pub(crate) transcript: Transcript,
    /// How the machine ended.
    pub(crate) ended: Ended,
    /// The folder with the consoles' logs.
    pub(crate) dir: PathBuf,
}

impl Boot<'_> {
    /// Runs the machine until it switches itself off, its time is over, or `see` says that enough was seen.
    ///
    /// # Errors
    /// QEMU cannot be started or its logs cannot be read.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        name: &str,
        mut see: impl FnMut(Console, &str, Option<&Line>) -> Flow,
    ) -> Result<Outcome> {
        let dir = workspace.run_dir(&format!("{name}-{}", self.machine))?;
        let command = machine::command(self, &dir);
        let mut transcript = Transcript::default();
        let mut stopped = false;
        let ended = watch::watch(command, &dir, self.machine, self.limit, &mut |console, text| {
            let line = match console {
                Console::Normal => transcript.take(text),
                Console::Secure => None,
            };
            let flow = see(console, text, line.as_ref());
            if console == Console::Secure && text.ends_with(SPM_STOPPED) {
                stopped = true;
                return Flow::EndAfter(AFTER_STOP);
            }
            flow
        })?;
        Ok(Outcome { transcript, ended: if stopped { Ended::StoppedItself } else { ended }, dir })
    }
}

impl Outcome {
    /// Ends the client's conversation, which was to come to its end by switching the machine off.
    pub(crate) fn finish(&mut self) {
        if let Some(why) = self.ended.complaint() {
            self.transcript.complain(format!("{why}; logs: {}", self.dir.display()));
        }
        self.transcript.finish();
    }
}
