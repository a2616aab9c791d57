// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which mutants there are, read from what cargo-mutants lists.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::store::Key;

/// The crate that is mutated.
pub(super) const CRATE: &str = "partitions/iommu-core/src";
/// Its folders that are, in the order in which they are.
pub(crate) const FOLDERS: [&str; 4] = ["table", "ownership", "domain", "policy"];

/// A place in a file: line and column, from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(usize, usize);

/// A change of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// The file, from the crate's `src`.
    pub(crate) file: String,
    /// What is changed, without its place, by which a person knows it.
    pub(crate) what: String,
    /// The line where that is.
    pub(crate) line: usize,
    from: Place,
    to: Place,
    replacement: String,
    /// The function that it is in.
    function: Option<(Place, Place)>,
}

impl Mutant {
    /// Reads one of cargo-mutants' list.
    fn read(value: &Value) -> Option<Self> {
        let file = value.get("file")?.as_str()?.strip_prefix(CRATE)?.trim_start_matches('/').to_owned();
        let (from, to) = span(value.get("span")?)?;
        let name = value.get("name")?.as_str()?;
        // `path:line:column: what`
        let what = name.splitn(4, ':').nth(3)?.trim().to_owned();
        let replacement = value.get("replacement")?.as_str()?.to_owned();
        let function = value.get("function").and_then(|function| span(function.get("span")?));
        Some(Self { file, what, line: from.0, from, to, replacement, function })
    }

    /// Returns the folder of the crate that the file stands in, which is the module whose tests come first.
    pub(crate) fn module(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }

    /// Returns the source with the change in it.
    ///
    /// # Errors
    /// The place is not in the source.
    pub(crate) fn apply(&self, source: &str) -> Result<String> {
        let (from, to) = (offset(source, self.from), offset(source, self.to));
        let parts = from.zip(to).and_then(|(from, to)| Some((source.get(..from)?, source.get(to..)?)));
        let (before, behind) =
            parts.with_context(|| format!("{}: it has no place {:?}", self.file, self.from))?;
        Ok(format!("{before}/* changed */ {} {behind}", self.replacement))
    }

    /// Returns what a result is known by: the change, and the text of the function that it is in.
    pub(crate) fn key(&self, source: &str) -> String {
        let text =
            self.function.and_then(|(from, to)| source.get(offset(source, from)?..offset(source, to)?));
        let (first, _) = self.function.unwrap_or((Place(0, 0), Place(0, 0)));
        let place = format!("{}:{}", self.from.0.saturating_sub(first.0), self.from.1);
        Key::default()
            .with("file", self.file.as_bytes())
            .with("what", self.what.as_bytes())
            .with("place", place.as_bytes())
            .with("replacement", self.replacement.as_bytes())
            .with("text", text.unwrap_or(source).as_bytes())
            .name()
    }
}

fn span(value: &Value) -> Option<(Place, Place)> {
    let place = |name: &str| {
        let number = |of: &str| usize::try_from(value.get(name)?.get(of)?.as_u64()?).ok();
        Some(Place(number("line")?, number("column")?))
    };
    Some((place("start")?, place("end")?))
}

/// Returns where a place is in a text, in bytes.
fn offset(source: &str, Place(line, column): Place) -> Option<usize> {
    let mut before = 0;
    let mut lines = source.split_inclusive('\n');
    for _ in 1..line {
        before += lines.next()?.len();
    }
    let line = lines.next()?;
    let inside = line.char_indices().nth(column.checked_sub(1)?).map(|(at, _)| at)?;
    Some(before + inside)
}

