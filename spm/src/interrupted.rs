// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a core does about interrupts: it takes those of the secure world, makes them pending for whoever has them, and lets
//! partitions run that wait and have one (FF-A 1.3 §9.3.2).
//!
//! Whose an interrupt is, and who is to run, is decided in `spm_core::interrupts`.

use spm_core::cycles::tell_interrupt;
use spm_core::interrupts::InterruptLine;
use spm_core::interrupts::hypercall::finish_all;
use spm_core::interrupts::routing::Owner;
use spm_core::manifest::partition::NsInterruptsAction;
use spm_core::partition::Partition;
use spm_core::vcpu::{Vcpu, VcpuState};

use crate::arch::gic::{self, KICK_SGI};
use crate::arch::timer::{self, TIMER_INTID};
use crate::console::say;
use crate::machine::Machine;
use crate::run::{Caller, Run};

/// Most interrupts that are taken one after the other. A source that does not stop gets its turn again at the next one.
const MOST_AT_ONCE: usize = 64;
/// How often waiting partitions are asked before the normal world goes on, though some still have interrupts pending.
const ROUNDS: usize = 4;

impl Run<'_> {
    /// Takes the secure interrupts that are signalled.
    #[cold]
    pub(crate) fn take_interrupts(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let Some(interrupt) = gic::take() else { break };
            match interrupt {
                KICK_SGI => gic::deactivate(KICK_SGI),
                TIMER_INTID => {
                    self.run_timers();
                    gic::deactivate(TIMER_INTID);
                }
                other => match self.world.spmc.take_interrupt(other, self.core, &Machine) {
                    Owner::Vcpu(_) => {}
                    Owner::Nobody => say!("secure interrupt {other} has no owner and stays off"),
                },
            }
        }
        self.normal.look = true;
    }

    /// Tells the vCPUs whose timers have run out, and waits for the next.
    pub(crate) fn run_timers(&mut self) {
        timer::arm(self.world.spmc.run_timers(self.core, timer::now(), &Machine));
        self.normal.look = true;
    }

    /// The normal world was interrupted: takes what there is, and lets those run who have it.
    #[cold]
    pub(crate) fn normal_world_interrupted(&mut self) {
        self.take_interrupts();
        self.normal.el1.save();
        self.serve_interrupts();
        self.normal.el1.load();
    }

    /// Lets waiting partitions run that have interrupts. The normal world's EL1 registers must be stored.
    #[cold]
    pub(crate) fn serve_interrupts(&mut self) {
        // Whatever becomes of them, it is no answer to the normal world's call.
        let message = self.normal.message;
        for _ in 0..ROUNDS {
            if !core::mem::take(&mut self.normal.look) {
                break;
            }
            let mut seen = 0;
            while let Some((vcpu, line)) = self.world.spmc.claim_for_interrupt(self.core, &mut seen) {
                let (Some(mut context), Some(partition)) =
                    (self.world.contexts.take(vcpu), self.world.spmc.partitions().get(vcpu.partition))
                else {
                    self.leave(vcpu, VcpuState::Waiting);
                    continue;
                };
                tell_interrupt(partition.intid(line), &mut context.registers.message);
                self.run_side_chain(Caller { vcpu, context, action: NsInterruptsAction::Queued });
            }
        }
        self.normal.message = message;
    }

    /// What is left of interrupts when a vCPU begins to wait: it has done with those that it took, and runs again for those
    /// that it did not.
    #[cold]
    pub(crate) fn end_interrupts(&mut self, partition: &Partition, vcpu: &Vcpu) {
        finish_all(partition, &vcpu.interrupts, &Machine);
        vcpu.interrupts.withdraw(InterruptLine::MANAGED_EXIT);
        if vcpu.interrupts.wakes() {
            self.normal.look = true;
        }
    }
}
