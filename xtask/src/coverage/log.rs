// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's log of translated blocks.

use anyhow::{Context as _, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::path::Path;

/// Returns QEMU's arguments for a log of what it translates in some ranges of addresses.
pub(crate) fn arguments(log: &Path, ranges: &[Range<u64>]) -> Vec<String> {
    let filter: Vec<String> =
        ranges.iter().map(|range| format!("{:#x}..{:#x}", range.start, range.end - 1)).collect();
    let words = ["-d", "in_asm", "-D", &log.display().to_string(), "-dfilter", &filter.join(",")];
    words.map(str::to_owned).to_vec()
}

/// Addresses of instructions that were reached.
#[derive(Debug, Default)]
pub(crate) struct Reached(BTreeSet<u64>);

impl Reached {
    /// Adds what a log has.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn add(&mut self, log: &Path) -> Result<()> {
        let file = File::open(log).with_context(|| format!("cannot read {}", log.display()))?;
        for line in BufReader::new(file).lines() {
            self.0.extend(address(&line?));
        }
        Ok(())
    }

    /// Tells whether an instruction was.
    pub(crate) fn contains(&self, address: u64) -> bool {
        self.0.contains(&address)
    }

    /// Returns how many were.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads `0x0e100000:  aa0003f4  mov x20, x0`: the address of an instruction; other lines have none.
fn address(line: &str) -> Option<u64> {
    let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
    let word = rest.split_whitespace().next()?;
    (word.len() == 8 && u32::from_str_radix(word, 16).is_ok())
        .then(|| u64::from_str_radix(address, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_instructions_are_told_from_others() {
        assert_eq!(address("0x0e100000:  aa0003f4  mov      x20, x0"), Some(0x0e10_0000));
        for other in
            ["----------------", "IN: ", "Trace 0: 0x7f", "0x0e100000:  OBJD-T: aa0003f4", "0xzz: aa0003f4"]
        {
            assert_eq!(address(other), None, "{other}");
        }
    }

    #[test]
    fn ranges_are_told_to_their_last_byte() {
        let words = arguments(Path::new("/l"), &[0x1000..0x2000, 0x3000..0x3004]);
        assert_eq!(words, ["-d", "in_asm", "-D", "/l", "-dfilter", "0x1000..0x1fff,0x3000..0x3003"]);
    }
}
