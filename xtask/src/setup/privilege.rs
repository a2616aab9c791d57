// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may install packages: root, or whoever may use sudo.

use anyhow::{Result, bail};
use std::io::IsTerminal as _;
use std::process::{Command, Stdio};

/// How a command gets the right to change the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Privilege {
    /// This process is root.
    Root,
    /// Through sudo.
    Sudo,
}

impl Privilege {
    /// Finds out which way there is; sudo may ask for its password here, once, before logs hide it.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn obtain(by_hand: &str) -> Result<Self> {
        if is_root() {
            return Ok(Self::Root);
        }
        let mut ask = Command::new("sudo");
        if std::io::stdin().is_terminal() {
            ask.arg("-v");
        } else {
            ask.args(["-n", "true"]);
        }
        match ask.stderr(Stdio::inherit()).status() {
            Ok(status) if status.success() => Ok(Self::Sudo),
            _ => bail!(
                "Installing packages needs root or sudo. Run this as root, then start again:\n{by_hand}"
            ),
        }
    }

    /// Returns a command that runs `program` with the privilege.
    pub(super) fn command(self, program: &str) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
                command
            }
        }
    }
}

/// Returns whether this process is root.
pub(super) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
