// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What interrupts do to a partition while it runs, and what it does about its own: it waits for them, and it has a timer.

use spm_core::direct_message::VcpuRef;
use spm_core::function;
use spm_core::interrupts::{InterruptLine, Signals};
use spm_core::manifest::actions::{NsInterruptsAction, OtherInterruptsAction};
use spm_core::vcpu::Vcpu;

use super::Left;
use super::lent::Lent;
use crate::arch::smc::ask_spmd;
use crate::arch::sysreg::ESR_EL2;
use crate::arch::{gic, timer};
use crate::contexts::{Registers, VcpuContext};
use crate::run::Run;
use crate::traps::{Fault, TimerAccess};

/// What ended a stay in a partition; the values are vectors.s's.
pub(super) mod exit {
    pub(in crate::visit) const SYNCHRONOUS: u64 = 0;
    pub(in crate::visit) const IRQ: u64 = 1;
    pub(in crate::visit) const FIQ: u64 = 2;
}

/// What becomes of the normal world's interrupts, and of other partitions', while a partition runs.
pub(super) type Actions = (NsInterruptsAction, OtherInterruptsAction);

impl Run<'_> {
    /// Interrupts of the secure world and of the normal world, and errors.
    #[cold]
    pub(super) fn interrupted(
        &mut self,
        kind: u64,
        vcpu: VcpuRef,
        state: &Vcpu,
        context: &VcpuContext,
        (action, others): Actions,
        lent: &mut Lent,
    ) -> Option<Left> {
        match (kind, action) {
            (exit::IRQ, _) => {
                self.take_interrupts();
                if self.is_tick_due() {
                    return self.wants_core(state, action, lent);
                }
                match others {
                    OtherInterruptsAction::Queued => None,
                    OtherInterruptsAction::Signalled => {
                        let next = self.world.spmc.claim_for_interrupt(self.core, &mut 0);
                        next.map(|(vcpu, line)| Left::Interrupted(vcpu, line))
                    }
                }
            }
            (exit::FIQ, _) if gic::is_for_el3() => {
                _ = ask_spmd(function::EL3_INTR_HANDLE, 0);
                None
            }
            (exit::FIQ, _) => self.wants_core(state, action, lent),
            _ => Some(self.fault(vcpu, context, &Fault::SystemError(ESR_EL2::read()))),
        }
    }

    /// The normal world has an interrupt.
    #[cold]
    fn wants_core(&mut self, state: &Vcpu, action: NsInterruptsAction, lent: &mut Lent) -> Option<Left> {
        match action {
            NsInterruptsAction::Signalled => return Some(Left::Preempted),
            // It would not learn of it.
            NsInterruptsAction::ManagedExit if !state.interrupts.is_enabled(InterruptLine::MANAGED_EXIT) => {
                return Some(Left::Preempted);
            }
            // It is asked once: from here on the interrupt waits, for whom it calls, too (FF-A 1.3 §9.3.1.2.1, rule 5).
            NsInterruptsAction::ManagedExit => {
                state.interrupts.pend(InterruptLine::MANAGED_EXIT);
                lent.exits = true;
            }
            NsInterruptsAction::Queued => {}
        }
        gic::mask_normal_world();
        self.forget_tick();
        None
    }

    /// A vCPU that waits for an interrupt: the core waits with it, if there is one that can come.
    #[cold]
    pub(super) fn idle(
        &mut self,
        vcpu: VcpuRef,
        state: &Vcpu,
        context: &VcpuContext,
        action: NsInterruptsAction,
    ) -> Option<Left> {
        let can_come = state.interrupts.any_enabled() || action != NsInterruptsAction::Queued;
        if !can_come {
            return Some(self.fault(vcpu, context, &Fault::Wait));
        }
        if state.interrupts.signals() == Signals::default() {
            gic::wait();
        }
        // Whatever ended the wait is taken when the vCPU goes on.
        None
    }

    /// An access to the timer that the partition sees.
    #[cold]
    pub(super) fn timer(
        &mut self,
        vcpu: VcpuRef,
        state: &Vcpu,
        registers: &mut Registers,
        access: TimerAccess,
    ) {
        let now = timer::now();
        let target = registers.get_mut(access.general);
        if access.reads {
            if let Some(target) = target {
                *target = state.timer.read(access.register, now);
            }
        } else {
            let value = target.map_or(0, |value| *value);
            self.world.spmc.write_timer(vcpu, access.register, value, now);
            self.run_timers();
        }
    }
}
