// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of mutants that no test notices, each with its reason: `file: what | reason` on a line, `#` begins a comment line. A
//! line stands for all mutants of a file that are described alike.

use super::Mutant;
use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Survivor {
    file: String,
    what: String,
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survivors(Vec<Survivor>);

impl Survivors {
    /// Reads the list.
    ///
    /// # Errors
    /// It cannot be read, or a line has another form.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let mut all = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts =
                line.rsplit_once(" | ").and_then(|(mutant, reason)| Some((mutant.split_once(": ")?, reason)));
            let Some(((file, what), reason)) = parts else {
                bail!("line {number}: expected `file: what | reason`");
            };
            if reason.split_whitespace().count() < 3 {
                bail!("line {number}: `{reason}` is no reason");
            }
            let survivor = Survivor { file: file.to_owned(), what: what.trim().to_owned() };
            if all.contains(&survivor) {
                bail!("line {number}: it stands here twice");
            }
            all.push(survivor);
        }
        Ok(Self(all))
    }

    /// Tells whether a mutant stands in the list.
    pub(crate) fn has(&self, mutant: &Mutant) -> bool {
        self.0.iter().any(|survivor| survivor.is(mutant))
    }

    /// Returns the lines that none of some mutants has.
    pub(crate) fn unused(&self, missed: &[&Mutant]) -> Vec<String> {
        let unused = self.0.iter().filter(|survivor| !missed.iter().any(|mutant| survivor.is(mutant)));
        unused.map(|survivor| format!("{}: {}", survivor.file, survivor.what)).collect()
    }
}

impl Survivor {
    fn is(&self, mutant: &Mutant) -> bool {
        self.file == mutant.file && self.what == mutant.what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_reason_and_stand_once() {
        let good = "# why\n\ntable/map.rs: replace | with ^ in leaf | both bits are never set\n";
        let list = Survivors::parse(good).unwrap();
        assert_eq!(list.unused(&[]), ["table/map.rs: replace | with ^ in leaf"]);
        assert!(Survivors::parse(&format!("{good}{good}")).is_err());
        assert!(Survivors::parse("table/map.rs: replace + with -").is_err());
        assert!(Survivors::parse("table/map.rs: replace + with - | it is").is_err());
    }
}
