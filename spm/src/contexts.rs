// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the registers of vCPUs and of the normal world are kept while they do not run.
#![expect(unsafe_code, reason = "reopens a lock whose holder is gone")]

use heapless::Vec;
use spin::mutex::SpinMutexGuard;
use spm_core::direct_message::VcpuRef;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::registers::MessageRegisters;

use crate::arch::el1_context::{El1Context, SCTLR_EL1_RESET, SPSR_EL0_ENTRY, SPSR_EL1_ENTRY};
use crate::arch::fp_context::FpContext;
use crate::arch::gic::PMR_SECURE_ONLY;
use crate::arch::pac_keys::PacKeys;
use crate::contention::TriedLock;
use crate::cores::MAX_CORES;

/// Most vCPUs of all partitions together.
pub(crate) const MAX_VCPUS: usize = 24;

/// General registers of a vCPU. The layout is known to vectors.s.
#[repr(C)]
pub(crate) struct Registers {
    /// x0–x17, which a call passes.
    pub(crate) message: MessageRegisters,
    /// x18–x30.
    pub(crate) rest: [u64; 13],
    /// Where it goes on.
    pub(crate) elr: u64,
    /// With which PSTATE.
    pub(crate) spsr: u64,
}

impl Registers {
    /// Returns x`number`, for an instruction that names it; x31 is zero.
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut u64> {
        let count = self.message.len();
        if number < count { self.message.get_mut(number) } else { self.rest.get_mut(number - count) }
    }
}

/// All registers of a vCPU. What every call needs is at the beginning, where an instruction reaches two of them.
#[repr(C)]
pub(crate) struct VcpuContext {
    pub(crate) registers: Registers,
    pub(crate) el1: El1Context,
    pub(crate) keys: PacKeys,
    pub(crate) vectors: FpContext,
}

impl VcpuContext {
    const UNUSED: Self = Self {
        registers: Registers { message: [0; 18], rest: [0; 13], elr: 0, spsr: 0 },
        el1: El1Context::RESET,
        vectors: FpContext::RESET,
        keys: PacKeys::RESET,
    };

    /// Makes it what it was before its vCPU ever ran.
    pub(crate) fn reset(&mut self) {
        let Self { registers, el1, vectors, keys } = self;
        *registers = Registers { message: [0; 18], rest: [0; 13], elr: 0, spsr: 0 };
        *el1 = El1Context::RESET;
        vectors.reset();
        *keys = PacKeys::RESET;
    }

    /// Prepares the first entry, at `entry`.
    pub(crate) fn start_at(&mut self, entry: u64) {
        self.registers.elr = entry;
        self.registers.spsr = SPSR_EL1_ENTRY;
        self.el1.sctlr = SCTLR_EL1_RESET;
        self.el1.pmr = PMR_SECURE_ONLY;
        self.vectors.allow_longest();
    }

    /// Prepares the first entry at `entry` of a partition that runs at S-EL0.
    pub(crate) fn start_application_at(&mut self, entry: u64) {
        self.registers.elr = entry;
        self.registers.spsr = SPSR_EL0_ENTRY;
        self.el1 = El1Context::for_application();
        self.vectors.allow_longest_at_el0();
    }
}

/// The normal world's registers on one core, as far as partitions share them.
pub(crate) struct NormalContext {
    /// x0–x17 of the call that is being served.
    pub(crate) message: MessageRegisters,
    pub(crate) el1: El1Context,
    pub(crate) vectors: FpContext,
    pub(crate) keys: PacKeys,
    /// The partition whose stage 2 is selected on this core.
    pub(crate) selected: Option<usize>,
    /// While a partition runs that the normal world's interrupts take the core from: when its virtual timer, whose registers the
    /// partition has, interrupts it.
    pub(crate) tick: Option<u64>,
    /// There may be waiting vCPUs with interrupts: look before the normal world goes on.
    pub(crate) look: bool,
}

impl NormalContext {
    const UNUSED: Self = Self {
        message: [0; 18],
        el1: El1Context::RESET,
        vectors: FpContext::RESET,
        keys: PacKeys::RESET,
        selected: None,
        tick: None,
        look: false,
    };
}

/// A core that has a vCPU claimed takes its registers for as long as it runs it.
static VCPUS: [TriedLock<VcpuContext>; MAX_VCPUS] =
    [const { TriedLock::new(VcpuContext::UNUSED) }; MAX_VCPUS];
/// Each core takes its own for as long as it is on.
static NORMAL: [TriedLock<NormalContext>; MAX_CORES] =
    [const { TriedLock::new(NormalContext::UNUSED) }; MAX_CORES];

/// Returns all locks that a direct message takes, with what they have counted.
#[cfg(feature = "count-contention")]
pub(crate) fn locks() -> impl Iterator<Item = (&'static str, usize, &'static crate::contention::Counts)> {
    let vcpus = VCPUS.iter().enumerate().map(|(number, lock)| ("vCPU's registers", number, lock.counts()));
    let normal =
        NORMAL.iter().enumerate().map(|(number, lock)| ("normal world's registers", number, lock.counts()));
    vcpus.chain(normal)
}

/// A vCPU's registers, held by the core that runs it.
pub(crate) type HeldContext = SpinMutexGuard<'static, VcpuContext>;

/// Which of them belong to which partition.
pub(crate) struct ContextMap {
    first: Vec<usize, MAX_PARTITIONS>,
    used: usize,
}

impl ContextMap {
    /// A map without partitions.
    pub(crate) const fn new() -> Self {
        Self { first: Vec::new(), used: 0 }
    }

    /// Returns how many vCPUs the next partition may have.
    pub(crate) const fn room(&self) -> usize {
        MAX_VCPUS - self.used
    }

    /// Gives the next partition of spm's list `vcpus` contexts. False if there are not as many.
    #[must_use]
    pub(crate) fn add(&mut self, vcpus: usize) -> bool {
        if vcpus > self.room() || self.first.push(self.used).is_err() {
            return false;
        }
        self.used += vcpus;
        true
    }

    /// Takes the registers of a vCPU; none if another core has them, which cannot be while this core has the vCPU
    /// claimed.
    #[inline]
    pub(crate) fn take(&self, vcpu: VcpuRef) -> Option<HeldContext> {
        let first = self.first.get(vcpu.partition)?;
        VCPUS.get(first.checked_add(vcpu.vcpu)?)?.try_lock()
    }
}

/// As [`take_normal`], for a core that comes on: it held the place when it went off, and nobody else ever does.
pub(crate) fn retake_normal(core: usize) -> Option<SpinMutexGuard<'static, NormalContext>> {
    let place = NORMAL.get(core)?;
    if place.inner().is_locked() {
        // SAFETY: entry.s lets one core alone use a number, and that core is here, not where it took the lock: what ran
        // there ended when the core went off, and its stack is used anew.
        unsafe { place.inner().force_unlock() };
    }
    let mut normal = place.try_lock()?;
    // Stage 2 is not kept while a core is off.
    normal.selected = None;
    Some(normal)
}

/// Takes the place for the normal world's registers on a core; none if the core has taken it already.
pub(crate) fn take_normal(core: usize) -> Option<SpinMutexGuard<'static, NormalContext>> {
    NORMAL.get(core)?.try_lock()
}
