// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Shows that nothing a caller does lets an image panic: looks in the linked image for ways from its handlers to the panic
//! machinery, and holds those that there are against a list with reasons.
//!
//! What is looked at are the instructions that boot, after all optimisation and with overflow checks on: a way that the
//! compiler has shown to be impossible is not there. A function counts as reached if any way leads to it, whatever the
//! values; an indirect call may reach all functions whose address is known to anybody ([`graph`]).

mod branch;
mod graph;
mod listed;
mod names;

use crate::elf::{Code, Places};
use anyhow::{Context as _, Result, bail};
use graph::Graph;
use listed::Listed;
use names::{blamed, describe, last_part};
use std::collections::BTreeMap;
use std::path::Path;

/// An image, how its handlers are entered, and its list.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Name of the binary.
    pub(crate) name: &'static str,
    /// Functions in which everything begins that others cause once the image has started.
    roots: &'static [&'static str],
    /// The list, from the top of the source tree.
    pub(crate) list: &'static str,
}

/// The images that others rely on.
pub(crate) const SUBJECTS: [Subject; 2] = [
    // A partition's calls and faults come back into `serve_main`'s callees; `secondary_start` is what EL3 enters.
    Subject { name: "spm", roots: &["vectors", "serve_main", "secondary_start"], list: "spm/panics.conf" },
    Subject {
        name: "iommu-sp",
        roots: &["sp_vectors", "sp_runtime::message::serve", "sp_runtime::start::secondary"],
        list: "partitions/iommu-sp/panics.conf",
    },
];

/// A place that may panic and is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is held against the list.
    listed: Listed,
    /// Where it stands in source text.
    place: String,
    /// The functions through which it is reached, the handler first.
    way: Vec<String>,
}

/// What was found in an image.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// How many functions the image has, and how many of them are reached.
    pub(crate) functions: (usize, usize),
    /// How many listed places there are.
    pub(crate) excused: usize,
    /// Places that are not listed.
    pub(crate) findings: Vec<Finding>,
    /// Lines of the list that excuse nothing.
    pub(crate) unused: Vec<String>,
}

impl Report {
    /// Returns whether the image and its list agree.
    pub(crate) fn good(&self) -> bool {
        self.findings.is_empty() && self.unused.is_empty()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Listed { function, panic } = &self.listed;
        writeln!(f, "{function} | {panic} | ?")?;
        writeln!(f, "    at {}", self.place)?;
        write!(f, "    by {}", self.way.join(" > "))
    }
}

impl Subject {
    /// Holds the image in `data` against the list.
    ///
    /// # Errors
    /// The image or the list cannot be read, or a handler has another name than is written here.
    pub(crate) fn check(&self, data: &[u8], list: &Path) -> Result<Report> {
        let list = listed::read(list)?;
        let code = Code::read(data)?;
        let places = Places::read(data)?;
        let found = self.find(&code, &places)?;
        Ok(compare(found, &list))
    }

    fn find(&self, code: &Code, places: &Places<'_>) -> Result<(Vec<Finding>, (usize, usize))> {
        let graph = Graph::new(code);
        let machinery = machinery(code, &graph);
        if !machinery.contains(&true) {
            bail!("{} has no panic machinery; are its symbols still there?", self.name);
        }
        let roots = self.roots.iter().map(|root| {
            let named = |name: &String| name == root;
            code.functions
                .iter()
                .position(|function| function.names.iter().any(named))
                .with_context(|| format!("{} has no function `{root}`", self.name))
        });
        let roots: Vec<usize> = roots.collect::<Result<_>>()?;
        let is_end = |place: usize| machinery.get(place).is_some_and(|is| *is);
        let reached = graph.reach(&roots, is_end);
        let mut findings = Vec::new();
        for place in reached.keys().filter(|place| !is_end(**place)) {
            let steps = graph.node(*place).into_iter().flat_map(|node| &node.steps);
            for step in steps.filter(|step| is_end(step.to)) {
                let frames = places.frames(step.at)?;
                let function = name(code, *place);
                findings.push(Finding {
                    listed: Listed {
                        function: blamed(&frames, &function).unwrap_or(function),
                        panic: last_part(&name(code, step.to)).to_owned(),
                    },
                    place: describe(&frames),
                    way: way(code, &reached, *place),
                });
            }
        }
        Ok((findings, (code.functions.len(), reached.len())))
    }
}

fn name(code: &Code, place: usize) -> String {
    code.functions.get(place).and_then(|function| function.names.first()).cloned().unwrap_or_default()
}

/// Tells of each function whether it ends in a panic whatever its arguments are, or is what spm does when it has failed.
fn machinery(code: &Code, graph: &Graph) -> Vec<bool> {
    let mut is: Vec<bool> = code
        .functions
        .iter()
        .map(|function| {
            function.names.iter().any(|name| {
                name.starts_with("core::panicking::")
                    || name.ends_with("rust_begin_unwind")
                    || name == "spm::panic::stop_machine"
            })
        })
        .collect();
    // The library's own ways into it, such as `unwrap_failed`: they do not return.
    loop {
        let more: Vec<usize> = (0..code.functions.len())
            .filter(|place| {
                let Some(node) = graph.node(*place) else { return false };
                is.get(*place) == Some(&false)
                    && name(code, *place).starts_with("core::")
                    && !node.returns
                    && node.steps.iter().any(|step| is.get(step.to) == Some(&true))
            })
            .collect();
        if more.is_empty() {
            return is;
        }
        for place in more {
            if let Some(is) = is.get_mut(place) {
                *is = true;
            }
        }
    }
}

fn way(code: &Code, reached: &BTreeMap<usize, Option<usize>>, to: usize) -> Vec<String> {
    let before = |place: &usize| reached.get(place).copied().flatten();
    let mut way: Vec<String> =
        std::iter::successors(Some(to), before).map(|place| name(code, place)).collect();
    way.reverse();
    way
}

fn compare((found, functions): (Vec<Finding>, (usize, usize)), list: &[Listed]) -> Report {
    let unused = list.iter().filter(|listed| found.iter().all(|finding| finding.listed != **listed));
    let unused = unused.map(|listed| format!("{} | {}", listed.function, listed.panic)).collect();
    let (excused, findings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|finding| list.contains(&finding.listed));
    Report { functions, excused: excused.len(), findings, unused }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(function: &str) -> Finding {
        let listed = Listed { function: function.into(), panic: "panic".into() };
        Finding { listed, place: String::new(), way: Vec::new() }
    }

    #[test]
    fn what_is_not_listed_and_what_is_listed_for_nothing_is_told() {
        let list = [finding("a").listed, finding("c").listed];
        let report = compare((vec![finding("a"), finding("a"), finding("b")], (9, 5)), &list);
        assert_eq!((report.excused, report.findings.as_slice()), (2, &[finding("b")][..]));
        assert_eq!(report.unused, ["c | panic"]);
        assert!(!report.good());
        assert!(compare((vec![finding("c"), finding("a")], (9, 5)), &list).good());
    }
}
