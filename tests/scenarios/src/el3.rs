// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The scenarios under TF-A's own SPMC, at EL3, with iommu-sp as its only partition: the same ones, but for those in
//! [`DEVIATIONS`].

use crate::{dma, fatal, firmware, hyp, platform, report, scenario::Scenario};

/// A scenario that cannot hold there.
struct Deviation {
    /// Its name.
    scenario: &'static str,
    /// Why.
    why: &'static str,
}

/// All of them.
const DEVIATIONS: [Deviation; 6] = [
    Deviation {
        scenario: "dma-secure",
        why: "it needs a second partition that looks at its memory; this SPMC runs one",
    },
    Deviation { scenario: "long-messages", why: NO_REQ2 },
    Deviation { scenario: "hyp-service", why: NO_REQ2 },
    Deviation { scenario: "pool-lent", why: LENDS_OTHERWISE },
    Deviation { scenario: "pool-not-lent", why: LENDS_OTHERWISE },
    Deviation { scenario: "pool-share", why: LENDS_OTHERWISE },
];

const NO_REQ2: &str =
    "this SPMC has no FFA_MSG_SEND_DIRECT_REQ2; the service is asked by FFA_MSG_SEND_DIRECT_REQ alone";
const LENDS_OTHERWISE: &str =
    "this SPMC does not lend as the service takes it: memory for tables is what the policy reserves";

/// What firmware promises that is not spm's alone.
const OF_FIRMWARE: &[&[Scenario]] = &[firmware::OF_THE_MACHINE];

/// Returns the scenarios about the service, and those about firmware that go with it.
pub(crate) fn scenarios() -> impl Iterator<Item = &'static Scenario> + Clone {
    flat(dma::SCENARIOS).chain(flat(OF_FIRMWARE))
}

/// Tells whether this image is for that SPMC.
pub(crate) fn is_manager() -> bool {
    platform::MANAGER == "el3"
}

/// Tells whether a scenario can hold under the SPMC of this image.
pub(crate) fn holds(scenario: &Scenario) -> bool {
    !is_manager() || DEVIATIONS.iter().all(|deviation| deviation.scenario != scenario.name)
}

/// Says what is left out of these scenarios, and why. What is no scenario's name at all is a mistake here.
pub(crate) fn say_deviations(of: impl Iterator<Item = &'static Scenario> + Clone) {
    if is_manager() {
        for Deviation { scenario, why } in &DEVIATIONS {
            if !scenarios().chain(flat(hyp::SCENARIOS)).any(|other| other.name == *scenario) {
                fatal(format_args!("no scenario is named {scenario}"));
            }
            if of.clone().any(|other| other.name == *scenario) {
                report::say(format_args!("left out: {scenario}: {why}"));
            }
        }
    }
}

fn flat(lists: &'static [&'static [Scenario]]) -> impl Iterator<Item = &'static Scenario> + Clone {
    lists.iter().flat_map(|some| some.iter())
}
