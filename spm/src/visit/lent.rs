// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition is lent that is only exchanged on use, and what it is told by HCR_EL2; at the end of a visit all of it is taken
//! back.
#![expect(unsafe_code, reason = "opens and closes registers to partitions")]

use spm_core::interrupts::Signals;

use crate::arch::el2_control::{hcr, hcr_application};
use crate::arch::fp_context;
use crate::arch::sysreg::{HCR_EL2, isb};
use crate::contexts::VcpuContext;
use crate::run::Run;

/// What a partition holds that is only exchanged on use.
#[derive(Clone, Copy, Default)]
pub(super) struct Lent {
    pub(super) vectors: bool,
    pub(super) keys: bool,
    /// It is at S-EL0.
    pub(super) application: bool,
    /// The core, which the normal world's interrupts take from it.
    pub(super) core: bool,
    /// Nothing: it was asked to exit, and until it does so these interrupts wait.
    pub(super) exits: bool,
    /// What its virtual interrupt lines say, as HCR_EL2 holds it.
    pub(super) signals: Signals,
}

impl Lent {
    pub(super) fn anything(self) -> bool {
        self.vectors || self.keys || self.application || self.core || self.signals != Signals::default()
    }
}

impl Run<'_> {
    /// Leaves the normal world's streaming mode: in it a partition's vector instructions trap to the partition itself,
    /// not to EL2. Then closes SME.
    #[inline(always)]
    pub(super) fn close_streaming(&mut self, context: &mut VcpuContext, lent: &mut Lent) {
        if fp_context::is_streaming() {
            self.lend_vectors(context);
            lent.vectors = true;
        } else {
            fp_context::close(&self.world.features);
        }
    }

    #[inline(never)]
    pub(super) fn lend_vectors(&mut self, context: &mut VcpuContext) {
        fp_context::exchange(&mut self.normal.vectors, &mut context.vectors, &self.world.features);
        fp_context::open_vectors(&self.world.features);
    }

    /// Sets what the partition has, and what it is told.
    #[cold]
    pub(super) fn set_control(&self, lent: Lent) {
        let value = if lent.application {
            hcr_application(&self.world.features, lent.keys)
        } else {
            hcr(&self.world.features, lent.keys, lent.signals)
        };
        // SAFETY: the keys are open only if they are the partition's; virtual interrupts, and where exceptions of a lower
        // level go, do not concern EL2, and stage 2 is on in both cases.
        unsafe { HCR_EL2::write(value) };
    }

    #[inline(never)]
    pub(super) fn take_back(&mut self, context: &mut VcpuContext, lent: Lent) {
        if lent.vectors {
            fp_context::exchange(&mut context.vectors, &mut self.normal.vectors, &self.world.features);
            fp_context::close(&self.world.features);
        }
        if lent.keys {
            context.keys.save();
            self.normal.keys.load();
        }
        if lent.core {
            self.forget_tick();
        }
        self.set_control(Lent::default());
        isb();
    }
}
