// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a core: it takes calls from the SPMD, runs partitions for them, and answers.
//!
//! A request that a partition sends to another is run on the same core; while the second works, the first is `Blocked`
//! and its registers stay held here.

use arm_ffa::FfaError;
use heapless::Vec;
use spm_core::abort::End;
use spm_core::cycles::{Resume, tell_interrupt, tell_run, tell_unfinished};
use spm_core::direct_message::{VcpuRef, deliver, deliver_request};
use spm_core::function;
use spm_core::interrupts::InterruptLine;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::manifest::actions::{NsInterruptsAction, OtherInterruptsAction};
use spm_core::partition::{CoreIndex, Partition};
use spm_core::registers::{MessageRegisters, answer, error};
use spm_core::spmc::NormalNext;
use spm_core::vcpu::{Vcpu, VcpuState};
use spm_core::work::Work;

use crate::arch::smc::exchange_with_spmd;
use crate::console::say;
use crate::contention;
use crate::contexts::{HeldContext, NormalContext};
use crate::machine::Machine;
use crate::panic::{fail_on_purpose, park_if_failed};
use crate::visit::Left;
use crate::world::World;

/// Tells the SPMD that this core is ready, and serves what it sends, for ever.
pub(crate) fn serve(world: &World, core: CoreIndex, normal: &mut NormalContext) -> ! {
    // What waited for this core while it was off.
    let mut run = Run { world, core, normal: &mut *normal };
    run.run_timers();
    run.normal_world_interrupted();
    answer(&mut normal.message, [function::MSG_WAIT, 0, 0, 0, 0, 0, 0, 0]);
    loop {
        world.spmc.raise_what_is_due(core, &Machine);
        exchange_with_spmd(&mut normal.message);
        park_if_failed();
        fail_on_purpose(&normal.message);
        let _held = contention::hold_global_lock();
        if contention::answer_if_asked(&mut normal.message) {
            continue;
        }
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
            NormalNext::Aborted => {
                let mut run = Run { world, core, normal };
                run.end_what_aborted();
            }
            NormalNext::CoreOff => {
                let mut run = Run { world, core, normal };
                run.core_goes_off();
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
    fn prepare(&mut self, resume: Resume) {
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

/// Those that wait, the one that began first.
type Callers<'a> = Vec<Held<'a>, MAX_PARTITIONS>;

/// One call of the normal world that needs partitions.
pub(crate) struct Run<'a> {
    /// All that there is.
    pub(crate) world: &'a World,
    /// This core.
    pub(crate) core: CoreIndex,
    /// The normal world's registers on it.
    pub(crate) normal: &'a mut NormalContext,
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

    /// Serves the direct request in the normal world's registers by a vCPU that is claimed.
    #[inline]
    fn request(&mut self, vcpu: VcpuRef, function: u32) {
        let Some(mut held) = self.hold(vcpu, VcpuState::Waiting) else {
            return error(&mut self.normal.message, FfaError::Busy);
        };
        let to = &mut held.context.registers.message;
        deliver_request(function, &self.normal.message, to, held.partition);
        self.until_answered(held);
    }

    /// Serves FFA_RUN of the normal world by a vCPU that is claimed.
    #[inline(never)]
    fn resume(&mut self, vcpu: VcpuRef, resume: Resume) {
        let Some(mut held) = self.hold(vcpu, resume.left()) else {
            return error(&mut self.normal.message, FfaError::Busy);
        };
        held.prepare(resume);
        self.until_answered(held);
    }

    /// Gives a vCPU up, which is `next` from now, unless its partition has failed.
    #[inline]
    pub(crate) fn leave(&mut self, held: Held<'_>, next: VcpuState) {
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

    /// Ends a partition that aborted, if it is time to, and lets it start again. Its first vCPU starts before this core goes
    /// back to the normal world.
    fn end(&mut self, place: usize) -> Option<(End, &'a Partition)> {
        let end = self.world.spmc.end(place, self.core, &Machine)?;
        if matches!(end, End::Restarts(_)) {
            self.normal.look = true;
        }
        self.world.spmc.partitions().get(place).map(|partition| (end, partition))
    }

    /// Looks whether partitions that aborted can come to their end now, since one of them is called: what they lent may have
    /// come back. The normal world's registers hold the answer.
    #[cold]
    fn end_what_aborted(&mut self) {
        for place in 0..self.world.spmc.partitions().len() {
            if let Some((end, partition)) = self.end(place)
                && !matches!(end, End::Waits(_))
            {
                say!("{}: {end}", partition.name());
            }
        }
        if let Some(first) = self.next_interrupted(&mut None) {
            self.until_answered(first);
        }
    }

    /// Runs `current`, and whom it calls, until x0–x17 of the normal world hold the answer, and then those who have interrupts;
    /// keeps the normal world's other registers meanwhile.
    #[inline(never)]
    pub(crate) fn until_answered(&mut self, mut current: Held<'a>) {
        self.normal.el1.save();
        let mut side = None;
        loop {
            self.run_chain(current);
            if !self.normal.look && side.is_none() {
                break;
            }
            match self.next_interrupted(&mut side) {
                Some(next) => current = next,
                None => break,
            }
        }
        self.normal.el1.load();
    }

    /// Runs `current`, and whom it calls, until the chain is at its end.
    #[inline(always)]
    fn run_chain(&mut self, mut current: Held<'a>) {
        let mut callers = Callers::new();
        loop {
            let left = self.visit(&mut current);
            match left {
                Left::Response(function) if callers.is_empty() => {
                    deliver(function, &current.context.registers.message, &mut self.normal.message);
                    return self.leave(current, VcpuState::Waiting);
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
        mut current: Held<'a>,
        callers: &mut Callers<'a>,
    ) -> Option<Held<'a>> {
        match left {
            Left::Request(to, function) => {
                let Some(mut callee) = self.hold(to, VcpuState::Waiting) else {
                    error(&mut current.context.registers.message, FfaError::Busy);
                    return Some(current);
                };
                let to = &mut callee.context.registers.message;
                deliver_request(function, &current.context.registers.message, to, callee.partition);
                Some(Self::block(current, callee, callers))
            }
            Left::Run(to, resume) => {
                let Some(mut callee) = self.hold(to, resume.left()) else {
                    error(&mut current.context.registers.message, FfaError::Busy);
                    return Some(current);
                };
                callee.prepare(resume);
                Some(Self::block(current, callee, callers))
            }
            Left::Response(function) => self.back(current, callers, VcpuState::Waiting, |from, to| {
                deliver(function, &from.context.registers.message, to);
            }),
            Left::Yielded => self.back(current, callers, VcpuState::Yielded, |from, to| {
                tell_unfinished(function::YIELD, from.partition.id(), from.at.vcpu, to);
            }),
            Left::Preempted => self.back(current, callers, VcpuState::Preempted, |from, to| {
                tell_unfinished(function::INTERRUPT, from.partition.id(), from.at.vcpu, to);
            }),
            Left::Interrupted(to, line) => {
                let Some(mut other) = self.hold(to, VcpuState::Waiting) else { return Some(current) };
                other.prepare_interrupt(line);
                Some(Self::block(current, other, callers))
            }
            Left::Waiting if current.state.work() == Work::Interrupt => {
                current.state.set_work(Work::Nothing);
                self.resume_interrupted(current, callers, VcpuState::Waiting)
            }
            Left::Stopped if current.state.work() == Work::Interrupt => {
                self.resume_interrupted(current, callers, VcpuState::Stopped)
            }
            // At the end of its start, or of FFA_RUN, which only the normal world can begin: cycles.rs refuses
            // it while a request is open.
            Left::Waiting => {
                if matches!(current.state.work(), Work::Run | Work::Abandoned) {
                    answer(&mut self.normal.message, [function::MSG_WAIT, 0, 0, 0, 0, 0, 0, 0]);
                }
                if current.state.work() == Work::Start {
                    self.world.spmc.started(current.at, &Machine);
                }
                current.state.set_work(Work::Nothing);
                self.leave(current, VcpuState::Waiting);
                None
            }
            Left::Stopped => {
                self.back(current, callers, VcpuState::Stopped, |_, to| error(to, FfaError::Aborted))
            }
        }
    }

    /// Lets `current` wait for what comes of `callee`, which runs: on behalf of the one, or for an interrupt. Where the normal world's interrupts wait for the one, they
    /// wait for the other, too (FF-A 1.3 §9.3.1.4).
    fn block(current: Held<'a>, mut callee: Held<'a>, callers: &mut Callers<'a>) -> Held<'a> {
        if current.action == NsInterruptsAction::Queued {
            callee.action = NsInterruptsAction::Queued;
        }
        if current.others == OtherInterruptsAction::Queued {
            callee.others = OtherInterruptsAction::Queued;
        }
        _ = current.state.transition(VcpuState::Running, VcpuState::Blocked);
        // Each partition is at most once in the chain, since a blocked one is given no core.
        _ = callers.push(current);
        callee
    }

    /// Gives the core back to whoever gave it to `current`, which is `next` from now; `tell` writes into the registers of
    /// the one what it learns of the other. Returns who runs next, if it is not the normal world.
    fn back(
        &mut self,
        current: Held<'a>,
        callers: &mut Callers<'a>,
        next: VcpuState,
        tell: impl FnOnce(&Held<'_>, &mut MessageRegisters),
    ) -> Option<Held<'a>> {
        let mut caller = callers.pop();
        let to = match &mut caller {
            Some(caller) => &mut caller.context.registers.message,
            None => &mut self.normal.message,
        };
        tell(&current, to);
        self.leave(current, next);
        self.unblock(caller?, callers)
    }

    /// Ends the run of a vCPU that ran for an interrupt: whoever was interrupted goes on as if nothing had happened.
    fn resume_interrupted(
        &mut self,
        current: Held<'a>,
        callers: &mut Callers<'a>,
        next: VcpuState,
    ) -> Option<Held<'a>> {
        self.leave(current, next);
        let interrupted = callers.pop()?;
        self.unblock(interrupted, callers)
    }

    /// Lets one that waited go on; or, if it was stopped meanwhile, whoever waits for it.
    fn unblock(&mut self, caller: Held<'a>, callers: &mut Callers<'a>) -> Option<Held<'a>> {
        match caller.state.transition(VcpuState::Blocked, VcpuState::Running) {
            Ok(()) => Some(caller),
            Err(_) => self.other_way(Left::Stopped, caller, callers),
        }
    }

    /// The first run of a vCPU.
    fn until_waiting(&mut self, vcpu: VcpuRef) -> Started {
        let Some(mut held) = self.hold(vcpu, VcpuState::Off) else { return Started::Failed };
        held.action = NsInterruptsAction::Queued;
        let state = held.state;
        self.until_answered(held);
        if state.state() == VcpuState::Waiting { Started::Waiting } else { Started::Failed }
    }
}
