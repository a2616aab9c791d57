// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From addresses of instructions to lines of our source text.

use super::Reached;
use crate::elf::{Code, Places};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of one file that have instructions, and those of them that were reached.
#[derive(Debug, Default, Clone)]
pub(crate) struct FileLines {
    /// All.
    pub(crate) all: BTreeSet<u32>,
    /// Those that were reached.
    pub(crate) reached: BTreeSet<u32>,
}

/// Tells which lines of the project's own files have instructions in an image at `base`, and which were reached. A line counts
/// as reached if any of its instructions was, in whatever function it was inlined.
///
/// # Errors
/// The debug information is malformed.
pub(crate) fn lines(
    code: &Code,
    places: &Places<'_>,
    base: u64,
    reached: &Reached,
) -> Result<BTreeMap<String, FileLines>> {
    let mut files: BTreeMap<String, FileLines> = BTreeMap::new();
    for function in &code.functions {
        for (address, _) in code.instructions(&function.range) {
            let is_reached = reached.contains(base + address);
            for frame in places.frames(address)? {
                let Some(file) = frame.file.strip_prefix("./").filter(|file| is_ours(file)) else { continue };
                if frame.line == 0 {
                    continue;
                }
                let lines = files.entry(file.to_owned()).or_default();
                lines.all.insert(frame.line);
                if is_reached {
                    lines.reached.insert(frame.line);
                }
            }
        }
    }
    Ok(files)
}

/// Tells whether a file is one of the project's, and not of another crate's, whose path begins with its name and version.
fn is_ours(file: &str) -> bool {
    ["spm/", "partitions/", "ffa-abi/"].iter().any(|folder| file.starts_with(folder))
}

/// Returns the names of the functions of which no instruction was reached.
pub(crate) fn unreached_functions(code: &Code, base: u64, reached: &Reached) -> Vec<String> {
    let is_unreached = |range: &std::ops::Range<u64>| {
        code.instructions(range).all(|(address, _)| !reached.contains(base + address))
    };
    code.functions
        .iter()
        .filter(|function| is_unreached(&function.range))
        .map(|function| function.names.join(" = "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn other_crates_files_are_not_ours() {
        assert!(is_ours("spm/core/src/spmc.rs"));
        assert!(!is_ours("./spin-0.12.3/src/once.rs"));
        assert!(!is_ours("spin-0.12.3/src/once.rs"));
    }
}
