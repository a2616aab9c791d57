// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a core: it takes calls from the SPMD, runs partitions for them, and answers.
//!
//! A request that a partition sends to another is run on the same core; while the second works, the first is `Blocked`
//! and its registers stay held here.
#![expect(unsafe_code, reason = "enters partitions")]

use arm_ffa::FfaError;
use heapless::Vec;
use spm_core::direct_message::{VcpuRef, deliver};
use spm_core::function;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::partition::CoreIndex;
use spm_core::registers::{MessageRegisters, answer, error};
use spm_core::spmc::{NormalNext, PartitionNext};
use spm_core::vcpu::VcpuState;

use crate::arch::el2_control::hcr;
use crate::arch::fp_context;
use crate::arch::gic;
use crate::arch::smc::exchange_with_spmd;
use crate::arch::sysreg::{ESR_EL2, HCR_EL2, isb};
use crate::console::say;
use crate::contexts::{HeldContext, NormalContext, Registers, VcpuContext};
use crate::machine::Machine;
use crate::panic::park_if_failed;
use crate::traps::{self, Fault, Trap};
use crate::world::World;

unsafe extern "C" {
    fn enter_partition(registers: *mut Registers) -> u64;
}

/// What ended a stay in a partition; the values are vectors.s's.
mod exit {
    pub(super) const SYNCHRONOUS: u64 = 0;
    pub(super) const IRQ: u64 = 1;
    pub(super) const FIQ: u64 = 2;
}

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
struct Run<'a> {
    world: &'a World,
    core: CoreIndex,
    normal: &'a mut NormalContext,
}

/// What a partition holds that is only exchanged on use.
#[derive(Clone, Copy, Default)]
struct Lent {
    vectors: bool,
    keys: bool,
}

/// Why a partition gave the core back.
enum Left {
    Request(VcpuRef, u32),
    Response(u32),
    Waiting,
    Stopped,
}

