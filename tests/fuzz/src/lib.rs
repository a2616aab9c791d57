// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fuzz targets: each is a plain function of bytes that ends a test by a panic.
//!
//! They are driven by this package's own program (`cargo xtask fuzz`), and by libFuzzer for whoever has it:
//! `fuzz_target!(|data: &[u8]| fuzz::targets::calls::target(data))`.
//!
//! | module | what lives there |
//! |---|---|
//! | `targets` | one file for each target |
//! | `input` | bytes read as values that mean something |
//! | `fixture` | an SPMC with the partitions of the conformance suite |

mod fixture;
mod input;
pub mod targets;

/// A target, and the folder of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// What it starts from beside its corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How often it can run in one process, if that is not without an end.
    pub most_runs: Option<u64>,
}

impl Target {
    const fn new(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Self {
        Self { name, run, seeds, most_runs: None }
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target::new("calls", targets::calls::target, Vec::new),
    Target::new("manifests", targets::manifests::target, fixture::manifests),
    #[cfg(feature = "model")]
    Target {
        most_runs: Some(targets::model::MOST_RUNS),
        ..Target::new("model", targets::model::target, targets::model::seeds)
    },
    Target::new("packages", targets::packages::target, fixture::packages),
    Target::new("requests", targets::requests::target, Vec::new),
];
