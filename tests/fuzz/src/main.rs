// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Drives the targets on stable Rust: changes inputs, keeps those that reach something new, and makes what fails smaller.
//!
//! `fuzz FOLDER SECONDS [TARGET]` starts from `FOLDER/corpus/` and writes failures to `FOLDER/failures/`; `fuzz FOLDER keep`
//! writes what is worth keeping of a run's finds back to the corpus; `fuzz FOLDER replay TARGET FILE` runs one input.

mod driver;

use driver::{Outcome, campaign, corpus, replay, smallest};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Parts of the time that a target gets, of a hundred.
const SHARES: [(&str, u32); 5] =
    [("calls", 45), ("model", 30), ("manifests", 15), ("packages", 5), ("requests", 5)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [folder, "replay", target, file] => replay(target, Path::new(file)).map(|()| {
            println!("{file}: {target} does not fail ({folder})");
            true
        }),
        [folder, "keep", seconds] => seconds
            .parse()
            .map_err(|_| format!("`{seconds}` is no number"))
            .and_then(|seconds| all(Path::new(folder), Duration::from_secs(seconds), None, true)),
        [folder, seconds, rest @ ..] => {
            seconds.parse().map_err(|_| format!("`{seconds}` is no number")).and_then(|seconds| {
                all(Path::new(folder), Duration::from_secs(seconds), rest.first().copied(), false)
            })
        }
        _ => Err("fuzz FOLDER (SECONDS [TARGET] | keep SECONDS | replay TARGET FILE)".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all targets, or one. Returns whether none failed.
fn all(folder: &Path, time: Duration, only: Option<&str>, keep: bool) -> Result<bool, String> {
    let (mut passed, mut failed) = (0, 0);
    for target in fuzz::TARGETS {
        let share = SHARES.iter().find(|(name, _)| *name == target.name).map_or(100, |(_, share)| *share);
        let time = match only {
            Some(name) if name != target.name => continue,
            Some(_) => time,
            None => time * share / 100,
        };
        let place: PathBuf = folder.join("corpus").join(target.name);
        let mut inputs = corpus::read(&place)?;
        inputs.extend((target.seeds)());
        inputs.push(Vec::new());
        let Outcome { runs, edges, inputs, failure } = campaign(target, inputs, time);
        println!(
            "{}: {runs} runs in {} s, {} places reached by {} inputs",
            target.name,
            time.as_secs(),
            edges,
            inputs.len()
        );
        if keep && failure.is_none() {
            corpus::write(&place, &smallest(target, inputs), &(target.seeds)())?;
        }
        match failure {
            None => passed += 1,
            Some(failure) => {
                failed += 1;
                let file = corpus::write_failure(&folder.join("failures"), target.name, &failure.input)?;
                println!("    FAIL {}: {}", target.name, failure.message);
                println!("    {} bytes: {}", failure.input.len(), file.display());
                println!("    again: cargo xtask fuzz --replay {} --target {}", file.display(), target.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}