/// The sources of the crate, by their paths from its `src`.
#[derive(Debug)]
pub(crate) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads all of them below the root of a source tree.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut sources = BTreeMap::new();
        let top = root.join(CRATE);
        let mut folders: Vec<PathBuf> = vec![top.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                    let name = path.strip_prefix(&top)?.to_string_lossy().into_owned();
                    sources.insert(name, text);
                }
            }
        }
        Ok(Self(sources))
    }

    /// Returns a file's text.
    ///
    /// # Errors
    /// There is none of that name.
    pub(crate) fn get(&self, file: &str) -> Result<&str> {
        self.0.get(file).map(String::as_str).with_context(|| format!("there is no {CRATE}/{file}"))
    }

    /// Returns what stands for all tests, and for a file.
    pub(crate) fn tests_and(&self, file: &str) -> String {
        let mut key = Key::default();
        for (name, text) in &self.0 {
            if name == file || name.split('/').any(|part| matches!(part, "tests" | "tests.rs")) {
                key = key.with(name, text.as_bytes());
            }
        }
        key.name()
    }

    /// Returns what stands for one test: its text, wherever that is.
    pub(crate) fn test(&self, whole_name: &str) -> Option<String> {
        let name = whole_name.rsplit("::").next()?;
        let head = format!("fn {name}(");
        let text = self.0.values().find_map(|source| {
            let start = source.find(&head)?;
            let line = source.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
            let indent = source.get(line..start)?;
            let indent: String = indent.chars().take_while(|c| *c == ' ').collect();
            let end = format!("\n{indent}}}\n");
            let length = source.get(start..)?.find(&end)?;
            source.get(start..start + length)
        })?;
        Some(Key::default().with("test", text.as_bytes()).name())
    }
}

/// Reads a whole list, in the order of [`FOLDERS`].
///
/// # Errors
/// It is no list of mutants of the crate.
pub(super) fn parse(text: &str) -> Result<Vec<Mutant>> {
    let values: Vec<Value> = serde_json::from_str(text).context("cargo-mutants has written no list")?;
    let mutants: Option<Vec<Mutant>> = values.iter().map(Mutant::read).collect();
    let mut mutants = mutants.context("cargo-mutants has listed something else than mutants")?;
    let place = |mutant: &Mutant| FOLDERS.iter().position(|folder| *folder == mutant.module());
    mutants.sort_by_key(|mutant| (place(mutant), mutant.file.clone(), mutant.from));
    Ok(mutants)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "// ä\nfn sum(a: u8) -> u8 {\n    /* ü */ a + 1\n}\n\nfn other() {}\n";
    const LIST: &str = r#"[{"file": "partitions/iommu-core/src/table/map.rs", "genre": "BinaryOperator",
        "name": "partitions/iommu-core/src/table/map.rs:3:15: replace + with - in sum", "replacement": "-",
        "function": {"span": {"start": {"line": 2, "column": 1}, "end": {"line": 4, "column": 2}}},
        "span": {"start": {"line": 3, "column": 15}, "end": {"line": 3, "column": 16}}}]"#;

    fn mutant() -> Mutant {
        parse(LIST).unwrap().remove(0)
    }

    #[test]
    fn a_change_is_made_where_it_belongs() {
        let mutant = mutant();
        assert_eq!((mutant.what.as_str(), mutant.module()), ("replace + with - in sum", "table"));
        let changed = SOURCE.replace("a + 1", "a /* changed */ -  1");
        assert_eq!(mutant.apply(SOURCE).unwrap(), changed);
        assert!(mutant.apply("fn sum() {}\n").is_err());
    }

    #[test]
    fn a_result_holds_as_long_as_the_function_does() {
        let key = mutant().key(SOURCE);
        assert_eq!(key, mutant().key(&SOURCE.replace("other", "another")));
        assert_ne!(key, mutant().key(&SOURCE.replace("a + 1", "a + 2")));
        let other = Mutant { replacement: "*".to_owned(), ..mutant() };
        assert_ne!(key, other.key(SOURCE));
    }

    #[test]
    fn a_test_is_known_by_its_text() {
        let sources = |text: &str| Sources(BTreeMap::from([("table/tests.rs".to_owned(), text.to_owned())]));
        let text = "    #[test]\n    fn one() {\n        a();\n    }\n\n    fn two() {\n    }\n";
        let one = sources(text).test("table::tests::one").unwrap();
        assert_eq!(sources(&text.replace("two", "three")).test("table::tests::one"), Some(one.clone()));
        assert_ne!(sources(&text.replace("a()", "b()")).test("table::tests::one"), Some(one));
        assert_eq!(sources(text).test("table::tests::three"), None);
    }
}
