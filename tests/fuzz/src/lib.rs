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
}

/// All of them.
pub const TARGETS: [Target; 4] = [
    Target { name: "calls", run: targets::calls::target, seeds: Vec::new },
    Target { name: "manifests", run: targets::manifests::target, seeds: fixture::manifests },
    Target { name: "packages", run: targets::packages::target, seeds: fixture::packages },
    Target { name: "requests", run: targets::requests::target, seeds: Vec::new },
];
