// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The C header gives the same vectors, and reads from them what is in them. It is compiled by the compiler that links Rust.

use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg_attr(miri, ignore = "starts other programs")]
fn the_header_gives_and_reads_the_same() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vectors");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-I"])
        .arg(here.join("include"))
        .arg(here.join("tests/wire/vectors.c"))
        .arg("-o")
        .arg(&program);
    run(&mut compiler);
    let vectors = super::vectors::vectors();
    let requests: String = vectors
        .iter()
        .filter(|(name, _)| !name.starts_with("answer."))
        .map(|(name, [x3, x4, x5, x6, x7])| format!("{name} {x3:x} {x4:x} {x5:x} {x6:x} {x7:x}\n"))
        .collect();
    let mut given: Vec<_> =
        run(Command::new(&program).arg("requests")).lines().map(|line| format!("{line}\n")).collect();
    given.sort_unstable();
    assert_eq!(given.concat(), requests);
    for (name, registers) in vectors.iter().filter(|(name, _)| name.starts_with("answer.")) {
        let words = registers.map(|word| format!("{word:x}"));
        // Fails where something that is read is not what the program expects of this answer.
        run(Command::new(&program).arg(name).args(words));
    }
}
