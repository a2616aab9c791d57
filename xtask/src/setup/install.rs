// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Installs Debian packages, QEMU from backports where the release's own is too old.

use super::apt::{self, Mirror, Target};
use super::needs::{Need, OLDEST_QEMU, QEMU_PACKAGE, version_in};
use super::privilege::{self, Privilege};
use crate::step;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::process::Command;

/// The one file that set-up adds to apt's configuration.
const BACKPORTS_FILE: &str = "/etc/apt/sources.list.d/sidguard-backports.sources";
/// Options of every call: do not hang on a dead mirror or on another apt, do not ask.
const OPTIONS: [&str; 6] =
    ["-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30", "-o", "DPkg::Lock::Timeout=300"];

/// A Debian release, as `/etc/os-release` names it.
#[derive(Debug, Clone)]
pub(crate) struct Debian {
    codename: String,
}

impl Debian {
    /// Recognises the system.
    ///
    /// # Errors
    /// It is not Debian.
    pub(crate) fn recognise() -> Result<Self> {
        let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim_matches('"').to_owned())
        };
        match (value("ID").as_deref(), value("VERSION_CODENAME")) {
            (Some("debian"), Some(codename)) => Ok(Self { codename }),
            (id, _) => bail!("this system is `{}`, not Debian", id.unwrap_or("unknown")),
        }
    }

    /// Returns the mirror of this release, by apt's own configuration.
    ///
    /// # Errors
    /// apt knows none.
    pub(crate) fn mirror(&self) -> Result<Mirror> {
        apt::mirror(&apt::targets()?, &self.codename).with_context(|| {
            format!(
                "apt knows no mirror of Debian {}; look at /etc/apt/sources.list.d, then run `apt-get update`",
                self.codename
            )
        })
    }

    fn backports(&self) -> String {
        format!("{}-backports", self.codename)
    }
}

/// Installs the packages of all needs in `missing`.
///
/// # Errors
/// The system is not Debian, there is no privilege, or apt fails; the message says what to do by hand.
pub(super) fn packages(workspace: &Workspace, missing: &[Need]) -> Result<()> {
    let debian = Debian::recognise().map_err(|why| {
        let list: Vec<String> = missing
            .iter()
            .map(|need| format!("  {} (on Debian: package {})", need.what, need.package))
            .collect();
        anyhow::anyhow!(
            "Set-up knows Debian only, and {why}. Please install this, then start again:\n{}",
            list.join("\n")
        )
    })?;
    let privilege = Privilege::obtain(&commands_by_hand(missing))?;
    let apt = Apt { workspace, privilege };
    apt.finish_interrupted()?;
    if apt::targets()?.is_empty() {
        apt.read_lists()?;
    }
    if missing.iter().any(|need| need.package == QEMU_PACKAGE) {
        apt.install_qemu(&debian)?;
    }
    let others: Vec<&str> =
        missing.iter().map(|need| need.package).filter(|package| *package != QEMU_PACKAGE).collect();
    if !others.is_empty() {
        apt.install("installing compilers and tools", &others)?;
    }
    Ok(())
}

/// Returns the command that installs one need.
pub(super) fn command_for(need: &Need) -> String {
    let sudo = if privilege::is_root() { "" } else { "sudo " };
    match (Debian::recognise(), need.package) {
        (Ok(debian), QEMU_PACKAGE) if candidate_is_too_old() => {
            let suite = debian.backports();
            let known = apt::targets().is_ok_and(|t| knows(&t, &suite));
            let install =
                format!("{sudo}apt-get install -y --no-install-recommends -t {suite} {QEMU_PACKAGE}");
            if known {
                install
            } else {
                format!("cargo xtask setup   (adds {suite} to apt, then: {install})")
            }
        }
        (Ok(_), package) => format!("{sudo}apt-get install -y --no-install-recommends {package}"),
        (Err(_), package) => format!("your system's package manager (Debian calls it {package})"),
    }
}

