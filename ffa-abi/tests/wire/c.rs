// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C headers give the same vectors, and read from them what is in them. They are compiled by the compiler that links Rust.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn compile(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/wire").join(name).with_extension("c"))
        .arg("-o")
        .arg(&program);
    run(&mut compiler);
    program
}

/// A program gives each vector that is no answer, and takes each that is one.
fn agrees<const WORDS: usize>(program: &Path, vectors: &BTreeMap<&str, [u64; WORDS]>) {
    let words = |vector: &[u64; WORDS]| vector.map(|word| format!("{word:x}"));
    let requests: String = vectors
        .iter()
        .filter(|(name, _)| !name.starts_with("answer."))
        .map(|(name, vector)| format!("{name} {}\n", words(vector).join(" ")))
        .collect();
    let mut given: Vec<_> =
        run(Command::new(program).arg("requests")).lines().map(|line| format!("{line}\n")).collect();
    given.sort_unstable();
    assert_eq!(given.concat(), requests);
    for (name, vector) in vectors.iter().filter(|(name, _)| name.starts_with("answer.")) {
        // Fails where something that is read is not what the program expects of this answer.
        run(Command::new(program).arg(name).args(words(vector)));
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts other programs")]
fn the_header_gives_and_reads_the_same() {
    agrees(&compile("vectors"), &super::vectors::vectors());
}

#[test]
#[cfg_attr(miri, ignore = "starts other programs")]
fn the_header_of_rings_gives_and_reads_the_same() {
    agrees(&compile("slots"), &super::slots::slots());
}
