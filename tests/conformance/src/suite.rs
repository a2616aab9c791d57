// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All cases in the order in which they run, and how the normal world runs them.

use crate::case::{Case, Instance, Run, Spmc, World};
use crate::chapters;
use crate::endpoint::{Endpoint, Foreign, reset};
use crate::exchange::{CLEAN, NormalWorld, ask};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome};
use crate::partner::Partner;

/// Returns all cases. The number of a case is its place here.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    chapters::ALL.iter().flat_map(|cases| cases.iter())
}

/// Returns the number of the case of this name: a core's job knows no more.
///
/// # Errors
/// There is none.
pub fn number_of(interface: Interface, name: &str) -> Outcome<u64> {
    let place = cases().position(|case| case.name == name && case.interface == interface);
    place.map(|place| place as u64).ok_or(Failure::here([0; 3]))
}

/// Returns the case of a number.
#[must_use]
pub fn case(number: u64) -> Option<&'static Case> {
    cases().nth(usize::try_from(number).ok()?)
}

/// Where and with what the suite runs.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The SPMC.
    pub spmc: Spmc,
    /// What the normal world speaks.
    pub normal: Instance,
    /// How many cores there are.
    pub cores: u64,
}

impl Setting {
    /// Tells whether a case runs at an instance. Partitions are looked at once, while the normal world speaks FF-A 1.2.
    #[must_use]
    pub fn runs(self, case: &Case, at: Instance) -> bool {
        let here = match at.world {
            World::Normal => at == self.normal,
            World::Secure | World::Application => Instance::NORMAL.contains(&self.normal),
        };
        // TF-A's SPMC has one partition, and nothing is to be learned of that.
        let there = match (self.spmc, at.world) {
            (Spmc::Spm, _) => true,
            // What it offers is not in `availability`.
            (Spmc::El3, _) if matches!(case.run, Run::Each(_)) => false,
            (Spmc::El3, World::Normal) => case.partners.iter().all(|partner| *partner == Partner::PeerMp),
            (Spmc::El3, World::Secure | World::Application) => false,
        };
        here && there && case.is_at(at) && case.cores <= self.cores
    }

    /// Returns the numbers, cases and instances that run.
    pub fn plan(self) -> impl Iterator<Item = (u64, &'static Case, Instance)> {
        (0..).zip(cases()).flat_map(move |(number, case)| {
            let at = Instance::ALL.iter().copied().filter(move |at| self.runs(case, *at));
            at.map(move |at| (number, case, at))
        })
    }
}

/// Runs one case at one instance.
///
/// # Errors
/// The step that failed.
pub fn run(normal: &mut dyn NormalWorld, number: u64, case: &Case, at: Instance) -> Outcome {
    let outcome = match (at.partner(), case.run) {
        (None, Run::Alone(run)) => run(normal.endpoint()),
        (None, Run::Each(run)) => run(normal.endpoint(), case.interface),
        (Some(partner), Run::Alone(_) | Run::Each(_)) => {
            // A partition does not know what is somebody else's.
            let foreign = [normal.foreign(Foreign::Spmc), normal.pages(), 0, 0];
            ask(normal.endpoint(), partner, number, foreign).map(|_| ())
        }
        (_, Run::Exchange { normal: run, .. }) => run(normal).and(clean_partners(normal)),
    };
    outcome.and(clean(normal.endpoint()))
}

/// Partitions that took part in an exchange forget their buffers.
fn clean_partners(normal: &mut dyn NormalWorld) -> Outcome {
    for partner in [Partner::PeerMp, Partner::PeerUp, Partner::Old11, Partner::Old10] {
        if normal.partners().contains(&partner) {
            ask(normal.endpoint(), partner, CLEAN, [0; 4])?;
        }
    }
    Ok(())
}

fn clean(endpoint: &mut dyn Endpoint) -> Outcome {
    reset(endpoint).map_err(|Failure { seen, .. }| Failure::here(seen))
}