/// Returns the commands that install all of `missing`, one a line.
pub(crate) fn commands_by_hand(missing: &[Need]) -> String {
    let lines: Vec<String> = missing.iter().map(|need| format!("  {}", command_for(need))).collect();
    lines.join("\n")
}

struct Apt<'a> {
    workspace: &'a Workspace,
    privilege: Privilege,
}

impl Apt<'_> {
    fn run(&self, what: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.privilege.command("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(OPTIONS).args(arguments);
        step::run(what, &self.workspace.log("setup")?, &mut command)
    }

    /// Installs packages; lists that have become stale are read anew, once.
    fn install(&self, what: &str, arguments: &[&str]) -> Result<()> {
        let all = [&["install", "-y", "--no-install-recommends"], arguments].concat();
        if self.run(what, &all).is_ok() {
            return Ok(());
        }
        self.read_lists()?;
        self.run(what, &all)
    }

    /// Reads all package lists. One that cannot be read need not be one that we need: only if none was read is it an
    /// error here, else the installation will tell.
    fn read_lists(&self) -> Result<()> {
        match self.run("reading Debian's package lists", &["update"]) {
            Err(error) if apt::targets()?.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    fn install_qemu(&self, debian: &Debian) -> Result<()> {
        if !candidate_is_too_old() {
            return self.install("installing QEMU", &[QEMU_PACKAGE]);
        }
        let suite = debian.backports();
        if !knows(&apt::targets()?, &suite) {
            self.add_backports(&debian.mirror()?, &suite)?;
        }
        self.install("installing QEMU from backports", &["-t", &suite, QEMU_PACKAGE])
    }

    /// Writes [`BACKPORTS_FILE`] and reads the lists of that file only, so that no other source can fail here.
    fn add_backports(&self, mirror: &Mirror, suite: &str) -> Result<()> {
        let draft = self.workspace.cache().join("backports.sources");
        let text = format!(
            "# Written by `cargo xtask setup` of sidguard, for QEMU {}.{} or newer. May be deleted.\n{}",
            OLDEST_QEMU.0,
            OLDEST_QEMU.1,
            mirror.entry("deb", suite)
        );
        fs::write(&draft, text)?;
        let mut copy = self.privilege.command("install");
        copy.args(["-m", "0644"]).arg(&draft).arg(BACKPORTS_FILE);
        step::run("adding backports to apt", &self.workspace.log("setup")?, &mut copy)?;
        let only = format!("Dir::Etc::sourcelist={BACKPORTS_FILE}");
        let none = "Dir::Etc::sourceparts=-";
        self.run(
            "reading the list of backports",
            &[
                "update",
                "-o",
                &only,
                "-o",
                none,
                "-o",
                "APT::Get::List-Cleanup=0",
                "-o",
                "APT::Update::Error-Mode=any",
            ],
        )
    }

    /// Lets dpkg finish what an interrupted installation has left.
    fn finish_interrupted(&self) -> Result<()> {
        let audit = Command::new("dpkg").arg("--audit").output();
        if audit.is_ok_and(|output| output.stdout.is_empty()) {
            return Ok(());
        }
        let mut configure = self.privilege.command("dpkg");
        configure.env("DEBIAN_FRONTEND", "noninteractive").args(["--configure", "-a"]);
        step::run("finishing an interrupted installation", &self.workspace.log("setup")?, &mut configure)
    }
}

fn knows(targets: &[Target], suite: &str) -> bool {
    targets.iter().any(|target| target.codename == suite)
}

/// Returns whether the QEMU that apt would install by itself is older than needed.
fn candidate_is_too_old() -> bool {
    let output = Command::new("apt-cache").args(["policy", QEMU_PACKAGE]).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let candidate = text.lines().find_map(|line| line.trim().strip_prefix("Candidate:")).unwrap_or_default();
    // A Debian version may begin with an epoch, which is no part of QEMU's own.
    let upstream = candidate.rsplit(':').next().unwrap_or(candidate);
    version_in(upstream).is_none_or(|version| version < OLDEST_QEMU)
}
