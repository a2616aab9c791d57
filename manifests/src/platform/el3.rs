// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same platform under TF-A's own SPMC, at EL3: one partition, in the place where spm would be (TF-A 2.12,
//! services/std_svc/spm/el3_spmc).

use super::{Manager, Platform};
use crate::{
    error::{Reason, Result},
    policy,
};
use iommu_core::policy::Range;

/// Stacks that the image of a partition has, and what each further one takes, with its guard page: as in the partitions'
/// runtime, which uses as many as there is room for.
const IMAGE_STACKS: u32 = 8;
const STACK_BYTES: u64 = 0x9000;

impl Platform {
    /// Returns the platform with nothing but the iommu service, which BL2 loads as BL32; `contexts` is the number of cores
    /// that TF-A was built for, as this SPMC demands it.
    ///
    /// This SPMC has no paravirtual interrupts: the service gets them from the GIC ([`Platform::interrupt_source`]).
    ///
    /// # Errors
    /// The service does not fit secure RAM, or the policy does not hold any more.
    pub fn at_el3(mut self, contexts: u32) -> Result<Self> {
        self.manager = Manager::El3;
        let (services, others) = self.partitions.into_iter().partition(|partition| partition.iommu_service);
        self.partitions = services;
        self.left_out = others;
        for service in &mut self.partitions {
            let place = Range::new(self.memory.spm.base, service.memory.size)
                .filter(|place| self.memory.secure_ram.contains(place));
            let place = place.ok_or_else(|| service.error(outside(service.memory)))?;
            service.memory = place;
            service.contexts = contexts;
            if self.policy.accounts.is_some() {
                self.policy.accounts = Some(policy::accounts(&self.policy, service)?);
            }
            self.policy.check().map_err(|error| service.error(error))?;
            let stacks = u64::from(contexts.saturating_sub(IMAGE_STACKS)) * STACK_BYTES;
            let all = Range::new(place.base, place.size.saturating_add(stacks))
                .filter(|all| self.memory.secure_ram.contains(all))
                .ok_or_else(|| service.error(outside(place)))?;
            service.stacks = place.end().and_then(|end| Range::new(end, stacks));
            self.memory.spm = all;
        }
        self.core_affinities.append(&mut self.more_core_affinities);
        Ok(self)
    }
}

fn outside(range: Range) -> Reason {
    Reason::Outside(range, "secure-ram, from its start and with stacks behind it".to_owned())
}
