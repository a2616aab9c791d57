// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SMMUs' interrupts: the way in which they come, and what is done then. How much of it is done is decided in
//! `iommu_core::service`.

use crate::Smmu;
use ffa_abi::SmmuIndex;
use iommu_core::policy::{self, Interrupts, MAX_SMMUS, Policy};
use iommu_core::service::{InterruptError, Service};
use sp_runtime::{InterruptSource, log};

/// Interrupts that are served before the partition waits again: each SMMU's two. What is left comes again then.
const MOST_AT_ONCE: usize = 2 * MAX_SMMUS;

type IommuService = Service<'static, &'static Smmu>;
/// The way in which interrupts come to this partition.
pub(crate) type Source = &'static (dyn InterruptSource + Sync);

/// Lets the interrupts come, and says of each SMMU whether they do.
pub(crate) fn start(source: Source, policy: &Policy, service: &IommuService) {
    for (index, smmu) in (0..).zip(&policy.smmus) {
        watch(source, SmmuIndex(index), smmu, service);
    }
}

fn watch(source: Source, index: SmmuIndex, smmu: &policy::Smmu, service: &IommuService) {
    const LOOKS: &str = "events and errors are looked for when the host asks";
    let Some(Interrupts { event, error }) = smmu.interrupts else {
        log!("{}: {LOOKS}", smmu.name);
        return;
    };
    // First the manager or the GIC: an interrupt that is held back there would be missed.
    for intid in [event, error] {
        if !source.enable(intid) {
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
pub(crate) fn share(source: Source, policy: &Policy) {
    source.core_on();
    let wires = policy.smmus.iter().filter_map(|smmu| smmu.interrupts);
    for intid in wires.flat_map(|wires| [wires.event, wires.error]) {
        source.share(intid);
    }
}

/// Serves what has come to this vCPU.
pub(crate) fn serve(source: Source, service: &IommuService) {
    for _ in 0..MOST_AT_ONCE {
        let Some(intid) = source.take() else { break };
        match service.interrupted(intid) {
            Ok(()) => {}
            // Its interrupts are off until it works again.
            Err(reason @ InterruptError::Failed(_)) => log!("interrupt {intid}: {reason}"),
            Err(reason) => {
                let off = source.disable(intid);
                log!("interrupt {intid}: {reason}; {}", if off { "it is off" } else { "it stays on" });
            }
        }
        source.end(intid);
    }
}
