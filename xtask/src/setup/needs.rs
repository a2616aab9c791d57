// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a machine must have, how to see whether it has it, and which Debian package brings it.

use std::process::{Command, Stdio};

/// The oldest QEMU whose SMMUv3 has stage 2 and whose `max` CPU boots the chain.
pub(crate) const OLDEST_QEMU: (u32, u32) = (10, 0);

/// What a person wants to do; each needs everything of the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Build firmware images.
    Build,
    /// Boot them on QEMU.
    Run,
    /// Check format and lints as well.
    Develop,
}

/// One thing that must be there.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// What a person calls it.
    pub(crate) what: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    purpose: Purpose,
    probe: Probe,
}

/// How to see that a need is met.
#[derive(Debug, Clone, Copy)]
enum Probe {
    /// A program that answers `--version`.
    Program(&'static str),
    /// QEMU for Arm, at least [`OLDEST_QEMU`].
    Qemu,
    /// A C header that the host's compiler finds.
    Header(&'static str),
}

const ALL: [Need; 10] = [
    need("C compiler for this machine", "gcc", Probe::Program("cc")),
    need("headers of OpenSSL and libc", "libssl-dev", Probe::Header("openssl/sha.h")),
    need("C compiler for AArch64", "gcc-aarch64-linux-gnu", Probe::Program("aarch64-linux-gnu-gcc")),
    need("make", "make", Probe::Program("make")),
    need("device tree compiler", "device-tree-compiler", Probe::Program("dtc")),
    need("Python 3", "python3", Probe::Program("python3")),
    need("patch", "patch", Probe::Program("patch")),
    need("xz", "xz-utils", Probe::Program("xz")),
    Need { what: "setpriv", package: "util-linux", purpose: Purpose::Run, probe: Probe::Program("setpriv") },
    Need {
        what: "QEMU for Arm, 10.0 or newer",
        package: QEMU_PACKAGE,
        purpose: Purpose::Run,
        probe: Probe::Qemu,
    },
];

/// The package of QEMU, which is the one that may have to come from backports.
pub(crate) const QEMU_PACKAGE: &str = "qemu-system-arm";

const fn need(what: &'static str, package: &'static str, probe: Probe) -> Need {
    Need { what, package, purpose: Purpose::Build, probe }
}

/// Returns all needs of a purpose.
pub(crate) fn all(purpose: Purpose) -> impl Iterator<Item = Need> {
    ALL.into_iter().filter(move |need| need.purpose <= purpose)
}

/// Returns the needs of a purpose that are not met.
pub(crate) fn missing(purpose: Purpose) -> Vec<Need> {
    all(purpose).filter(|need| need.check().is_err()).collect()
}

impl Need {
    /// Looks whether the need is met.
    ///
    /// # Errors
    /// It is not; the text says why.
    pub(crate) fn check(&self) -> Result<String, String> {
        match self.probe {
            Probe::Program(name) => first_line_of_version(name),
            Probe::Qemu => {
                let line = first_line_of_version("qemu-system-aarch64")?;
                match version_in(&line) {
                    Some(version) if version >= OLDEST_QEMU => Ok(line),
                    _ => Err(format!("found `{line}`, needed is {}.{}", OLDEST_QEMU.0, OLDEST_QEMU.1)),
                }
            }
            Probe::Header(header) => {
                let done = Command::new("cc")
                    .args(["-E", "-x", "c", "-include", header, "/dev/null"])
                    .stdin(Stdio::null())
                    .output();
                match done {
                    Ok(output) if output.status.success() => Ok(header.to_owned()),
                    _ => Err(format!("<{header}> is not found")),
                }
            }
        }
    }
}

fn first_line_of_version(program: &str) -> Result<String, String> {
    match Command::new(program).arg("--version").stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(text.lines().next().unwrap_or(program).trim().to_owned())
        }
        Ok(output) => Err(format!("`{program} --version` fails ({})", output.status)),
        Err(_) => Err(format!("no program `{program}` in PATH")),
    }
}

/// Returns the first `major.minor` that stands in a text.
pub(crate) fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|word| {
        let mut parts = word.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next()?.parse().ok()?;
        Some((major, minor))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_and_apt_print() {
        assert_eq!(version_in("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"), Some((10, 0)));
        assert_eq!(version_in("1:7.2+dfsg-7+deb12u16"), Some((7, 2)));
        assert_eq!(version_in("(none)"), None);
        assert_eq!(version_in("99999999999.1 x"), None);
    }

    #[test]
    fn each_purpose_needs_what_the_ones_before_it_need() {
        assert!(all(Purpose::Build).all(|need| need.package != QEMU_PACKAGE));
        assert!(all(Purpose::Run).any(|need| need.package == QEMU_PACKAGE));
        assert_eq!(all(Purpose::Run).count(), all(Purpose::Develop).count());
    }
}
