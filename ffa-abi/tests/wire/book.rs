// SPDX-License-Identifier: Apache-2.0 OR MIT
//! docs/protocol.md says of each operation what the code says of it: its number, whose it is, and what it may answer.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ffa_abi::{HypOperation, Operation, Status};

const BOOK: &str = include_str!("../../../docs/protocol.md");
const ANSWERS: &str = "| operation | whose | answers |";

/// Returns a name of the code as the book has it.
fn name(of: impl Debug) -> String {
    let mut name = String::new();
    for letter in format!("{of:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn names(statuses: &[Status]) -> String {
    let names: Vec<String> = statuses.iter().map(name).collect();
    names.join(", ")
}

fn operations() -> impl Iterator<Item = Operation> {
    (0..=u16::MAX).filter_map(|number| Operation::try_from(number).ok())
}

fn operations_of_the_hypervisor() -> impl Iterator<Item = HypOperation> {
    (0..=u16::MAX).filter_map(|number| HypOperation::try_from(number).ok())
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn operations_have_their_numbers() {
    let there: BTreeMap<&str, &str> = BOOK
        .lines()
        .filter(|line| line.starts_with("| 0x"))
        .map(cells)
        .map(|cells| (cells[0], cells[1]))
        .collect();
    let known: BTreeMap<String, String> = operations()
        .map(|operation| (format!("{:#04x}", u16::from(operation)), name(operation)))
        .chain(
            operations_of_the_hypervisor()
                .map(|operation| (format!("{:#06x}", u16::from(operation)), name(operation))),
        )
        .collect();
    assert!(there.into_iter().eq(known.iter().map(|(number, name)| (number.as_str(), name.as_str()))));
}

#[test]
fn operations_have_their_callers_and_answers() {
    let rows: Vec<_> = BOOK
        .lines()
        .skip_while(|line| *line != ANSWERS)
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect();
    let whose = |operation: Operation| match operation {
        Operation::Claim => "whose comes first, early",
        _ if operation.is_early() => "anybody's, early",
        _ => "the kernel's",
    };
    let known: Vec<_> =
        operations()
            .map(|operation| [name(operation), whose(operation).to_owned(), names(operation.answers())])
            .chain(operations_of_the_hypervisor().map(|operation| {
                [name(operation), "the hypervisor's".to_owned(), names(operation.answers())]
            }))
            .collect();
    assert_eq!(rows, known);
}
