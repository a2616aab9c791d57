// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A chain of calls on one core (FF-A 1.3 §9.2.4): who runs next when a partition has called another, has come back, or was
//! interrupted.

use arm_ffa::FfaError;
use heapless::Vec;
use spm_core::cycles::tell_unfinished;
use spm_core::direct_message::{deliver, deliver_request};
use spm_core::function;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::manifest::actions::{NsInterruptsAction, OtherInterruptsAction};
use spm_core::registers::{MessageRegisters, answer, error};
use spm_core::vcpu::VcpuState;
use spm_core::work::Work;

use super::{Held, Run};
use crate::machine::Machine;
use crate::visit::Left;

/// Those that wait, the one that began first.
type Callers<'a> = Vec<Held<'a>, MAX_PARTITIONS>;

impl<'a> Run<'a> {
    /// Runs `current`, and whom it calls, until the chain is at its end.
    #[inline(always)]
    pub(super) fn run_chain(&mut self, mut current: Held<'a>) {
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
}
