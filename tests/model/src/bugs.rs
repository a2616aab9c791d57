// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether the machine notices: bugs that are seeded into the service on purpose, each of which the same clients have to
//! find from every seed, and a service without any in which they find nothing.

use crate::campaign;
use crate::finding::Invariant;
use iommu_core::seeded::{Bug, choose};
use std::collections::BTreeMap;

/// Seeds that each bug is searched from.
pub const SEEDS: u64 = 5;
/// Steps within which each seed has to find it.
pub const STEPS: u64 = 200_000;

/// How one bug was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub bug: Bug,
    /// Steps that the quickest and the slowest seed took; `None` where one did not find it.
    pub steps: Option<(u64, u64)>,
    /// What did not hold, and with how many seeds.
    pub by: BTreeMap<Invariant, u64>,
}

/// Tells whether nothing is found in a service without bugs, from any of the seeds: else no search would mean anything.
#[must_use]
pub fn none_without() -> bool {
    choose(None);
    (1..=SEEDS).all(|seed| campaign::run(seed, STEPS / 10).failed.is_none())
}

/// Searches for a bug from all seeds.
#[must_use]
pub fn search(bug: Bug) -> Found {
    choose(Some(bug));
    let mut found = Found { bug, steps: Some((u64::MAX, 0)), by: BTreeMap::new() };
    for seed in 1..=SEEDS {
        let campaign = campaign::run(seed, STEPS);
        let finding = campaign.failed.and_then(|(_, episode)| episode.finding);
        found.steps = found
            .steps
            .filter(|_| finding.is_some())
            .map(|(least, most)| (least.min(campaign.steps), most.max(campaign.steps)));
        if let Some(finding) = finding {
            *found.by.entry(finding.invariant).or_default() += 1;
        }
    }
    choose(None);
    found
}

/// Returns all bugs.
pub fn all() -> impl Iterator<Item = Bug> {
    Bug::ALL.into_iter()
}

/// Seeds the bug of a name.
///
/// # Errors
/// There is none of that name.
pub fn seed(name: &str) -> Result<(), String> {
    let bug =
        all().find(|bug| format!("{bug:?}") == name).ok_or_else(|| format!("no bug is called {name}"))?;
    choose(Some(bug));
    Ok(())
}
