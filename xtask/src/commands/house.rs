// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The house's rules that neither rustfmt nor clippy know: each file says its licence, each module what lives in it.

use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::process::Command;

const LICENCE: &str = "SPDX-License-Identifier: Apache-2.0 OR MIT";
/// Kinds of files that are written by hand and have comments.
const KINDS: [&str; 8] = [".rs", ".s", ".S", ".ld", ".dts", ".dtsi", ".toml", ".conf"];

/// Checks every file that git knows.
pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let output = Command::new("git")
        .current_dir(workspace.root())
        .arg("ls-files")
        .output()
        .context("cannot run git")?;
    let files = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut complaints = Vec::new();
    for file in files.lines().filter(|file| KINDS.iter().any(|kind| file.ends_with(kind))) {
        // A file that was deleted and not yet committed says nothing.
        let Ok(text) = fs::read_to_string(workspace.root().join(file)) else { continue };
        complaints.extend(complain(file, &text));
    }
    if !complaints.is_empty() {
        bail!("house rules:\n  {}", complaints.join("\n  "));
    }
    Ok(())
}

/// Returns what is wrong with a file, if anything.
fn complain(file: &str, text: &str) -> Option<String> {
    let mut lines = text.lines();
    if !lines.by_ref().take(1).any(|line| line.contains(LICENCE)) {
        return Some(format!("{file}: the first line is to be a comment with `{LICENCE}`"));
    }
    let module = file.ends_with(".rs") && (file.contains("/src/") || file.ends_with("/build.rs"));
    if module && !lines.take(1).any(|line| line.starts_with("//!")) {
        return Some(format!("{file}: the second line is to begin with `//!` and say what lives here"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{LICENCE, complain};

    #[test]
    fn files_say_their_licence_and_modules_what_they_are() {
        let good = format!("// {LICENCE}\n//! What lives here.\n");
        assert_eq!(complain("a/src/b.rs", &good), None);
        assert_eq!(complain("a/c.conf", &format!("# {LICENCE}")), None);
        assert!(complain("a/src/b.rs", &format!("// {LICENCE}\nuse x;\n")).is_some());
        assert!(complain("a/src/b.rs", "//! What lives here.\n").is_some());
        assert!(complain("a/c.conf", "").is_some());
    }
}
