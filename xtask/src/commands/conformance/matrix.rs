// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The matrix: interfaces by instances, and what came of the cases of each pair over all runs.

use crate::contract::Transcript;
use conformance::availability::{Availability, availability};
use conformance::case::{Case, Instance, Spmc};
use conformance::deviation::deviation;
use conformance::interface::Interface;
use conformance::suite::cases;
use std::collections::BTreeMap;

/// Returns the name under which a case at an instance is reported.
pub(super) fn claim_name(case: &Case, at: Instance) -> String {
    format!("{}/{}@{}", case.interface.name(), case.name, at.name())
}

/// Names of claims, and whether they held in every run.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    claims: BTreeMap<String, bool>,
}

/// What came of the cases of one interface at one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Nothing looked at it.
    Hole,
    /// As many of its cases failed.
    Failed(usize),
    /// As many passed, and as many deviate as is known.
    Passed(usize, usize),
    /// It is not there, as the specification has it.
    Absent,
    /// spm refuses it.
    Refused,
    /// EL3 refuses it.
    StoppedAtEl3,
}

impl Cell {
    fn text(self) -> String {
        match self {
            Self::Hole => "NOT TESTED".to_owned(),
            Self::Failed(count) => format!("{count} FAILED"),
            Self::Passed(passed, 0) => format!("passed {passed}"),
            Self::Passed(passed, deviating) => format!("passed {passed}, deviates {deviating}"),
            Self::Absent => "passed: none".to_owned(),
            Self::Refused => "refused by spm".to_owned(),
            Self::StoppedAtEl3 => "stopped at EL3".to_owned(),
        }
    }
}

impl Matrix {
    /// Adds what a run came to.
    pub(crate) fn add(&mut self, transcript: &Transcript) {
        for claim in &transcript.claims {
            let held = self.claims.entry(claim.name.clone()).or_insert(true);
            *held &= claim.holds;
        }
    }

    fn cell(&self, interface: Interface, at: Instance) -> Cell {
        let mut counts = [0_usize; 3];
        let [passed, failed, deviating] = &mut counts;
        for case in cases().filter(|case| case.interface == interface && case.is_at(at)) {
            match self.claims.get(&claim_name(case, at)) {
                None => {}
                Some(false) => *failed += 1,
                Some(true) if deviation(Spmc::Spm, case, at).is_some() => *deviating += 1,
                Some(true) => *passed += 1,
            }
        }
        match (counts, availability(interface, at)) {
            ([0, 0, 0], _) => Cell::Hole,
            ([passed, 0, deviating], availability) => Self::word(availability, passed, deviating),
            ([_, failed, _], _) => Cell::Failed(failed),
        }
    }

    const fn word(availability: Availability, passed: usize, deviating: usize) -> Cell {
        match availability {
            Availability::Offered => Cell::Passed(passed, deviating),
            // It cannot be called, but is seen as the completion of other calls.
            Availability::Absent if passed + deviating > 1 => Cell::Passed(passed, deviating),
            Availability::Absent => Cell::Absent,
            Availability::Refused(_) => Cell::Refused,
            Availability::StoppedAtEl3(_) => Cell::StoppedAtEl3,
        }
    }

    /// Returns the cells as text, row by row, the heading first.
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let heading = std::iter::once("interface".to_owned());
        let mut rows = vec![heading.chain(Instance::ALL.iter().map(|at| at.name().to_owned())).collect()];
        for interface in Interface::ALL {
            let cells = Instance::ALL.iter().map(|at| self.cell(*interface, *at).text());
            rows.push(std::iter::once(interface.name().to_owned()).chain(cells).collect());
        }
        rows
    }

    /// Returns the matrix for a terminal.
    pub(super) fn to_text(&self) -> String {
        let rows = self.rows();
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..=Instance::ALL.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let lines: Vec<String> = rows.iter().map(line).collect();
        format!("{}\n", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(claims: &[(&str, bool)]) -> Transcript {
        let mut transcript = Transcript::default();
        for (name, holds) in claims {
            let outcome = if *holds { "ok" } else { "FAIL" };
            transcript.take(&format!("@claim\t{name}\t\t\t\t{outcome}"));
        }
        transcript
    }

    #[test]
    fn a_case_that_failed_in_any_run_is_red_and_an_untested_cell_is_a_hole() {
        let at = *Instance::NORMAL.first().unwrap();
        let mut matrix = Matrix::default();
        assert_eq!(matrix.cell(Interface::RxTxMap, at), Cell::Hole);
        matrix.add(&transcript(&[("FFA_RXTX_MAP/discovery@NS 1.2", true)]));
        assert_eq!(matrix.cell(Interface::RxTxMap, at), Cell::Passed(1, 0));
        matrix.add(&transcript(&[("FFA_RXTX_MAP/discovery@NS 1.2", false)]));
        matrix.add(&transcript(&[("FFA_RXTX_MAP/discovery@NS 1.2", true)]));
        assert_eq!(matrix.cell(Interface::RxTxMap, at), Cell::Failed(1));
        assert!(matrix.to_text().contains("1 FAILED"));
    }

    #[test]
    fn no_pair_is_without_a_case() {
        for interface in Interface::ALL {
            for at in Instance::ALL {
                let looked_at = cases().any(|case| case.interface == *interface && case.is_at(*at));
                assert!(looked_at, "{} at {}", interface.name(), at.name());
            }
        }
    }
}
