// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The list of tests that Miri does not run, each with its reason: `package: test or module | reason` on a line, `#` begins a
//! comment line.

use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Skip {
    package: String,
    /// A test, or a module with all tests in it, by its whole path.
    path: String,
}

impl Skip {
    fn matches(&self, test: &str) -> bool {
        test.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skips(Vec<Skip>);

impl Skips {
    /// Reads the list for some packages.
    ///
    /// # Errors
    /// It cannot be read, a line has another form, or names another package.
    pub(crate) fn read(path: &Path, packages: &[&str]) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text, packages).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, packages: &[&str]) -> Result<Self> {
        let mut all: Vec<Skip> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts =
                line.split_once(" | ").and_then(|(place, reason)| Some((place.split_once(": ")?, reason)));
            let Some(((package, path), reason)) = parts else {
                bail!("line {number}: expected `package: test or module | reason`");
            };
            if !packages.contains(&package) {
                bail!("line {number}: Miri runs no tests of `{package}`");
            }
            if reason.split_whitespace().count() < 3 {
                bail!("line {number}: `{reason}` is no reason");
            }
            let skip = Skip { package: package.to_owned(), path: path.trim().to_owned() };
            if all.contains(&skip) {
                bail!("line {number}: it stands here twice");
            }
            all.push(skip);
        }
        Ok(Self(all))
    }

    /// Tells whether a test of a package is left out.
    pub(crate) fn has(&self, package: &str, test: &str) -> bool {
        self.of(package).any(|skip| skip.matches(test))
    }

    /// Returns the lines for a package that leave out none of its tests.
    pub(crate) fn unused(&self, package: &str, tests: &[String]) -> Vec<&str> {
        let unused = self.of(package).filter(|skip| !tests.iter().any(|test| skip.matches(test)));
        unused.map(|skip| skip.path.as_str()).collect()
    }

    fn of(&self, package: &str) -> impl Iterator<Item = &Skip> {
        self.0.iter().filter(move |skip| skip.package == package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: [&str; 2] = ["one", "two"];
    const LIST: &str = "# why\n\none: a::b | takes a quarter hour\ntwo: a::c::d | needs the whole tree\n";

    #[test]
    fn a_line_is_a_test_or_a_module_of_its_package_alone() {
        let skips = Skips::parse(LIST, &PACKAGES).unwrap();
        assert!(skips.has("one", "a::b") && skips.has("one", "a::b::c") && skips.has("two", "a::c::d"));
        assert!(!skips.has("one", "a::bc") && !skips.has("one", "x::a::b") && !skips.has("one", "a"));
        assert!(!skips.has("two", "a::b"));
    }

    #[test]
    fn lines_that_leave_nothing_out_are_told() {
        let skips = Skips::parse(LIST, &PACKAGES).unwrap();
        let tests = ["a::b::c", "x"].map(str::to_owned);
        assert!(skips.unused("one", &tests).is_empty());
        assert_eq!(skips.unused("two", &tests), ["a::c::d"]);
        assert_eq!(skips.unused("one", &[]), ["a::b"]);
    }

    #[test]
    fn every_line_has_its_reason_and_stands_once() {
        let bad = [
            "one: a",
            "one: a | ",
            "one: a | too slow",
            "a | takes a quarter hour",
            "three: a | takes a quarter hour",
        ];
        for bad in bad.into_iter().chain([LIST.repeat(2).as_str()]) {
            assert!(Skips::parse(bad, &PACKAGES).is_err(), "{bad}");
        }
    }
}
