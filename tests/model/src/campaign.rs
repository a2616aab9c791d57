// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many episodes, on as many threads as there are cores: what they found, and a number that stands for all answers.
//!
//! Both are the same for the same seed, however many threads there are.

use crate::episode::{self, Episode, STEPS};
use crate::machine::Counts;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// No episode takes nearly as long on any machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Campaign {
    /// Episodes that found nothing.
    pub passed: u64,
    /// Steps that were done, up to the first finding.
    pub steps: u64,
    /// What happened in all.
    pub counts: Counts,
    /// Stands for all answers of all episodes, in their order.
    pub digest: u64,
    /// The first episode that found something, and its number.
    pub failed: Option<(u64, Episode)>,
}

/// Ends the program where an episode does not end: whoever waits for ever makes no access that could be counted.
fn watch(seed: u64, running: &Mutex<Vec<(u64, Instant)>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(20));
        let late = |(_, since): &&(u64, Instant)| since.elapsed() > LIMIT;
        if let Ok(running) = running.lock()
            && let Some((number, _)) = running.iter().find(late)
        {
            println!("    FAIL invariant 6 (bound): episode {number} of seed {seed} does not end");
            println!("0 passed, 1 failed");
            std::process::exit(1);
        }
    }
}

/// Runs so many steps from a seed, or until something is found.
#[must_use]
pub fn run(seed: u64, steps: u64) -> Campaign {
    let running = Mutex::new(Vec::new());
    let over = AtomicBool::new(false);
    let episodes = steps.div_ceil(STEPS);
    let next = AtomicU64::new(0);
    let found = AtomicBool::new(false);
    let done: Mutex<Vec<(u64, Episode)>> = Mutex::new(Vec::new());
    let work = || {
        while !found.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= episodes {
                break;
            }
            if let Ok(mut running) = running.lock() {
                running.push((number, Instant::now()));
            }
            let episode = episode::run(seed, number, STEPS.min(steps - number * STEPS));
            if let Ok(mut running) = running.lock() {
                running.retain(|(other, _)| *other != number);
            }
            if episode.finding.is_some() {
                found.store(true, Ordering::Relaxed);
            }
            if let Ok(mut done) = done.lock() {
                done.push((number, episode));
            }
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        scope.spawn(|| watch(seed, &running, &over));
        // A worker that panics is this program's own error, and ends it.
        let panicked = workers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .fold(false, |any, end| any | end.is_err());
        over.store(true, Ordering::Relaxed);
        assert!(!panicked, "the model machine itself has panicked");
    });
    let mut done = done.into_inner().unwrap_or_default();
    // All episodes before the first that found something were begun before it, and so are done.
    done.sort_by_key(|(number, _)| *number);
    let mut campaign = Campaign::default();
    for (number, episode) in done {
        campaign.steps += episode.steps;
        campaign.counts.add(&episode.counts);
        campaign.digest =
            (campaign.digest ^ episode.digest).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        if episode.finding.is_some() {
            campaign.failed = Some((number, episode));
            break;
        }
        campaign.passed += 1;
    }
    campaign
}
