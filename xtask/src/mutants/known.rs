// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What came of mutants before. A file in the cache has a line for each, written as soon as it is known: who is stopped goes on later.
//!
//! What was caught holds until the function that is changed, or the test that caught it, is another; what was missed until the
//! function's file or any test of the crate is.

use super::{Mutant, Outcome, Sources};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// All results.
#[derive(Debug)]
pub(crate) struct Known {
    file: PathBuf,
    lines: BTreeMap<String, Line>,
}

/// What stands behind a mutant's key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    outcome: Outcome,
    /// What has to be the same for it to hold.
    because: String,
}

impl Known {
    /// Reads the file, which need not be there.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn read(file: PathBuf) -> Result<Self> {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| file.display().to_string()),
        };
        // A line that was cut off says nothing; of two the later one counts.
        Ok(Self { file, lines: text.lines().filter_map(parse).collect() })
    }

    /// Returns what came of a mutant, if that still holds.
    ///
    /// # Errors
    /// Its file is none of the sources.
    pub(crate) fn outcome(&self, mutant: &Mutant, sources: &Sources) -> Result<Option<&Outcome>> {
        let Some(line) = self.lines.get(&mutant.key(sources.get(&mutant.file)?)) else { return Ok(None) };
        Ok(Some(&line.outcome).filter(|outcome| because(mutant, outcome, sources) == line.because))
    }

    /// Keeps what came of a mutant.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep(&mut self, mutant: &Mutant, outcome: Outcome, sources: &Sources) -> Result<()> {
        let key = mutant.key(sources.get(&mutant.file)?);
        let because = because(mutant, &outcome, sources);
        let line = format!("{key} {because} {} {}: {}\n", word(&outcome), mutant.file, mutant.what);
        append(&self.file, &line).with_context(|| self.file.display().to_string())?;
        self.lines.insert(key, Line { outcome, because });
        Ok(())
    }
}

fn append(file: &Path, line: &str) -> Result<()> {
    let mut file = File::options().create(true).append(true).open(file)?;
    Ok(file.write_all(line.as_bytes())?)
}

/// Returns what has to be the same for an outcome to hold, beside the function.
fn because(mutant: &Mutant, outcome: &Outcome, sources: &Sources) -> String {
    let nothing = || "-".to_owned();
    match outcome {
        // A test that is not found was taken away, or is made by a macro.
        Outcome::Caught(test) => sources.test(test).unwrap_or_else(nothing),
        Outcome::Missed => sources.tests_and(&mutant.file),
        Outcome::Endless | Outcome::Unviable => nothing(),
    }
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Caught(test) => format!("caught={test}"),
        Outcome::Endless => "endless".to_owned(),
        Outcome::Missed => "missed".to_owned(),
        Outcome::Unviable => "unviable".to_owned(),
    }
}

fn parse(line: &str) -> Option<(String, Line)> {
    let mut words = line.split(' ');
    let (key, because, word) = (words.next()?, words.next()?, words.next()?);
    let outcome = match word {
        "endless" => Outcome::Endless,
        "missed" => Outcome::Missed,
        "unviable" => Outcome::Unviable,
        _ => Outcome::Caught(word.strip_prefix("caught=")?.to_owned()),
    };
    Some((key.to_owned(), Line { outcome, because: because.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written_and_torn_ones_are_not() {
        for outcome in [
            Outcome::Caught("table::tests::one".to_owned()),
            Outcome::Endless,
            Outcome::Missed,
            Outcome::Unviable,
        ] {
            let line = format!("abc def {} table/map.rs: replace a with b", word(&outcome));
            let expected = Line { outcome, because: "def".to_owned() };
            assert_eq!(parse(&line), Some(("abc".to_owned(), expected)));
        }
        assert_eq!(parse("abc def"), None);
        assert_eq!(parse("abc def mis"), None);
    }
}
