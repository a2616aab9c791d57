// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One target's campaign.

pub(crate) mod corpus;
mod coverage;
mod execute;
mod mutate;
mod random;

use coverage::Reached;
use execute::{Failure, Runner};
use fuzz::Target;
use mutate::{MOST_BYTES, mutate};
use random::Random;
use std::path::Path;
use std::time::{Duration, Instant};

/// What came of a campaign.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How often the target ran.
    pub(crate) runs: u64,
    /// How many places of the code were reached, counted once for each order of magnitude in which one input reached it.
    pub(crate) edges: usize,
    /// The inputs that reached something that those before them did not.
    pub(crate) inputs: Vec<Vec<u8>>,
    /// The first failure, made smaller.
    pub(crate) failure: Option<Failure>,
}

/// Runs a target for some time, from `inputs` on; all of those are run, however long that takes.
pub(crate) fn campaign(target: &Target, inputs: Vec<Vec<u8>>, time: Duration) -> Outcome {
    let runner = Runner::new(target);
    let mut random = Random::new();
    let mut outcome = Outcome { runs: 0, edges: 0, inputs: Vec::new(), failure: None };
    let mut reached = Reached::default();
    let end = Instant::now() + time;
    let mut given = inputs.into_iter();
    loop {
        let (input, is_given) = match given.next() {
            Some(input) => (input, true),
            None if Instant::now() >= end => break,
            None if target.most_runs.is_some_and(|most| outcome.runs >= most) => break,
            None => (next(&outcome.inputs, &mut random), false),
        };
        coverage::clear();
        let result = runner.run(&input);
        outcome.runs += 1;
        if let Err(message) = result {
            outcome.failure = Some(runner.minimise(input, message));
            break;
        }
        // Where the compiler counts nothing, inputs that were given are all that there is to start from.
        if reached.adds() || (is_given && !coverage::is_there()) {
            outcome.inputs.push(input);
        }
    }
    outcome.edges = reached.count();
    outcome
}

/// Returns those of the inputs that reach all that they reach together, the short ones first.
pub(crate) fn smallest(target: &Target, mut inputs: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    inputs.sort_by_key(Vec::len);
    let mut reached = Reached::default();
    inputs.retain(|input| {
        coverage::clear();
        (target.run)(input);
        reached.adds_places()
    });
    inputs
}

/// Makes a new input out of those that were worth keeping.
fn next(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let (Some(first), Some(second)) = (random.pick(inputs), random.pick(inputs)) else {
        return random.bytes(MOST_BYTES / 8);
    };
    if random.below(64) == 0 {
        return random.bytes(MOST_BYTES / 8);
    }
    mutate(first.clone(), second, random)
}

/// Runs one input from a file.
///
/// # Errors
/// The target is not there or the file cannot be read. A failure of the target ends the program.
pub(crate) fn replay(name: &str, file: &Path) -> Result<(), String> {
    let target = fuzz::TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| format!("there is no target `{name}`"))?;
    let input = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    (target.run)(&input);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(data: &[u8]) {
        assert!(!data.windows(2).any(|pair| pair[0] == 0x42 && pair[1] >= 0xf0), "a pair that is not to be");
    }

    #[test]
    fn a_failure_is_found_and_made_as_small_as_it_can_be() {
        let target = Target { name: "test", run: fails, seeds: Vec::new, most_runs: None };
        let start = vec![vec![0x41; 300], (0..=255).collect()];
        let outcome = campaign(&target, start, Duration::from_secs(60));
        let failure = outcome.failure.expect("chance finds it soon");
        assert!(failure.message.contains("a pair that is not to be"), "{}", failure.message);
        assert!(matches!(failure.input[..], [0x42, 0xf0..=0xff]), "{:x?}", failure.input);
    }

    #[test]
    fn what_never_fails_runs_until_its_time_is_over() {
        let target = Target { name: "test", run: |_| {}, seeds: Vec::new, most_runs: None };
        let outcome = campaign(&target, vec![vec![1]], Duration::from_millis(50));
        assert!(outcome.runs > 1 && outcome.failure.is_none());
        assert_eq!(outcome.inputs, [[1]], "nothing is counted in a test, so that what was given is kept");
    }

    #[test]
    fn what_can_run_so_often_only_does() {
        let target = Target { name: "test", run: |_| {}, seeds: Vec::new, most_runs: Some(5) };
        assert_eq!(campaign(&target, vec![vec![1]], Duration::from_secs(60)).runs, 5);
    }

    #[test]
    fn every_target_takes_its_seeds_and_its_corpus() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for target in fuzz::TARGETS {
            let corpus = corpus::read(&folder.join(target.name)).unwrap();
            let inputs: Vec<_> = corpus.into_iter().chain((target.seeds)()).collect();
            assert!(!inputs.is_empty(), "{} has nothing to start from", target.name);
            for input in inputs {
                (target.run)(&input);
            }
        }
    }
}
