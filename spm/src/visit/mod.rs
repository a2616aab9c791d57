// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One stay of a core in a partition, from the registers that are loaded before it to those that are stored after it: what
//! traps meanwhile is handled here, and what needs somebody else ends the visit. What the partition is lent meanwhile is in `lent`, what
//! interrupts do to it in `interrupts`.
#![expect(unsafe_code, reason = "enters partitions")]

mod interrupts;
mod lent;

use core::fmt::Arguments;

use spm_core::cycles::Resume;
use spm_core::direct_message::VcpuRef;
use spm_core::hardware::Hardware;
use spm_core::interrupts::InterruptLine;
use spm_core::manifest::actions::{AbortAction, NsInterruptsAction};
use spm_core::partition::Partition;
use spm_core::partition_calls::PartitionNext;
use spm_core::registers::MessageRegisters;
use spm_core::vcpu::{Vcpu, VcpuState};

use crate::arch::fp_context;
use crate::arch::gic::{PMR_ALL, PMR_SECURE_ONLY};
use crate::arch::sysreg::ESR_EL2;
use crate::console::say;
use crate::contexts::{Registers, VcpuContext};
use crate::machine::Machine;
use crate::panic::{Crash, stop_machine};
use crate::run::{Held, Run};
use crate::traps::{self, Fault, Trap};
use interrupts::{Actions, exit};
use lent::Lent;

unsafe extern "C" {
    fn enter_partition(registers: *mut Registers) -> u64;
}

/// Why a partition gave the core back.
pub(crate) enum Left {
    /// It sends a direct request, of this function ID, to a vCPU that is claimed for it.
    Request(VcpuRef, u32),
    /// It lets a vCPU that it called go on, which is claimed.
    Run(VcpuRef, Resume),
    /// It gives the core back before it is done.
    Yielded,
    /// An interrupt of the normal world takes the core from it.
    Preempted,
    /// Another partition's interrupt takes the core from it for a while; that one's vCPU is claimed for it.
    Interrupted(VcpuRef, InterruptLine),
    /// It responds to the request that it worked on.
    Response(u32),
    /// It waits for messages.
    Waiting,
    /// It was stopped.
    Stopped,
}

