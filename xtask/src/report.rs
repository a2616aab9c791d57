// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person reads at the end: tables, and the closing line.

use crate::contract::Transcript;

/// Counts of what held and what did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many held.
    pub(crate) passed: usize,
    /// How many did not.
    pub(crate) failed: usize,
}

impl Tally {
    /// Returns the tally of one thing.
    pub(crate) fn of(holds: bool) -> Self {
        Self { passed: usize::from(holds), failed: usize::from(!holds) }
    }

    /// Returns the tally of a run.
    pub(crate) fn of_run(transcript: &Transcript) -> Self {
        Self { passed: transcript.passed(), failed: transcript.failed() }
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Returns whether all held, and there was something to hold.
    pub(crate) fn good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Prints the claims of a run as a table, and its complaints below.
pub(crate) fn print_claims(transcript: &Transcript) {
    let mut rows = vec![["".to_owned(), "claim".to_owned(), "expected".to_owned(), "seen".to_owned()]];
    for claim in &transcript.claims {
        let mark = if claim.holds { "ok" } else { "FAIL" };
        rows.push([mark.to_owned(), claim.what.clone(), claim.expected.clone(), claim.seen.clone()]);
    }
    print!("{}", table(&rows));
    for complaint in &transcript.complaints {
        println!("FAIL  {complaint}");
    }
}

/// Prints only what did not hold.
pub(crate) fn print_failures(transcript: &Transcript) {
    for claim in transcript.claims.iter().filter(|claim| !claim.holds) {
        println!(
            "    FAIL {}: {} (expected {}, seen {})",
            claim.name, claim.what, claim.expected, claim.seen
        );
    }
    for complaint in &transcript.complaints {
        println!("    FAIL {complaint}");
    }
}

/// Returns rows as text with aligned columns; the first row is the heading.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(rules.join("  ").trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let rows = [["a".to_owned(), "b".to_owned()], ["ää".to_owned(), "c".to_owned()]];
        assert_eq!(table(&rows), "a   b\n--  -\nää  c\n");
    }

    #[test]
    fn nothing_at_all_is_not_good() {
        assert!(!Tally::default().good());
        assert!(Tally::of(true).good());
        assert!(!Tally { passed: 9, failed: 1 }.good());
    }
}
