// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The page of the documentation that carries the matrix: written by this tool, and compared with each full run.

use super::matrix::Matrix;
use crate::report::Tally;
use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use conformance::availability::{Availability, availability};
use conformance::case::{Instance, Spmc};
use conformance::deviation::DEVIATIONS;
use conformance::interface::Interface;
use conformance::suite::cases;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

const HEAD: &str = "\
<!-- Written by `cargo xtask conformance --write`; `cargo xtask test` fails where it is not what a run came to. -->
# FF-A conformance

What the suite in [`tests/conformance`](../tests/conformance) saw on QEMU's `sbsa-ref` and `virt`, with 1 and 4 cores. Each
case says what the caller does and what it must see by FF-A 1.2 (Arm DEN0077A; memory management DEN0140); columns are
FF-A instances with the version that the caller negotiated: NS is the non-secure physical instance, S-EL1 a partition.

- **passed n**: as many cases, all of them seen as specified. **passed: none**: the specification has no such call at this
  instance, or not in this version, and the call is refused.
- **deviates n**: as many cases are known to fail; a case that stops to do so counts as failed.
- **refused by spm**: it answers NOT_SUPPORTED, and FFA_FEATURES does not list it; the reasons are below.
- **stopped at EL3**: TF-A's SPMD answers NOT_SUPPORTED itself.

";

const EL3: &str = "
## TF-A's SPMC at EL3

The normal world's side also runs on `virt` with 1 core above the SPMC that TF-A 2.12 has at EL3 (`SPMC_AT_EL3=1`), with one
partition of the suite at S-EL1: the cases that need no other partition, and that are about what this SPMC has. All of them
pass, but for those that are listed here, which have to fail.

| interface | case | what this SPMC does |
|---|---|---|
";

fn page(workspace: &Workspace) -> PathBuf {
    workspace.root().join("docs/conformance.md")
}

/// Returns the page for a matrix.
fn text(matrix: &Matrix) -> String {
    let mut text = HEAD.to_owned();
    let mut rows = matrix.rows().into_iter();
    // Writing into a String cannot fail.
    if let Some(heading) = rows.next() {
        let _ = writeln!(text, "| {} |\n|{}", heading.join(" | "), "---|".repeat(heading.len()));
    }
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push_str("\n## Why some are not there\n\n| interface | instance | reason |\n|---|---|---|\n");
    for interface in Interface::ALL {
        for at in Instance::LATEST {
            if let Availability::Refused(reason) | Availability::StoppedAtEl3(reason) =
                availability(*interface, *at)
            {
                let _ = writeln!(text, "| {} | {} | {reason} |", interface.name(), at.name());
            }
        }
    }
    text.push_str(
        "\n## Known deviations\n\n| interface | case | instance | what happens |\n|---|---|---|---|\n",
    );
    for known in DEVIATIONS.iter().filter(|known| known.spmc == Spmc::Spm) {
        let at: Vec<&str> = known.at.iter().map(|at| at.name()).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            known.interface.name(),
            known.case,
            at.join(", "),
            known.why
        );
    }
    text.push_str(EL3);
    for known in DEVIATIONS.iter().filter(|known| known.spmc == Spmc::El3) {
        let _ = writeln!(text, "| {} | {} | {} |", known.interface.name(), known.case, known.why);
    }
    text.push_str(
        "\n## The cases\n\nSections and tables are DEN0077A's, unless another document is named.\n\n\
         | interface | case | cites |\n|---|---|---|\n",
    );
    for case in cases() {
        let _ = writeln!(text, "| {} | {} | {} |", case.interface.name(), case.name, case.cites);
    }
    text
}

/// Writes the page.
pub(super) fn write(workspace: &Workspace, matrix: &Matrix) -> Result<()> {
    write_whole(&page(workspace), text(matrix).as_bytes())
}

/// Compares the page with what was run.
pub(super) fn check(workspace: &Workspace, matrix: &Matrix) -> Result<Tally> {
    let page = page(workspace);
    let written = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let holds = written == text(matrix);
    if !holds {
        println!(
            "    FAIL docs/conformance.md is not what was run; `cargo xtask conformance --write` writes it anew"
        );
    }
    Ok(Tally::of(holds))
}
