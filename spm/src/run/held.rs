// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A vCPU that a core has claimed: what belongs to it is taken when it is claimed, and given up before another core can claim it.

use spm_core::cycles::{Resume, tell_interrupt, tell_run};
use spm_core::direct_message::VcpuRef;
use spm_core::interrupts::InterruptLine;
use spm_core::manifest::actions::{NsInterruptsAction, OtherInterruptsAction};
use spm_core::partition::Partition;
use spm_core::vcpu::{Vcpu, VcpuState};

use super::Run;
use crate::console::say;
use crate::contexts::HeldContext;

/// A vCPU that runs, or that waits for what comes of the one that does. This core has it claimed.
pub(crate) struct Held<'a> {
    pub(crate) at: VcpuRef,
    pub(crate) partition: &'a Partition,
    pub(crate) state: &'a Vcpu,
    pub(crate) context: HeldContext,
    /// What becomes of the normal world's interrupts while it runs.
    pub(crate) action: NsInterruptsAction,
    /// What becomes of other partitions' meanwhile.
    pub(crate) others: OtherInterruptsAction,
}

impl Held<'_> {
    /// Lets it find what it goes on with.
    pub(super) fn prepare(&mut self, resume: Resume) {
        match resume {
            Resume::Run => tell_run(self.partition.id(), self.at.vcpu, &mut self.context.registers.message),
            Resume::Untouched => {}
        }
    }

    /// Lets it find that it runs for an interrupt; the normal world's wait for it (FF-A 1.3 §9.2.4).
    pub(crate) fn prepare_interrupt(&mut self, line: InterruptLine) {
        tell_interrupt(self.partition.intid(line), &mut self.context.registers.message);
        if self.partition.is_application() {
            // It learns of the interrupt in no other way.
            self.state.interrupts.accept(line);
        }
        self.action = NsInterruptsAction::Queued;
    }
}

impl<'a> Run<'a> {
    /// Takes what belongs to a vCPU that is claimed. If that cannot be, which would be an error of spm's, it is as it was
    /// before it was claimed: `back` says how.
    #[inline(always)]
    pub(crate) fn hold(&self, at: VcpuRef, back: VcpuState) -> Option<Held<'a>> {
        let partition = self.world.spmc.partitions().get(at.partition)?;
        let state = partition.vcpu(at.vcpu)?;
        let Some(context) = self.world.contexts.take(at) else {
            if state.transition(VcpuState::Running, back).is_err() {
                state.give_up();
            }
            return None;
        };
        let (action, others) = (partition.ns_interrupts(), partition.other_interrupts());
        Some(Held { at, partition, state, context, action, others })
    }

    /// Gives a vCPU up, which is `next` from now, unless its partition has failed.
    #[inline]
    pub(super) fn leave(&mut self, held: Held<'_>, next: VcpuState) {
        let Held { at, partition, state, context, .. } = held;
        // Its registers are stored before another core can claim it.
        drop(context);
        if state.transition(VcpuState::Running, next).is_err() || next == VcpuState::Stopped {
            self.leave_failed(at, state);
        } else if next != VcpuState::Waiting {
            // It gives the core back: that was all that it was asked for.
            state.interrupts.withdraw(InterruptLine::MANAGED_EXIT);
        } else if state.interrupts.any_left() {
            self.end_interrupts(partition, state);
        }
    }

    /// Gives a vCPU of a partition up that has failed. The last core that does so cleans up.
    #[cold]
    fn leave_failed(&mut self, at: VcpuRef, state: &Vcpu) {
        state.give_up();
        if let Some((end, partition)) = self.end(at.partition) {
            say!("{}: {end}", partition.name());
        }
    }
}
