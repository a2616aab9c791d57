// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of SMMUs on their way to the service, and such that nobody raised: on the same core between messages, on others
//! at any time.

use super::{Cost, Inner, Machine};
use crate::architecture::low;
use crate::finding::Invariant;
use crate::smmu::{Kind, Transaction};
use ffa_abi::SmmuIndex;
use iommu_core::service::InterruptError;
use std::collections::BTreeSet;

/// Interrupts of one SMMU that are served before they are off until the host asks (docs/protocol.md).
const MOST: u64 = 64;
/// Interrupts that a storm brings at most: more than are served, and than are passed over afterwards.
const STORM: u64 = 3 * MOST;

/// What is on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Wires {
    /// INTIDs that were raised and not served yet.
    pending: BTreeSet<u32>,
    /// INTIDs that the service wants no more.
    off: BTreeSet<u32>,
    /// By SMMU: how many were served since the host asked for its reports.
    served: Vec<u64>,
}

impl Inner {
    /// Has interrupts that SMMUs raised be on their way.
    fn collect(&mut self) {
        for (smmu, described) in self.smmus.iter_mut().zip(&self.policy.smmus) {
            let (event, error) = smmu.take_interrupts();
            if let Some(wires) = described.interrupts {
                self.wires.pending.extend(event.then_some(wires.event));
                self.wires.pending.extend(error.then_some(wires.error));
            }
        }
    }

    /// Takes an interrupt that is to be delivered now.
    fn next_interrupt(&mut self) -> Option<u32> {
        self.collect();
        let place = self.around.random.place(self.wires.pending.len());
        let intid = self.wires.pending.iter().nth(place).copied()?;
        self.wires.pending.remove(&intid);
        Some(intid).filter(|intid| !self.wires.off.contains(intid))
    }

    /// Takes an interrupt that another core serves in the middle of what this one does, if it comes now.
    pub(super) fn interrupt_meanwhile(&mut self, seldom: u64) -> Option<u32> {
        if self.around.random.once_in(seldom) { self.next_interrupt() } else { None }
    }

    /// Takes note that the host has asked for reports: interrupts that were off may be on again.
    pub(super) fn polled(&mut self) {
        self.wires.served.iter_mut().for_each(|served| *served = 0);
    }

    /// Counts an interrupt that was served, and finds SMMUs that may interrupt without an end.
    fn served(&mut self, intid: u32) {
        for (place, (smmu, described)) in self.smmus.iter().zip(&self.policy.smmus).enumerate() {
            self.wires.served.resize(self.policy.smmus.len(), 0);
            let Some(count) = self.wires.served.get_mut(place) else { continue };
            *count += u64::from(described.interrupts.is_some_and(|wires| wires.has(intid)));
            let count = *count;
            if count > MOST && smmu.events_interrupt() {
                self.around.findings.note(Invariant::Bound, || {
                    format!("SMMU {place} interrupts after {count} interrupts that nobody asked about")
                });
            }
        }
    }

    /// Finds SMMUs whose records nobody will look at before the host asks, though they should interrupt.
    pub(super) fn sweep_interrupts(&mut self) {
        self.collect();
        for (place, (smmu, described)) in self.smmus.iter().zip(&self.policy.smmus).enumerate() {
            let Some(wires) = described.interrupts else { continue };
            let works = u16::try_from(place).is_ok_and(|index| self.oracle.works(index));
            let coming = self.wires.pending.contains(&wires.event) || self.wires.off.contains(&wires.event);
            if works && smmu.events_interrupt() && smmu.has_events() && !coming {
                self.around
                    .findings
                    .note(Invariant::Service, || format!("nobody looks at the events of SMMU {place}"));
            }
        }
    }
}

impl Machine {
    /// Has SMMUs interrupt from here on, as far as the policy has interrupts for them.
    pub(super) fn watch(&self) {
        let (policy, Some(service)) = (self.inner().policy, self.service.get()) else { return };
        for (index, smmu) in (0..).zip(&policy.smmus) {
            if smmu.interrupts.is_some() {
                self.inner().cost = Cost::default();
                let watch = || service.watch(SmmuIndex(index));
                if let Some(Err(error)) = self.guarded(watch, || format!("watch {index}")) {
                    self.inner().note(Invariant::Service, || format!("SMMU {index}: {error}"));
                }
            }
        }
    }

    /// Delivers what is on its way, mostly.
    pub(super) fn deliver(&self) {
        for _ in 0..STORM {
            let mut inner = self.inner();
            let next = if inner.around.random.once_in(4) { None } else { inner.next_interrupt() };
            drop(inner);
            let Some(intid) = next else { return };
            self.serve(intid);
        }
    }

    /// Has another core serve an interrupt in the middle of what this one does.
    pub(super) fn serve_meanwhile(&self, intid: u32) {
        let mut inner = self.inner();
        let (core, cost) = (inner.core, inner.cost);
        inner.core = core + 1;
        drop(inner);
        self.serve(intid);
        let mut inner = self.inner();
        (inner.core, inner.cost) = (core, cost);
    }

    /// Has this core serve an interrupt.
    pub(super) fn serve(&self, intid: u32) {
        let Some(service) = self.service.get() else { return };
        let mut inner = self.inner();
        let core = inner.core;
        inner.cost = Cost::default();
        inner.around.memory.begun(core);
        let before = std::mem::replace(&mut inner.looking, true);
        drop(inner);
        let outcome = self.guarded(|| service.interrupted(intid), || format!("interrupt {intid}"));
        let mut inner = self.inner();
        inner.looking = before;
        inner.around.memory.answered(core);
        inner.check_cost();
        inner.counts.interrupts += 1;
        let known = inner.policy.smmus.iter().any(|smmu| smmu.interrupts.is_some_and(|it| it.has(intid)));
        match outcome {
            // In the middle of a look it is left to the core that looks, once for all that come meanwhile.
            Some(Ok(())) if known && before => {}
            Some(Ok(())) if known => inner.served(intid),
            Some(Err(InterruptError::Unexpected)) => _ = inner.wires.off.insert(intid),
            Some(Err(InterruptError::Failed(_) | InterruptError::Unacknowledged))
                if inner.oracle.is_hurt() =>
            {
                inner.wires.off.insert(intid);
            }
            Some(outcome) => {
                inner.note(Invariant::Service, || format!("interrupt {intid} was answered {outcome:?}"));
            }
            None => {}
        }
        inner.stir(intid.into());
    }

    /// Has an SMMU interrupt as often as it can: streams that nobody knows strike again as soon as it was served.
    pub(super) fn storm(&self, smmu: u16) {
        for _ in 0..STORM {
            let mut inner = self.inner();
            let stream = low(inner.around.random.word()) & 0xffff | 0x100;
            let address = inner.around.random.word();
            let transaction = Transaction { stream, address, write: true, kind: Kind::Untranslated };
            inner.strike_with(smmu.into(), transaction);
            let next = inner.next_interrupt();
            drop(inner);
            if let Some(intid) = next {
                self.serve(intid);
            }
        }
    }
}