impl Run<'_> {
    /// Serves the direct request in the normal world's registers by `vcpu`, which is claimed.
    #[inline]
    fn request(&mut self, vcpu: VcpuRef, function: u32) {
        let Some(mut context) = self.world.contexts.take(vcpu) else {
            return self.release(vcpu, FfaError::Busy);
        };
        deliver(function, &self.normal.message, &mut context.registers.message);
        self.normal.el1.save();
        self.until_answered(Caller { vcpu, context });
        self.normal.el1.load();
    }

    #[cold]
    fn release(&mut self, vcpu: VcpuRef, status: FfaError) {
        self.wait(vcpu);
        error(&mut self.normal.message, status);
    }

    /// Marks a vCPU as waiting. Its registers must be stored. If its partition was stopped meanwhile, it stays stopped.
    #[inline]
    fn wait(&self, vcpu: VcpuRef) {
        if let Some(state) = self.world.vcpu(vcpu) {
            _ = state.transition(VcpuState::Running, VcpuState::Waiting);
        }
    }

    /// Runs `current`, and whom it calls, until the normal world's registers hold the answer. Those of its registers that
    /// are loaded eagerly are stored already and remain so.
    #[inline]
    fn until_answered(&mut self, mut current: Caller) {
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
                    self.wait(to);
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
        self.normal.el1.save();
        self.until_answered(Caller { vcpu, context });
        self.normal.el1.load();
        let waits = self.world.vcpu(vcpu).is_some_and(|state| state.state() == VcpuState::Waiting);
        if waits { Started::Waiting } else { Started::Failed }
    }

    /// Runs one vCPU until it needs somebody else. Its registers are in `context` before and after.
    #[inline]
    fn visit(&mut self, vcpu: VcpuRef, context: &mut VcpuContext) -> Left {
        if self.normal.selected != Some(vcpu.partition) {
            self.world.select(vcpu);
            self.normal.selected = Some(vcpu.partition);
        }
        context.el1.load();
        let mut lent = Lent::default();
        if self.world.features.sme {
            self.close_streaming(context, &mut lent);
        }
        let left = loop {
            if let Some(left) = self.stay(vcpu, context, &mut lent) {
                break left;
            }
        };
        context.el1.save();
        if lent.vectors || lent.keys {
            self.take_back(context, lent);
        }
        if self.world.features.sme {
            fp_context::open_streaming(&self.world.features);
        }
        left
    }

    /// Leaves the normal world's streaming mode: in it a partition's vector instructions trap to the partition itself,
    /// not to EL2. Then closes SME.
    #[inline(always)]
    fn close_streaming(&mut self, context: &mut VcpuContext, lent: &mut Lent) {
        if fp_context::is_streaming() {
            self.lend_vectors(context);
            lent.vectors = true;
        } else {
            fp_context::close(&self.world.features);
        }
    }

    /// Enters the partition and handles what ends the stay. Nothing is returned if it simply goes on.
    #[inline(always)]
    fn stay(&mut self, vcpu: VcpuRef, context: &mut VcpuContext, lent: &mut Lent) -> Option<Left> {
        // SAFETY: the registers of EL1 and stage 2 are the partition's, so it reaches nothing but its own; `registers` is
        // laid out as vectors.s expects and held by this core alone.
        let kind = unsafe { enter_partition(&raw mut context.registers) };
        if kind != exit::SYNCHRONOUS {
            return self.interrupted(kind, vcpu, context);
        }
        match traps::handle(ESR_EL2::read(), &mut context.registers, &self.world.features) {
            Trap::Call => self.called(vcpu, &mut context.registers.message),
            Trap::Resume => None,
            Trap::NeedsVectors => {
                self.lend_vectors(context);
                lent.vectors = true;
                None
            }
            Trap::NeedsKeys => {
                self.lend_keys(context);
                lent.keys = true;
                None
            }
            Trap::Fault(fault) => Some(self.stop(vcpu, context, &fault)),
        }
    }

    #[inline(always)]
    fn called(&mut self, vcpu: VcpuRef, message: &mut MessageRegisters) -> Option<Left> {
        match self.world.spmc.from_partition(vcpu, message, self.core, &Machine) {
            PartitionNext::Answer => None,
            PartitionNext::Response(function) => Some(Left::Response(function)),
            PartitionNext::Request(to, function) => Some(Left::Request(to, function)),
            PartitionNext::Wait => Some(Left::Waiting),
            PartitionNext::Failed => {
                if let Some(partition) = self.world.spmc.partitions().get(vcpu.partition) {
                    say!("{}: stopped: it says that it cannot go on", partition.name());
                    partition.stop();
                }
                Some(Left::Stopped)
            }
        }
    }

    /// Interrupts that come though the normal world's are masked, and errors.
    #[cold]
    fn interrupted(&mut self, kind: u64, vcpu: VcpuRef, context: &VcpuContext) -> Option<Left> {
        match kind {
            exit::IRQ => {
                if let Some(interrupt) = gic::put_away() {
                    say!("secure interrupt {interrupt} has no owner and stays off");
                }
                None
            }
            exit::FIQ if gic::is_for_el3() => {
                let mut message = [0; 18];
                answer(&mut message, [function::EL3_INTR_HANDLE, 0, 0, 0, 0, 0, 0, 0]);
                exchange_with_spmd(&mut message);
                None
            }
            exit::FIQ => {
                gic::mask_normal_world();
                None
            }
            _ => Some(self.stop(vcpu, context, &Fault::SystemError(ESR_EL2::read()))),
        }
    }

    #[cold]
    fn stop(&self, vcpu: VcpuRef, context: &VcpuContext, fault: &Fault) -> Left {
        if let Some(partition) = self.world.spmc.partitions().get(vcpu.partition) {
            partition.stop();
            let at = context.registers.elr;
            say!("{}: stopped: vCPU {} at {at:#x}: {fault}", partition.name(), vcpu.vcpu);
        }
        Left::Stopped
    }

    #[inline(never)]
    fn lend_vectors(&mut self, context: &mut VcpuContext) {
        fp_context::exchange(&mut self.normal.vectors, &mut context.vectors, &self.world.features);
        fp_context::open_vectors(&self.world.features);
    }

    fn lend_keys(&mut self, context: &mut VcpuContext) {
        self.normal.keys.save();
        context.keys.load();
        // SAFETY: opens the keys, which now are the partition's.
        unsafe { HCR_EL2::write(hcr(&self.world.features, true)) };
    }

    #[inline(never)]
    fn take_back(&mut self, context: &mut VcpuContext, lent: Lent) {
        if lent.vectors {
            fp_context::exchange(&mut context.vectors, &mut self.normal.vectors, &self.world.features);
            fp_context::close(&self.world.features);
        }
        if lent.keys {
            context.keys.save();
            self.normal.keys.load();
            // SAFETY: as above.
            unsafe { HCR_EL2::write(hcr(&self.world.features, false)) };
        }
        isb();
    }
}