impl Run<'_> {
    /// Runs one vCPU until it needs somebody else. Its registers are in its context before and after.
    #[inline(always)]
    pub(crate) fn visit(&mut self, held: &mut Held<'_>) -> Left {
        let Held { at: vcpu, state, ref mut context, action, others, .. } = *held;
        state.set_core(self.core);
        if self.normal.selected != Some(vcpu.partition) {
            self.world.select(vcpu);
            self.normal.selected = Some(vcpu.partition);
        }
        let mut lent = Lent { application: held.partition.is_application(), ..Lent::default() };
        context.el1.pmr = match action {
            NsInterruptsAction::Queued => PMR_SECURE_ONLY,
            NsInterruptsAction::ManagedExit | NsInterruptsAction::Signalled => {
                self.watch_tick();
                lent.core = true;
                PMR_ALL
            }
        };
        context.el1.load();
        if lent.application {
            self.set_control(lent);
        }
        if self.world.features.sme {
            self.close_streaming(context, &mut lent);
        }
        let left = loop {
            let signals = state.interrupts.signals();
            if signals != lent.signals {
                lent.signals = signals;
                self.set_control(lent);
            }
            let at = (held.partition, state);
            if let Some(left) = self.stay(vcpu, at, context, (action, others), &mut lent) {
                break left;
            }
            // It may have failed on another core meanwhile.
            if held.partition.is_stopped() {
                break Left::Stopped;
            }
        };
        context.el1.save();
        if lent.anything() {
            self.take_back(context, lent);
            if lent.exits {
                held.action = NsInterruptsAction::Queued;
            }
        }
        if self.world.features.sme {
            fp_context::open_streaming(&self.world.features);
        }
        left
    }

    /// Enters the partition and handles what ends the stay. Nothing is returned if it simply goes on.
    #[inline(always)]
    fn stay(
        &mut self,
        vcpu: VcpuRef,
        (partition, state): (&Partition, &Vcpu),
        context: &mut VcpuContext,
        actions: Actions,
        lent: &mut Lent,
    ) -> Option<Left> {
        // SAFETY: the registers of EL1 and stage 2 are the partition's, so it reaches nothing but its own; `registers` is
        // laid out as vectors.s expects and held by this core alone.
        let kind = unsafe { enter_partition(&raw mut context.registers) };
        if kind != exit::SYNCHRONOUS {
            return self.interrupted(kind, vcpu, state, context, actions, lent);
        }
        if lent.application {
            let trap =
                traps::handle_application(ESR_EL2::read(), &mut context.registers, &self.world.features);
            return self.trapped(trap, vcpu, state, context, actions.0, lent);
        }
        match traps::handle(ESR_EL2::read(), &mut context.registers, &self.world.features) {
            Trap::Call => {
                let (spmc, message) = (&self.world.spmc, &mut context.registers.message);
                let next = spmc.from_running(vcpu, (partition, state), message, self.core, &Machine);
                self.called(vcpu, next)
            }
            trap => self.trapped(trap, vcpu, state, context, actions.0, lent),
        }
    }

    /// What a partition at S-EL1 does seldom, and all that one at S-EL0 does.
    #[inline(never)]
    fn trapped(
        &mut self,
        trap: Trap,
        vcpu: VcpuRef,
        state: &Vcpu,
        context: &mut VcpuContext,
        action: NsInterruptsAction,
        lent: &mut Lent,
    ) -> Option<Left> {
        if state.state() == VcpuState::Aborted {
            return Some(Left::Stopped);
        }
        match trap {
            Trap::Call => self.called_seldom(vcpu, &mut context.registers.message),
            Trap::Resume => None,
            Trap::Hypercall => self.hypercalled(vcpu, &mut context.registers.message),
            Trap::Timer(access) => {
                self.timer(vcpu, state, &mut context.registers, access);
                None
            }
            Trap::Wait => self.idle(vcpu, state, context, action),
            Trap::NeedsVectors if !lent.vectors => {
                self.lend_vectors(context);
                lent.vectors = true;
                None
            }
            Trap::NeedsKeys if !lent.keys => {
                self.normal.keys.save();
                context.keys.load();
                lent.keys = true;
                self.set_control(*lent);
                None
            }
            // Lending twice would take the partition's values for the normal world's.
            Trap::NeedsVectors | Trap::NeedsKeys => {
                Some(self.stop(vcpu, format_args!("it cannot use what it was given")))
            }
            Trap::Fault(fault) => Some(self.fault(vcpu, context, &fault)),
        }
    }

    /// Goes on after a call. Nothing is returned if the partition does.
    #[inline(always)]
    fn called(&self, vcpu: VcpuRef, next: PartitionNext) -> Option<Left> {
        match next {
            PartitionNext::Answer => None,
            PartitionNext::Response(function) => Some(Left::Response(function)),
            PartitionNext::Request(to, function) => Some(Left::Request(to, function)),
            PartitionNext::Run(to, resume) => Some(Left::Run(to, resume)),
            PartitionNext::Wait => Some(Left::Waiting),
            PartitionNext::Yield => Some(Left::Yielded),
            PartitionNext::Failed(None) => {
                Some(self.stop(vcpu, format_args!("it says that it cannot go on")))
            }
            PartitionNext::Failed(Some(value)) => {
                Some(self.stop(vcpu, format_args!("it aborts with {value:#x}")))
            }
        }
    }

    /// Calls by HVC are those about interrupts, or FF-A's.
    #[inline(never)]
    fn hypercalled(&mut self, vcpu: VcpuRef, message: &mut MessageRegisters) -> Option<Left> {
        if self.world.spmc.hypercall(vcpu, message, self.core, &Machine) {
            return None;
        }
        self.called_seldom(vcpu, message)
    }

    /// Serves a call of one whose time does not count.
    #[inline(never)]
    fn called_seldom(&mut self, vcpu: VcpuRef, message: &mut MessageRegisters) -> Option<Left> {
        let next = self.world.spmc.from_partition(vcpu, message, self.core, &Machine);
        self.called(vcpu, next)
    }

    #[cold]
    fn stop(&self, vcpu: VcpuRef, reason: Arguments<'_>) -> Left {
        if let Some(partition) = self.world.spmc.partitions().get(vcpu.partition) {
            let action = self.world.spmc.abort(vcpu, &Machine);
            partition.log.lock().flush(|line| Machine.log(partition, line));
            say!("{}: stopped: {reason}", partition.name());
            if action == Some(AbortAction::Propagate) {
                stop_machine(&Crash::Partition(partition.name()));
            }
        }
        Left::Stopped
    }

    #[cold]
    fn fault(&self, vcpu: VcpuRef, context: &VcpuContext, fault: &Fault) -> Left {
        let at = context.registers.elr;
        self.stop(vcpu, format_args!("vCPU {} at {at:#x}: {fault}", vcpu.vcpu))
    }
}
