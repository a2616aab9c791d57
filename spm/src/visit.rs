// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One stay of a core in a partition, from the registers that are loaded before it to those that are stored after it: what
//! traps meanwhile is handled here, and what needs somebody else ends the visit.
#![expect(unsafe_code, reason = "enters partitions")]

use core::fmt::Arguments;

use spm_core::cycles::Resume;
use spm_core::direct_message::VcpuRef;
use spm_core::function;
use spm_core::hardware::Hardware;
use spm_core::partition_calls::PartitionNext;
use spm_core::registers::MessageRegisters;
use spm_core::vcpu::VcpuState;

use crate::arch::el2_control::hcr;
use crate::arch::smc::ask_spmd;
use crate::arch::sysreg::{ESR_EL2, HCR_EL2, isb};
use crate::arch::{fp_context, gic};
use crate::console::say;
use crate::contexts::{Registers, VcpuContext};
use crate::machine::Machine;
use crate::run::Run;
use crate::traps::{self, Fault, Trap};

unsafe extern "C" {
    fn enter_partition(registers: *mut Registers) -> u64;
}

/// What ended a stay in a partition; the values are vectors.s's.
mod exit {
    pub(super) const SYNCHRONOUS: u64 = 0;
    pub(super) const IRQ: u64 = 1;
    pub(super) const FIQ: u64 = 2;
}

/// What a partition holds that is only exchanged on use.
#[derive(Clone, Copy, Default)]
struct Lent {
    vectors: bool,
    keys: bool,
}

/// Why a partition gave the core back.
pub(crate) enum Left {
    /// It sends a direct request, of this function ID, to a vCPU that is claimed for it.
    Request(VcpuRef, u32),
    /// It lets a vCPU that it called go on, which is claimed.
    Run(VcpuRef, Resume),
    /// It gives the core back before it is done.
    Yielded,
    /// It responds to the request that it worked on.
    Response(u32),
    /// It waits for messages.
    Waiting,
    /// It was stopped.
    Stopped,
}

impl Run<'_> {
    /// Runs one vCPU until it needs somebody else. Its registers are in `context` before and after.
    #[inline]
    pub(crate) fn visit(&mut self, vcpu: VcpuRef, context: &mut VcpuContext) -> Left {
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
            // Another core may have stopped the partition meanwhile.
            if self.world.vcpu(vcpu).is_none_or(|vcpu| vcpu.state() == VcpuState::Stopped) {
                break Left::Stopped;
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
            Trap::NeedsVectors if !lent.vectors => {
                self.lend_vectors(context);
                lent.vectors = true;
                None
            }
            Trap::NeedsKeys if !lent.keys => {
                self.lend_keys(context);
                lent.keys = true;
                None
            }
            // Lending twice would take the partition's values for the normal world's.
            Trap::NeedsVectors | Trap::NeedsKeys => {
                Some(self.stop(vcpu, format_args!("it cannot use what it was given")))
            }
            Trap::Fault(fault) => Some(self.fault(vcpu, context, &fault)),
        }
    }

    #[inline(always)]
    fn called(&mut self, vcpu: VcpuRef, message: &mut MessageRegisters) -> Option<Left> {
        match self.world.spmc.from_partition(vcpu, message, self.core, &Machine) {
            PartitionNext::Answer => None,
            PartitionNext::Response(function) => Some(Left::Response(function)),
            PartitionNext::Request(to, function) => Some(Left::Request(to, function)),
            PartitionNext::Run(to, resume) => Some(Left::Run(to, resume)),
            PartitionNext::Wait => Some(Left::Waiting),
            PartitionNext::Yield => Some(Left::Yielded),
            PartitionNext::Failed => Some(self.stop(vcpu, format_args!("it says that it cannot go on"))),
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
                _ = ask_spmd(function::EL3_INTR_HANDLE, 0);
                None
            }
            exit::FIQ => {
                gic::mask_normal_world();
                None
            }
            _ => Some(self.fault(vcpu, context, &Fault::SystemError(ESR_EL2::read()))),
        }
    }

    #[cold]
    fn stop(&self, vcpu: VcpuRef, reason: Arguments<'_>) -> Left {
        if let Some(partition) = self.world.spmc.partitions().get(vcpu.partition) {
            partition.stop();
            partition.log.lock().flush(|line| Machine.log(partition, line));
            say!("{}: stopped: {reason}", partition.name());
        }
        Left::Stopped
    }

    #[cold]
    fn fault(&self, vcpu: VcpuRef, context: &VcpuContext, fault: &Fault) -> Left {
        let at = context.registers.elr;
        self.stop(vcpu, format_args!("vCPU {} at {at:#x}: {fault}", vcpu.vcpu))
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
