// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person reads at the end: tables, and the closing line.

use crate::contract::Transcript;

/// Three such columns and the outcome fit a terminal of 120 characters.
const WIDEST_CELL: usize = 36;

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

/// Returns rows as text with aligned columns, long cells wrapped; the first row is the heading.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width).min(WIDEST_CELL);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let wrapped: Vec<Vec<String>> = row.iter().map(|cell| wrap(cell)).collect();
        let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let cells = wrapped.iter().zip(widths).map(|(cell, width)| {
                let part = cell.get(line).map_or("", String::as_str);
                format!("{part:width$}")
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            text.push_str(rules.join("  ").trim_end());
            text.push('\n');
        }
    }
    text
}

/// Breaks a cell between words into lines of at most [`WIDEST_CELL`] characters; a longer word has a line of its own.
fn wrap(cell: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in cell.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDEST_CELL {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
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
    fn long_cells_are_wrapped_between_words() {
        let rows = [["a".to_owned(), ["word"; 9].join(" ")]];
        let text = table(&rows);
        assert_eq!(text.lines().next().unwrap(), "a  word word word word word word word");
        assert_eq!(text.lines().nth(1).unwrap(), "   word word");
        assert_eq!(wrap(&"x".repeat(99)), ["x".repeat(99)]);
    }

    #[test]
    fn nothing_at_all_is_not_good() {
        assert!(!Tally::default().good());
        assert!(Tally::of(true).good());
        assert!(!Tally { passed: 9, failed: 1 }.good());
    }
}
