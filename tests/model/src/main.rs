// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `model run STEPS SEED FOLDER` runs so many steps from a seed and writes what fails to the folder;
//! `model replay FILE` runs a script.

use model::{Script, bugs, campaign, episode};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn command(words: &[&str]) -> Result<bool, String> {
    match words {
        ["run", steps, seed, folder] => match (steps.parse(), seed.parse()) {
            (Ok(steps), Ok(seed)) => run(steps, seed, Path::new(folder)),
            _ => Err("STEPS and SEED are numbers".to_owned()),
        },
        ["replay", file] => replay(Path::new(file)),
        ["with", bug, rest @ ..] => bugs::seed(bug).and_then(|()| command(rest)),
        ["bugs"] => Ok(all_bugs()),
        _ => Err("model [with BUG] (run STEPS SEED FOLDER | replay FILE) | model bugs".to_owned()),
    }
}

/// Searches for every bug that can be seeded. Returns whether each was found from every seed.
fn all_bugs() -> bool {
    if !bugs::none_without() {
        println!("    FAIL something is found where no bug is");
        println!("0 passed, 1 failed");
        return false;
    }
    let (mut passed, mut failed) = (0, 0);
    for bug in bugs::all() {
        let found = bugs::search(bug);
        let by: Vec<String> = found.by.iter().map(|(what, count)| format!("{count}x {what}")).collect();
        match found.steps {
            Some((least, most)) => {
                passed += 1;
                println!("    ok   {bug:?}: after {least} to {most} steps, by {}", by.join(", "));
            }
            None => {
                failed += 1;
                println!("    FAIL {bug:?}: not found from every seed; by {}", by.join(", "));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    failed == 0 && passed > 0
}

/// Runs a campaign. Returns whether nothing was found.
fn run(steps: u64, seed: u64, folder: &Path) -> Result<bool, String> {
    let start = Instant::now();
    let campaign = campaign::run(seed, steps);
    let counts = campaign.counts;
    println!(
        "{} steps from seed {seed} in {} s: {} messages ({} accepted, {} in the middle of another), {} accesses of \
         devices ({} reached memory), {} interrupts, at most {} accesses to the pool in a message",
        campaign.steps,
        start.elapsed().as_secs(),
        counts.messages,
        counts.accepted,
        counts.met,
        counts.tried,
        counts.reached,
        counts.interrupts,
        counts.dearest,
    );
    println!("digest {:#018x}", campaign.digest);
    let failed = usize::from(campaign.failed.is_some());
    if let Some((number, episode)) = campaign.failed
        && let Some(finding) = episode.finding
    {
        println!("    FAIL {finding}");
        println!("    in step {} of episode {number}; making it smaller", episode.script.len());
        let script = episode::shrink(&episode.script, finding.invariant);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let file = folder.join(format!("{seed:x}-{number}.script"));
        let text = format!("# {finding}\n{script}");
        fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
        print!("{text}");
        println!("    again: cargo xtask model --replay {}", file.display());
    }
    println!("{} passed, {failed} failed", campaign.passed);
    Ok(failed == 0)
}

/// Runs a script. Returns whether nothing was found.
fn replay(file: &Path) -> Result<bool, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let script: Script = text.parse().map_err(|error| format!("{}: {error}", file.display()))?;
    let episode = episode::replay(&script);
    let failed = usize::from(episode.finding.is_some());
    if let Some(finding) = &episode.finding {
        println!("    FAIL {finding}");
    }
    println!("{} passed, {failed} failed", 1 - failed);
    Ok(failed == 0)
}
