// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `mutants`: changes what decides in the service, little by little, and counts the changes that tests notice.

use crate::cli::Mutants;
use crate::mutants::{FOLDERS, Known, Limits, Mutant, Outcome, Sources, Survivors, Tree, Verdict, try_tests};
use crate::report::{Tally, table};
use crate::setup::CargoMutants;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The mutants that no test notices, with the reasons.
const SURVIVORS: &str = "tests/mutants.txt";
/// How many of a hundred have to be caught.
const LEAST: usize = 90;

pub(super) fn mutants(workspace: &Workspace, arguments: &Mutants) -> Result<ExitCode> {
    let _lock = alone(workspace)?;
    let tool = CargoMutants::ensure(workspace)?;
    let survivors = Survivors::read(&workspace.root().join(SURVIVORS))?;
    let tree = Tree::copy(workspace)?;
    let sources = tree.sources()?;
    let mut all = tree.mutants(workspace, &tool)?;
    let chosen = |mutant: &Mutant| arguments.only.as_deref().is_none_or(|part| mutant.file.contains(part));
    all.retain(|mutant| chosen(mutant));
    let whole = arguments.only.is_none();
    let mut known = Known::read(workspace.cache_dir("mutants")?.join("results.txt"))?;
    if !arguments.report {
        run(arguments, &tree, &sources, &all, &mut known)?;
    }
    judge(&all, &sources, &known, &survivors, whole)
}

/// Makes sure that nobody else changes the copy.
fn alone(workspace: &Workspace) -> Result<File> {
    let path = workspace.cache_dir("mutants")?.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another `cargo xtask mutants` is running here"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Runs the mutants of a shard of which nothing is known, until the time is over.
fn run(arguments: &Mutants, tree: &Tree, sources: &Sources, all: &[Mutant], known: &mut Known) -> Result<()> {
    let start = Instant::now();
    let (shard, shards) = arguments.shard.unwrap_or((1, 1));
    let mut due = Vec::new();
    for (number, mutant) in all.iter().enumerate() {
        let fresh = arguments.again || known.outcome(mutant, sources)?.is_none();
        if fresh && number % shards == shard - 1 {
            due.push(mutant);
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    println!("{} of {} mutants are to be run", due.len(), all.len());
    let mut limits: BTreeMap<&str, Limits> = BTreeMap::new();
    let mut done = 0_u32;
    for mutant in &due {
        if arguments.minutes.is_some_and(|minutes| start.elapsed() > Duration::from_secs(60 * minutes)) {
            println!("{} are left for the next time", due.len() - done as usize);
            break;
        }
        if !limits.contains_key(mutant.module()) {
            let program = tree.compile()?.context("without any change the tests do not compile")?;
            limits.insert(mutant.module(), Limits::measure(&program, mutant.module())?);
        }
        let Some(limits) = limits.get(mutant.module()) else { continue };
        let began = Instant::now();
        let outcome = tree.with(mutant, sources, || {
            let Some(program) = tree.compile()? else { return Ok(Outcome::Unviable) };
            Ok(match try_tests(&program, mutant.module(), limits)? {
                Verdict::Passed => Outcome::Missed,
                Verdict::Failed(test) => Outcome::Caught(test),
                Verdict::Endless => Outcome::Endless,
            })
        })?;
        println!(
            "  {:4} s  {}  {}:{}: {}",
            began.elapsed().as_secs(),
            describe(&outcome),
            mutant.file,
            mutant.line,
            mutant.what
        );
        known.keep(mutant, outcome, sources)?;
        done += 1;
    }
    let seconds = start.elapsed().as_secs_f64() / f64::from(done.max(1));
    println!("{done} mutants in {} s, {seconds:.1} s each", start.elapsed().as_secs());
    Ok(())
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Caught(test) => format!("caught by {test}"),
        Outcome::Endless => "caught: tests do not end".to_owned(),
        Outcome::Missed => "MISSED".to_owned(),
        Outcome::Unviable => "no Rust".to_owned(),
    }
}

/// What came of the mutants of one folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    caught: usize,
    missed: usize,
    unviable: usize,
    unknown: usize,
}

impl Count {
    fn add(&mut self, outcome: Option<&Outcome>) {
        match outcome {
            Some(Outcome::Caught(_) | Outcome::Endless) => self.caught += 1,
            Some(Outcome::Missed) => self.missed += 1,
            Some(Outcome::Unviable) => self.unviable += 1,
            None => self.unknown += 1,
        }
    }

    /// Returns how many of a thousand are caught of those that compile and were run.
    fn thousandths(self) -> usize {
        (self.caught * 1000).checked_div(self.caught + self.missed).unwrap_or(0)
    }

    fn row(self, name: &str) -> [String; 6] {
        let Self { caught, missed, unviable, unknown } = self;
        let part = self.thousandths();
        let numbers = [caught, missed, unviable, unknown].map(|number| number.to_string());
        let [caught, missed, unviable, unknown] = numbers;
        [name.to_owned(), caught, missed, format!("{}.{} %", part / 10, part % 10), unviable, unknown]
    }
}

/// Prints what is known; each survivor needs a reason, and the part that is caught is not to be below [`LEAST`].
fn judge(
    all: &[Mutant],
    sources: &Sources,
    known: &Known,
    survivors: &Survivors,
    whole: bool,
) -> Result<ExitCode> {
    let mut counts = [Count::default(); FOLDERS.len()];
    let mut total = Count::default();
    let mut missed = Vec::new();
    for mutant in all {
        let outcome = known.outcome(mutant, sources)?;
        let folder = FOLDERS.iter().position(|folder| *folder == mutant.module());
        if let Some(count) = folder.and_then(|place| counts.get_mut(place)) {
            count.add(outcome);
        }
        total.add(outcome);
        if outcome == Some(&Outcome::Missed) {
            missed.push(mutant);
        }
    }
    let heading = ["", "caught", "missed", "", "no Rust", "not run yet"].map(str::to_owned);
    let mut rows = vec![heading];
    rows.extend(FOLDERS.iter().zip(counts).map(|(folder, count)| count.row(folder)));
    rows.push(total.row("all"));
    print!("{}", table(&rows));
    let mut tally = Tally { passed: total.caught, failed: 0 };
    for mutant in &missed {
        if survivors.has(mutant) {
            tally.passed += 1;
        } else {
            tally.failed += 1;
            println!("    FAIL no test notices {}:{}: {}", mutant.file, mutant.line, mutant.what);
        }
    }
    if whole && total.unknown == 0 {
        for line in survivors.unused(&missed) {
            tally.failed += 1;
            println!("    FAIL {SURVIVORS}: a test notices, or there is no `{line}`");
        }
    }
    let part = total.thousandths();
    if part < LEAST * 10 {
        tally.failed += 1;
        println!("    FAIL less than {LEAST} % are caught");
    }
    println!("{} caught, {} missed, {}.{} %", total.caught, total.missed, part / 10, part % 10);
    println!("{tally}");
    Ok(if tally.good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_compile_or_was_not_run_counts_for_nothing() {
        let mut count = Count::default();
        assert_eq!(count.thousandths(), 0);
        let caught = Outcome::Caught("a".to_owned());
        for outcome in [&caught, &Outcome::Endless, &Outcome::Missed, &Outcome::Unviable] {
            count.add(Some(outcome));
        }
        count.add(None);
        assert_eq!(count, Count { caught: 2, missed: 1, unviable: 1, unknown: 1 });
        assert_eq!(count.thousandths(), 666);
        assert_eq!(count.row("x").join(" "), "x 2 1 66.6 % 1 1");
    }
}
