// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a core does about interrupts: it takes those of the secure world, makes them pending for whoever has them, and lets
//! partitions run that wait and have one (FF-A 1.3 §9.3.2).
//!
//! Whose an interrupt is, and who is to run, is decided in `spm_core::interrupts`.

use spm_core::gic::{KICK_SGI, TIMER_INTID};
use spm_core::hardware::Hardware;
use spm_core::interrupts::InterruptLine;
use spm_core::interrupts::hypercall::finish_all;
use spm_core::interrupts::routing::{Owner, Rounds};
use spm_core::manifest::actions::NsInterruptsAction;
use spm_core::normal_timer::deadline;
use spm_core::partition::Partition;
use spm_core::registers::MessageRegisters;
use spm_core::vcpu::{Vcpu, VcpuState};

use crate::arch::{gic, timer};
use crate::console::say;
use crate::machine::Machine;
use crate::run::{Held, Run};

/// Most interrupts that are taken one after the other. A source that does not stop gets its turn again at the next one.
const MOST_AT_ONCE: usize = 64;

/// How far a core is with the vCPUs that run for interrupts before it goes back to the normal world.
pub(crate) struct SideChains {
    /// The normal world's registers: what becomes of those vCPUs is no answer to its call.
    message: MessageRegisters,
    rounds: Rounds,
}

impl SideChains {
    fn new(message: MessageRegisters) -> Self {
        Self { message, rounds: Rounds::default() }
    }
}

impl<'a> Run<'a> {
    /// Takes the secure interrupts that are signalled.
    #[cold]
    pub(crate) fn take_interrupts(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let Some(interrupt) = gic::take() else { break };
            match interrupt {
                KICK_SGI => {
                    gic::deactivate(KICK_SGI);
                    self.run_timers();
                }
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
        let next = self.world.spmc.run_timers(self.core, timer::now(), &Machine);
        timer::arm(next.into_iter().chain(self.normal.tick).min());
        self.normal.look = true;
    }

    /// Lets the normal world's virtual timer interrupt the partition that is about to run with its registers.
    #[cold]
    pub(crate) fn watch_tick(&mut self) {
        let Self { normal, .. } = self;
        let (control, compare) = (normal.el1.cntv_ctl, normal.el1.cntv_cval);
        normal.tick = deadline(control, compare, timer::now(), timer::ten_milliseconds());
        if normal.tick.is_some() {
            self.run_timers();
        }
    }

    /// Ends that: the partition does not run any more, or is to run on. The timer may fire in vain then, once.
    #[cold]
    pub(crate) fn forget_tick(&mut self) {
        if self.normal.tick.take().is_some() {
            self.run_timers();
        }
    }

    /// Tells whether the normal world's virtual timer has interrupted it.
    #[cold]
    pub(crate) fn is_tick_due(&self) -> bool {
        self.normal.tick.is_some_and(|tick| tick <= timer::now())
    }

    /// The normal world was interrupted: takes what there is, and lets those run who have it.
    #[cold]
    pub(crate) fn normal_world_interrupted(&mut self) {
        self.take_interrupts();
        if let Some(first) = self.next_interrupted(&mut None) {
            self.until_answered(first);
        }
    }

    /// Returns the next waiting vCPU that has to run for an interrupt before the normal world goes on, and prepares it. With
    /// nothing returned the registers of the normal world's call are what they were when this was first asked.
    #[cold]
    pub(crate) fn next_interrupted(&mut self, side: &mut Option<SideChains>) -> Option<Held<'a>> {
        let side = side.get_or_insert_with(|| SideChains::new(self.normal.message));
        loop {
            side.rounds.note(core::mem::take(&mut self.normal.look));
            if let Some(held) = self.next_to_start() {
                return Some(held);
            }
            let Some((vcpu, line)) = self.world.spmc.claim_next(self.core, &mut side.rounds) else {
                self.normal.message = side.message;
                return None;
            };
            if let Some(mut held) = self.hold(vcpu, VcpuState::Waiting) {
                held.prepare_interrupt(line);
                return Some(held);
            }
        }
    }

    /// Returns the next vCPU that starts again on this core, and prepares it. The normal world's interrupts wait for it, as they did
    /// at its first start.
    fn next_to_start(&mut self) -> Option<Held<'a>> {
        let start = self.world.spmc.claim_for_start(self.core)?;
        let mut held = self.hold(start.at, VcpuState::Off)?;
        if let Some(entry) = start.entry {
            held.context.start_at(entry);
        }
        held.action = NsInterruptsAction::Queued;
        Some(held)
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
        if vcpu.wants_scheduler() {
            Machine.raise_schedule_receiver_interrupt();
        }
    }
}
