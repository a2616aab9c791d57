// SPDX-License-Identifier: Apache-2.0 OR MIT
//! All that spm set up while it booted, and that cores only read afterwards.

use heapless::Vec;
use spin::Once;
use spm_core::direct_message::VcpuRef;
use spm_core::manifest::MAX_PARTITIONS;
use spm_core::spmc::Spmc;
use spm_core::vcpu::Vcpu;

use crate::arch::features::Features;
use crate::contexts::ContextMap;
use crate::image_store::Kept;
use crate::stage2::Stage2;

/// Partitions, their memory and their contexts. Places of the lists correspond.
pub(crate) struct World {
    /// FF-A's state.
    pub(crate) spmc: Spmc,
    /// Each partition's stage 2.
    pub(crate) stage2: Vec<Stage2, MAX_PARTITIONS>,
    /// What is kept of those partitions that start again.
    pub(crate) kept: Vec<Option<Kept>, MAX_PARTITIONS>,
    /// Each partition's registers.
    pub(crate) contexts: ContextMap,
    /// What the first core has; later ones must have the same.
    pub(crate) features: Features,
}

impl World {
    /// Returns the state of a vCPU.
    #[inline(always)]
    pub(crate) fn vcpu(&self, vcpu: VcpuRef) -> Option<&Vcpu> {
        self.spmc.partitions().get(vcpu.partition)?.vcpu(vcpu.vcpu)
    }

    /// Selects the stage 2 of a vCPU's partition on this core.
    pub(crate) fn select(&self, vcpu: VcpuRef) {
        if let Some(stage2) = self.stage2.get(vcpu.partition) {
            stage2.select(vcpu.vcpu);
        }
    }
}

/// Set once by the first core.
pub(crate) static WORLD: Once<World> = Once::new();
