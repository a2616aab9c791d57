// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMUs' interrupts: the way in which they come, and what is done then. How much of it is done is decided in
//! `iommu_core::service`.

use crate::Smmu;
use ffa_abi::SmmuIndex;
use iommu_core::policy::{self, Interrupts, MAX_SMMUS, Policy};
use iommu_core::service::{InterruptError, Service};
use sp_runtime::{Hypercalls, InterruptSource, Polling, log};

/// Interrupts that are served before the partition waits again: each SMMU's two. What is left comes again then.
const MOST_AT_ONCE: usize = 2 * MAX_SMMUS;

type IommuService = Service<'static, &'static Smmu>;

/// The way in which interrupts come to this partition.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// By calls to the partition manager.
    Hypercalls(Hypercalls),
    /// They do not come.
    Polling(Polling),
}

impl Way {
    /// Chooses the one that the policy is made for: where it names interrupts, the partition's manifest has them, too.
    fn of(policy: &Policy) -> Self {
        if policy.smmus.iter().any(|smmu| smmu.interrupts.is_some()) {
            Self::Hypercalls(Hypercalls)
        } else {
            Self::Polling(Polling)
        }
    }
}

/// Lets the interrupts come, and says of each SMMU whether they do.
pub(crate) fn start(policy: &Policy, service: &IommuService) -> Way {
    let way = Way::of(policy);
    for (index, smmu) in (0..).zip(&policy.smmus) {
        match way {
            Way::Hypercalls(source) => watch(source, SmmuIndex(index), smmu, service),
            Way::Polling(source) => watch(source, SmmuIndex(index), smmu, service),
        }
    }
    way
}

fn watch(source: impl InterruptSource, index: SmmuIndex, smmu: &policy::Smmu, service: &IommuService) {
    const LOOKS: &str = "events and errors are looked for when the host asks";
    let Some(Interrupts { event, error }) = smmu.interrupts else {
        log!("{}: {LOOKS}", smmu.name);
        return;
    };
    // First the manager: an interrupt that it holds back would be missed.
    for intid in [event, error] {
        if !source.enable(intid, true) {
            log!("{}: interrupt {intid} is not this partition's; {LOOKS}", smmu.name);
            return;
        }
    }
    match service.watch(index) {
        Ok(()) => log!("{}: events come by interrupt {event}, errors by {error}", smmu.name),
        Err(reason) => log!("{}: {reason}; {LOOKS}", smmu.name),
    }
}

/// Lets the interrupts come to another vCPU, too: when the core that has them goes off, another one gets them.
pub(crate) fn enable(way: Way, policy: &Policy) {
    let wires = policy.smmus.iter().filter_map(|smmu| smmu.interrupts);
    for intid in wires.flat_map(|wires| [wires.event, wires.error]) {
        // What the manager refuses was said when the first vCPU started.
        let _: bool = match way {
            Way::Hypercalls(source) => source.enable(intid, true),
            Way::Polling(source) => source.enable(intid, true),
        };
    }
}

/// Serves what has come to this vCPU.
pub(crate) fn serve(way: Way, service: &IommuService) {
    match way {
        Way::Hypercalls(source) => serve_from(source, service),
        Way::Polling(source) => serve_from(source, service),
    }
}

fn serve_from(source: impl InterruptSource, service: &IommuService) {
    for _ in 0..MOST_AT_ONCE {
        let Some(intid) = source.take() else { break };
        match service.interrupted(intid) {
            Ok(()) => {}
            // Its interrupts are off until it works again.
            Err(reason @ InterruptError::Failed(_)) => log!("interrupt {intid}: {reason}"),
            Err(reason) => {
                let off = source.enable(intid, false);
                log!("interrupt {intid}: {reason}; {}", if off { "it is off" } else { "it stays on" });
            }
        }
        source.end(intid);
    }
}
