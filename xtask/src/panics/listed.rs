// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of places that may panic all the same, each with its reason: `function | panic | reason` on a line, `#` begins a
//! comment line.

use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// The function in source text.
    pub(super) function: String,
    /// What it calls.
    pub(super) panic: String,
}

/// Reads a list.
///
/// # Errors
/// It cannot be read, or a line has another form.
pub(super) fn read(path: &Path) -> Result<Vec<Listed>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Listed>> {
    let mut all: Vec<Listed> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [function, panic, reason] = parts.as_slice() else {
            bail!("line {number}: expected `function | panic | reason`");
        };
        if reason.split_whitespace().count() < 3 {
            bail!("line {number}: `{reason}` is no reason");
        }
        let listed = Listed { function: (*function).to_owned(), panic: (*panic).to_owned() };
        if all.contains(&listed) {
            bail!("line {number}: it stands here twice");
        }
        all.push(listed);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_reason_and_stands_once() {
        let good = "# why\n\na::b | panic_const_add_overflow | both are below 8\n";
        let all = parse(good).unwrap();
        assert_eq!(all, [Listed { function: "a::b".into(), panic: "panic_const_add_overflow".into() }]);
        for bad in ["a::b | x", "a::b | x | ", "a::b | x | because", &format!("{good}{good}")] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
