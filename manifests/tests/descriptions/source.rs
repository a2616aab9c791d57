// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptions for tests: the project's own, and copies of them with something changed.

use manifests::{Platform, Result, Set};
use std::{fs, path::Path};

/// The folder of the descriptions.
pub(crate) fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Loads one of the project's descriptions.
pub(crate) fn platform(name: &str) -> Platform {
    Platform::load(folder(), name).unwrap_or_else(|error| panic!("{error}"))
}

/// Loads one of the project's descriptions with other partitions than the product's.
pub(crate) fn with_set(name: &str, set: Set) -> Platform {
    Platform::load_set(folder(), name, set).unwrap_or_else(|error| panic!("{error}"))
}

/// Loads a copy of `qemu-sbsa` in which each first text, which must be there, is replaced by the second.
pub(crate) fn altered(changes: &[(&str, &str)]) -> Result<Platform> {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let target = copy.path().join("altered");
    fs::create_dir(&target).expect("a folder for the copy");
    let mut hits = vec![0; changes.len()];
    for file in ["platform.dtsi", "policy.dts"] {
        let mut text = fs::read_to_string(folder().join("qemu-sbsa").join(file)).expect("our own source");
        for ((from, to), hits) in changes.iter().zip(&mut hits) {
            *hits += text.matches(from).count();
            text = text.replacen(from, to, 1);
        }
        fs::write(target.join(file), text).expect("a file for the copy");
    }
    assert!(!hits.contains(&0), "nothing to replace: {changes:?} {hits:?}");
    Platform::load(copy.path(), "altered")
}
