// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a core: it takes calls from the SPMD, runs partitions for them, and answers.
//!
//! A request that a partition sends to another is run on the same core (`chain`); while the second works, the first is `Blocked`
//! and its registers stay held here (`held`). One stay in a partition is [`crate::visit`].

mod chain;
mod held;

use arm_ffa::FfaError;
use spm_core::abort::End;
use spm_core::cycles::Resume;
use spm_core::direct_message::{VcpuRef, deliver_request};
use spm_core::function;
use spm_core::manifest::actions::NsInterruptsAction;
use spm_core::partition::{CoreIndex, Partition};
use spm_core::registers::{answer, error};
use spm_core::spmc::NormalNext;
use spm_core::vcpu::VcpuState;

use crate::arch::smc::exchange_with_spmd;
use crate::console::say;
use crate::contention;
use crate::contexts::NormalContext;
use crate::machine::Machine;
use crate::panic::{fail_on_purpose, park_if_failed};
use crate::world::World;

pub(crate) use held::Held;

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

    /// The first run of a vCPU.
    fn until_waiting(&mut self, vcpu: VcpuRef) -> Started {
        let Some(mut held) = self.hold(vcpu, VcpuState::Off) else { return Started::Failed };
        held.action = NsInterruptsAction::Queued;
        let state = held.state;
        self.until_answered(held);
        if state.state() == VcpuState::Waiting { Started::Waiting } else { Started::Failed }
    }
}
