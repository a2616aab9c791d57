// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a core: it takes calls from the SPMD, runs partitions for them, and answers.
//!
//! A request that a partition sends to another is run on the same core; while the second works, the first is `Blocked`
//! and its registers stay held here.

use arm_ffa::FfaError;
use heapless::Vec;
use spm_core::direct_message::{VcpuRef, deliver};
use spm_core::function;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::partition::CoreIndex;
use spm_core::registers::{answer, error};
use spm_core::spmc::NormalNext;
use spm_core::vcpu::VcpuState;

use crate::arch::gic;
use crate::arch::smc::exchange_with_spmd;
use crate::console::say;
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
            NormalNext::Interrupt => {
                if let Some(interrupt) = gic::put_away() {
                    say!("secure interrupt {interrupt} has no owner and stays off");
                }
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

/// Who waits for the response of the vCPU that runs.
struct Caller {
    vcpu: VcpuRef,
    context: HeldContext,
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
        self.until_answered(Caller { vcpu, context });
    }

    /// Gives back a vCPU that was claimed and did not run.
    #[cold]
    fn release(&mut self, vcpu: VcpuRef, status: FfaError) {
        self.drop_claim(vcpu);
        error(&mut self.normal.message, status);
    }

    fn drop_claim(&self, vcpu: VcpuRef) {
        if let Some(state) = self.world.vcpu(vcpu) {
            state.set_request(None);
        }
        self.wait(vcpu);
    }

    /// Marks a vCPU as waiting. Its registers must be stored. If its partition was stopped meanwhile, it stays stopped.
    #[inline]
    fn wait(&self, vcpu: VcpuRef) {
        if let Some(state) = self.world.vcpu(vcpu) {
            _ = state.transition(VcpuState::Running, VcpuState::Waiting);
        }
    }

    /// Runs `current`, and whom it calls, until x0–x17 of the normal world hold the answer, and keeps its other registers
    /// meanwhile.
    #[inline(never)]
    fn until_answered(&mut self, current: Caller) {
        self.normal.el1.save();
        self.run_chain(current);
        self.normal.el1.load();
    }

    #[inline(always)]
    fn run_chain(&mut self, mut current: Caller) {
        let mut callers: Vec<Caller, MAX_PARTITIONS> = Vec::new();
        loop {
            let left = self.visit(current.vcpu, &mut current.context);
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
                if let Some(state) = self.world.vcpu(current.vcpu) {
                    _ = state.transition(VcpuState::Running, VcpuState::Blocked);
                }
                // Each partition is at most once in the chain, since a blocked one takes no request.
                _ = callers.push(current);
                Some(Caller { vcpu: to, context })
            }
            Left::Response(function) => {
                let mut caller = callers.pop()?;
                deliver(function, &current.context.registers.message, &mut caller.context.registers.message);
                drop(current.context);
                self.wait(current.vcpu);
                self.unblock(caller, callers)
            }
            Left::Waiting => {
                // Only the first run of a vCPU ends like this (spmc.rs refuses it while a request is open).
                drop(current.context);
                self.wait(current.vcpu);
                None
            }
            Left::Stopped => {
                drop(current.context);
                match callers.pop() {
                    Some(mut caller) => {
                        error(&mut caller.context.registers.message, FfaError::Aborted);
                        self.unblock(caller, callers)
                    }
                    None => {
                        error(&mut self.normal.message, FfaError::Aborted);
                        None
                    }
                }
            }
        }
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
        self.until_answered(Caller { vcpu, context });
        let waits = self.world.vcpu(vcpu).is_some_and(|state| state.state() == VcpuState::Waiting);
        if waits { Started::Waiting } else { Started::Failed }
    }
}
