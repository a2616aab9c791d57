// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Holds the book against the source: a test that docs/hardening.md names is there.

use std::path::Path;

const HEADING: &str = "| bug | here | test |";

/// Returns the rows below [`HEADING`], each with its bug and the files and names of its tests.
fn rows(book: &str) -> Vec<(String, Vec<(String, String)>)> {
    let table = book.lines().skip_while(|line| *line != HEADING).skip(2);
    table
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let bug = cells.next().unwrap_or_default().to_owned();
            let quoted: Vec<&str> = cells.nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
            let tests = quoted.chunks(2).map(|pair| match pair {
                [file, name] => ((*file).to_owned(), (*name).to_owned()),
                _ => panic!("{bug}: a test is to be written as `file`: `name`"),
            });
            (bug.clone(), tests.collect())
        })
        .collect()
}

/// Tells whether a file has a test, or a scenario, of this name.
fn has(text: &str, name: &str) -> bool {
    text.contains(&format!("#[test]\nfn {name}()"))
        || text.contains(&format!("#[test]\n    fn {name}()"))
        || text.contains(&format!("    name: \"{name}\","))
}

#[test]
fn every_bug_of_others_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rows = rows(&std::fs::read_to_string(root.join("docs/hardening.md")).unwrap());
    assert!(rows.len() >= 8, "{} rows", rows.len());
    for (bug, tests) in rows {
        assert!(!tests.is_empty(), "{bug}: no test");
        for (file, name) in tests {
            let text =
                std::fs::read_to_string(root.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(has(&text, &name), "{bug}: {file} has no test `{name}`");
        }
    }
}

#[test]
fn tests_are_told_from_words() {
    let book = "x\n| bug | here | test |\n|---|---|---|\n| a | b `c` | `f.rs`: `one`; `g.rs`: `two` |\n\n| no | row | `x` |";
    let pair = |file: &str, name: &str| (file.to_owned(), name.to_owned());
    assert_eq!(rows(book), [("a".to_owned(), vec![pair("f.rs", "one"), pair("g.rs", "two")])]);
    assert!(has("#[test]\nfn one() {}", "one"));
    assert!(has("mod tests {\n    #[test]\n    fn one() {}", "one"));
    assert!(has("Scenario {\n    name: \"one\",", "one"));
    assert!(!has("fn one() {}", "one"));
    assert!(!has("// one", "one"));
}
