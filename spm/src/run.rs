// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a core: it takes calls from the SPMD, runs partitions for them, and answers.
//!
//! A request that a partition sends to another is run on the same core; while the second works, the first is `Blocked`
//! and its registers stay held here.

use arm_ffa::FfaError;
use heapless::Vec;
use spm_core::cycles::{Resume, tell_run, tell_unfinished};
use spm_core::direct_message::{VcpuRef, deliver};
use spm_core::endpoint::EndpointId;
use spm_core::function;
use spm_core::interrupts::InterruptLine;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::manifest::partition::NsInterruptsAction;
use spm_core::partition::{CoreIndex, Partition};
use spm_core::registers::{MessageRegisters, answer, error};
use spm_core::spmc::NormalNext;
use spm_core::vcpu::VcpuState;
use spm_core::work::Work;

use crate::arch::smc::exchange_with_spmd;
use crate::contexts::{HeldContext, NormalContext};
use crate::machine::Machine;
use crate::panic::park_if_failed;
use crate::visit::Left;
use crate::world::World;

/// Tells the SPMD that this core is ready, and serves what it sends, for ever.
pub(crate) fn serve(world: &World, core: CoreIndex, normal: &mut NormalContext) -> ! {
    answer(&mut normal.message, [function::MSG_WAIT, 0, 0, 0, 0, 0, 0, 0]);
    loop {
        exchange_with_spmd(&mut normal.message);
        park_if_failed();
        match world.spmc.from_normal_world(&mut normal.message, core, &Machine) {
            NormalNext::Answer => {}
            NormalNext::Request(vcpu, function) => {
                let mut run = Run { world, core, normal };
                run.request(vcpu, function);
            }
            NormalNext::Run(vcpu, resume) => {
                let mut run = Run { world, core, normal };
                run.resume(vcpu, resume);
            }
            NormalNext::Interrupt => {
                let mut run = Run { world, core, normal };
                run.normal_world_interrupted();
                answer(&mut normal.message, [function::NORMAL_WORLD_RESUME, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
    }
}

/// How a partition's first run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// It waits for messages.
    Waiting,
    /// It failed, and is stopped.
    Failed,
}

/// Runs a vCPU that was never entered until it waits for messages.
pub(crate) fn start(world: &World, core: CoreIndex, normal: &mut NormalContext, vcpu: VcpuRef) -> Started {
    let Some(state) = world.vcpu(vcpu) else { return Started::Failed };
    if state.transition(VcpuState::Off, VcpuState::Running).is_err() {
        return Started::Failed;
    }
    Run { world, core, normal }.until_waiting(vcpu)
}

/// A vCPU that runs, or that waits for what comes of the one that does.
pub(crate) struct Caller {
    pub(crate) vcpu: VcpuRef,
    pub(crate) context: HeldContext,
    /// What becomes of the normal world's interrupts while it runs.
    pub(crate) action: NsInterruptsAction,
}

/// One call of the normal world that needs partitions.
pub(crate) struct Run<'a> {
    /// All that there is.
    pub(crate) world: &'a World,
    /// This core.
    pub(crate) core: CoreIndex,
    /// The normal world's registers on it.
    pub(crate) normal: &'a mut NormalContext,
}

impl Run<'_> {
    /// Serves the direct request in the normal world's registers by `vcpu`, which is claimed.
    #[inline]
    fn request(&mut self, vcpu: VcpuRef, function: u32) {
        let Some(mut context) = self.world.contexts.take(vcpu) else {
            return self.release(vcpu, FfaError::Busy);
        };
        deliver(function, &self.normal.message, &mut context.registers.message);
        let action = self.action(vcpu);
        self.until_answered(Caller { vcpu, context, action });
    }

    /// Returns what a partition wants of the normal world's interrupts.
    #[inline(always)]
    fn action(&self, vcpu: VcpuRef) -> NsInterruptsAction {
        let partition = self.world.spmc.partitions().get(vcpu.partition);
        partition.map_or(NsInterruptsAction::Queued, Partition::ns_interrupts)
    }

    /// The same for one that `caller` lets run: where interrupts wait for the caller, they wait for it, too (FF-A 1.3 §9.3.1.4).
    fn action_under(&self, caller: &Caller, vcpu: VcpuRef) -> NsInterruptsAction {
        match caller.action {
            NsInterruptsAction::Queued => NsInterruptsAction::Queued,
            NsInterruptsAction::ManagedExit | NsInterruptsAction::Signalled => self.action(vcpu),
        }
    }

    /// Serves FFA_RUN of the normal world by `vcpu`, which is claimed.
    #[inline(never)]
    fn resume(&mut self, vcpu: VcpuRef, resume: Resume) {
        let Some(mut context) = self.world.contexts.take(vcpu) else {
            self.drop_run(vcpu, resume);
            return error(&mut self.normal.message, FfaError::Busy);
        };
        self.prepare(vcpu, resume, &mut context);
        let action = self.action(vcpu);
        self.until_answered(Caller { vcpu, context, action });
    }

    /// Gives back a vCPU that was claimed to go on and did not.
    fn drop_run(&mut self, vcpu: VcpuRef, resume: Resume) {
        self.leave(vcpu, resume.left());
    }

    /// Lets a vCPU find what it goes on with.
    fn prepare(&self, vcpu: VcpuRef, resume: Resume, context: &mut HeldContext) {
        match resume {
            Resume::Run => tell_run(self.id(vcpu), vcpu.vcpu, &mut context.registers.message),
            Resume::Untouched => {}
        }
    }

    fn id(&self, vcpu: VcpuRef) -> EndpointId {
        // A vCPU that runs has a partition.
        self.world.spmc.partitions().get(vcpu.partition).map_or(EndpointId(0), Partition::id)
    }

    /// Gives back a vCPU that was claimed for a request and did not run.
    #[cold]
    fn release(&mut self, vcpu: VcpuRef, status: FfaError) {
        self.drop_claim(vcpu);
        error(&mut self.normal.message, status);
    }

    fn drop_claim(&mut self, vcpu: VcpuRef) {
        if let Some(state) = self.world.vcpu(vcpu) {
            state.set_work(Work::Nothing);
        }
        self.wait(vcpu);
    }

    /// Marks a vCPU as waiting. Its registers must be stored. If its partition was stopped meanwhile, it stays stopped.
    #[inline]
    fn wait(&mut self, vcpu: VcpuRef) {
        self.leave(vcpu, VcpuState::Waiting);
    }

    /// Marks a vCPU as what it is from now, likewise.
    #[inline]
    pub(crate) fn leave(&mut self, vcpu: VcpuRef, next: VcpuState) {
        let Some(partition) = self.world.spmc.partitions().get(vcpu.partition) else { return };
        let Some(state) = partition.vcpu(vcpu.vcpu) else { return };
        _ = state.transition(VcpuState::Running, next);
        if next == VcpuState::Waiting {
            if state.interrupts.any_left() {
                self.end_interrupts(partition, state);
            }
        } else {
            // It gives the core back: that was all that it was asked for.
            state.interrupts.withdraw(InterruptLine::MANAGED_EXIT);
        }
    }

    /// Runs `current`, and whom it calls, until x0–x17 of the normal world hold the answer, and keeps its other registers
    /// meanwhile.
    #[inline(never)]
    fn until_answered(&mut self, current: Caller) {
        self.normal.el1.save();
        self.run_chain(current);
        if self.normal.look {
            self.serve_interrupts();
        }
        self.normal.el1.load();
    }

    /// As [`Run::run_chain`], where nobody waits for it to be quick.
    #[inline(never)]
    pub(crate) fn run_side_chain(&mut self, current: Caller) {
        self.run_chain(current);
    }

    /// Runs `current`, and whom it calls, until the chain is at its end.
    #[inline(always)]
    fn run_chain(&mut self, mut current: Caller) {
        let mut callers: Vec<Caller, MAX_PARTITIONS> = Vec::new();
        loop {
            let left = self.visit(current.vcpu, &mut current.context, current.action);
            match left {
                Left::Response(function) if callers.is_empty() => {
                    deliver(function, &current.context.registers.message, &mut self.normal.message);
                    drop(current.context);
                    return self.wait(current.vcpu);
                }
                left => match self.other_way(left, current, &mut callers) {
                    Some(next) => current = next,
                    None => return,
                },
            }
        }
    }

    /// Goes on where a partition did anything but answer the normal world. Returns who runs next, if anybody.
    #[inline(never)]
    fn other_way(
        &mut self,
        left: Left,
        mut current: Caller,
        callers: &mut Vec<Caller, MAX_PARTITIONS>,
    ) -> Option<Caller> {
        match left {
            Left::Request(to, function) => {
                let Some(mut context) = self.world.contexts.take(to) else {
                    self.drop_claim(to);
                    error(&mut current.context.registers.message, FfaError::Busy);
                    return Some(current);
                };
                deliver(function, &current.context.registers.message, &mut context.registers.message);
                let action = self.action_under(&current, to);
                self.block(current, callers);
                Some(Caller { vcpu: to, context, action })
            }
            Left::Run(to, resume) => {
                let Some(mut context) = self.world.contexts.take(to) else {
                    self.drop_run(to, resume);
                    error(&mut current.context.registers.message, FfaError::Busy);
                    return Some(current);
                };
                self.prepare(to, resume, &mut context);
                let action = self.action_under(&current, to);
                self.block(current, callers);
                Some(Caller { vcpu: to, context, action })
            }
            Left::Response(function) => self.back(current, callers, VcpuState::Waiting, |from, to| {
                deliver(function, from, to);
            }),
            Left::Yielded => {
                let (id, number) = (self.id(current.vcpu), current.vcpu.vcpu);
                self.back(current, callers, VcpuState::Yielded, |_, to| {
                    tell_unfinished(function::YIELD, id, number, to);
                })
            }
            Left::Preempted => {
                let (id, number) = (self.id(current.vcpu), current.vcpu.vcpu);
                self.back(current, callers, VcpuState::Preempted, |_, to| {
                    tell_unfinished(function::INTERRUPT, id, number, to);
                })
            }
            // Its first run, or one by FFA_RUN: cycles.rs refuses it while a request is open. Only the normal world gives those.
            Left::Waiting => {
                let state = self.world.vcpu(current.vcpu);
                if state.is_some_and(|state| state.work() == Work::Run) {
                    answer(&mut self.normal.message, [function::MSG_WAIT, 0, 0, 0, 0, 0, 0, 0]);
                }
                if let Some(state) = state {
                    state.set_work(Work::Nothing);
                }
                drop(current.context);
                self.wait(current.vcpu);
                None
            }
            Left::Stopped => {
                self.back(current, callers, VcpuState::Stopped, |_, to| error(to, FfaError::Aborted))
            }
        }
    }

    /// Lets a vCPU wait for what comes of another one.
    fn block(&mut self, current: Caller, callers: &mut Vec<Caller, MAX_PARTITIONS>) {
        self.leave(current.vcpu, VcpuState::Blocked);
        // Each partition is at most once in the chain, since a blocked one is given no core.
        _ = callers.push(current);
    }

    /// Gives the core back to whoever gave it to `current`, which is `next` from now; `tell` writes into the registers of
    /// the one what it learns of those of the other. Returns who runs next, if it is not the normal world.
    fn back(
        &mut self,
        current: Caller,
        callers: &mut Vec<Caller, MAX_PARTITIONS>,
        next: VcpuState,
        tell: impl FnOnce(&MessageRegisters, &mut MessageRegisters),
    ) -> Option<Caller> {
        let mut caller = callers.pop();
        let to = match &mut caller {
            Some(caller) => &mut caller.context.registers.message,
            None => &mut self.normal.message,
        };
        tell(&current.context.registers.message, to);
        drop(current.context);
        self.leave(current.vcpu, next);
        self.unblock(caller?, callers)
    }

    /// Lets a caller go on, or, if it was stopped while it was blocked, its own caller.
    fn unblock(&mut self, caller: Caller, callers: &mut Vec<Caller, MAX_PARTITIONS>) -> Option<Caller> {
        let runs = self
            .world
            .vcpu(caller.vcpu)
            .is_some_and(|state| state.transition(VcpuState::Blocked, VcpuState::Running).is_ok());
        if runs { Some(caller) } else { self.other_way(Left::Stopped, caller, callers) }
    }

    /// The first run of a vCPU.
    fn until_waiting(&mut self, vcpu: VcpuRef) -> Started {
        let Some(context) = self.world.contexts.take(vcpu) else { return Started::Failed };
        self.until_answered(Caller { vcpu, context, action: NsInterruptsAction::Queued });
        let waits = self.world.vcpu(vcpu).is_some_and(|state| state.state() == VcpuState::Waiting);
        if waits { Started::Waiting } else { Started::Failed }
    }
}
