// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One machine from its start to its end, by clients or by a script; and making a script smaller that ends badly.

use crate::client::Clients;
use crate::finding::{Finding, Invariant};
use crate::machine::{Counts, Machine};
use crate::random::Random;
use crate::script::{Act, Script, Step};

/// Steps of an episode.
pub const STEPS: u64 = 1000;
/// Scripts that are tried to make one smaller.
const MOST_TRIES: usize = 1500;

/// How an episode went.
#[derive(Clone, Debug)]
pub struct Episode {
    /// What was done.
    pub script: Script,
    /// How many steps were done.
    pub steps: u64,
    /// What was found, if anything was.
    pub finding: Option<Finding>,
    /// Stands for all answers.
    pub digest: u64,
    /// What happened in all.
    pub counts: Counts,
}

/// Runs one of the episodes that a seed stands for, of so many steps at most.
#[must_use]
pub fn run(seed: u64, number: u64, length: u64) -> Episode {
    let mut random = Random::part(seed, number);
    let machine_seed = random.word();
    let machine = Machine::new(machine_seed);
    let mut script = Script { machine: machine_seed, steps: Vec::new() };
    let mut clients = Clients::new(random.word(), length, &machine.inner());
    while machine.finding().is_none() {
        let Some(step) = clients.next(&machine.inner()) else { break };
        machine.run(&step);
        script.steps.push(step);
    }
    end(&machine, script)
}

/// Bytes that a step is decided by, about.
const BYTES_OF_A_STEP: u64 = 8;

/// Runs the episode that bytes stand for: the first two of them name the machine, and the nature of its clients.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Episode {
    let mut random = Random::of_bytes(bytes.to_vec());
    let machine_seed = random.word();
    let length = u64::try_from(bytes.len()).unwrap_or(0) / BYTES_OF_A_STEP;
    let machine = Machine::new(machine_seed);
    let mut script = Script { machine: machine_seed, steps: Vec::new() };
    let mut clients = Clients::new(machine_seed, length.min(STEPS), &machine.inner()).led_by(random);
    while machine.finding().is_none() {
        let Some(step) = clients.next(&machine.inner()) else { break };
        machine.run(&step);
        script.steps.push(step);
    }
    end(&machine, script)
}

/// Runs a script.
#[must_use]
pub fn replay(script: &Script) -> Episode {
    let machine = Machine::new(script.machine);
    let mut steps = Vec::new();
    for step in &script.steps {
        if machine.finding().is_some() {
            break;
        }
        machine.run(step);
        steps.push(step.clone());
    }
    end(&machine, Script { machine: script.machine, steps })
}

fn end(machine: &Machine, script: Script) -> Episode {
    let (digest, counts) = machine.summary();
    let steps = u64::try_from(script.len()).unwrap_or(u64::MAX);
    Episode { script, steps, finding: machine.finding(), digest, counts }
}

/// Makes a script shorter that ends in a finding, as long as it breaks the same invariant.
#[must_use]
pub fn shrink(script: &Script, invariant: Invariant) -> Script {
    let mut tries = 0;
    let mut best = script.clone();
    let mut works = |steps: Vec<Step>, best: &mut Script| {
        tries += 1;
        if tries > MOST_TRIES {
            return false;
        }
        let shorter = replay(&Script { machine: script.machine, steps });
        let same = shorter.finding.is_some_and(|finding| finding.invariant == invariant);
        if same {
            *best = shorter.script;
        }
        same
    };
    // Parts of half the length, then of a quarter, and so on (delta debugging, Zeller and Hildebrandt 2002).
    let mut part = best.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < best.len() {
            let (before, rest) = best.steps.split_at(from);
            let behind = rest.get(part..).unwrap_or_default();
            let steps = [before, behind].concat();
            if !works(steps, &mut best) {
                from += part;
            }
        }
        part /= 2;
    }
    // Then what other cores do meanwhile, and numbers.
    for place in 0..best.len() {
        for simpler in best.steps.get(place).map(simpler).unwrap_or_default() {
            let mut steps = best.steps.clone();
            if let Some(step) = steps.get_mut(place) {
                *step = simpler;
                works(steps, &mut best);
            }
        }
    }
    best
}

/// Returns simpler forms of a step.
fn simpler(step: &Step) -> Vec<Step> {
    let mut forms = Vec::new();
    if !step.meanwhile.is_empty() {
        forms.push(Step { meanwhile: Vec::new(), ..step.clone() });
    }
    if let Act::Map { label, iova, pa, size, access } = step.act
        && size > 0x1000
    {
        forms.push(Step { act: Act::Map { label, iova, pa, size: 0x1000, access }, ..step.clone() });
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_the_same_episode() {
        let mut random = Random::new(1);
        let bytes: Vec<u8> = (0..400).flat_map(|_| random.word().to_le_bytes()).collect();
        let one = of_bytes(&bytes);
        assert_eq!((&one.finding, one.steps), (&None, 400));
        assert!(one.counts.accepted > 0 && one.counts.reached > 0, "{:?}", one.counts);
        assert_eq!(of_bytes(&bytes).digest, one.digest);
        assert_eq!(replay(&one.script).digest, one.digest, "a script stands for the same");
    }
}
