// SPDX-License-Identifier: Apache-2.0 OR MIT
//! By which way the iommu service gets its SMMUs' interrupts: what the description wants, and what the manager has.

use super::{Manager, Partition, Platform};
use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::Smmu;

/// The property of `/policy`.
pub(crate) const PROPERTY: &str = "interrupt-source";

/// A way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptSource {
    /// Calls by HVC, which Hafnium and spm have.
    Hafnium,
    /// The GIC itself, which the service reaches under TF-A's SPMC at EL3.
    Gic,
    /// None: it looks at the SMMUs when it is asked.
    Poll,
}

impl InterruptSource {
    /// Returns the word for it, in descriptions and in SP manifests.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hafnium => "hafnium",
            Self::Gic => "gic",
            Self::Poll => "poll",
        }
    }

    /// Reads what a description states, if it does.
    pub(super) fn read(policy: &Node) -> Result<Option<Self>> {
        if !policy.has(PROPERTY) {
            return Ok(None);
        }
        match policy.string(PROPERTY)? {
            "hafnium" => Ok(Some(Self::Hafnium)),
            "gic" => Ok(Some(Self::Gic)),
            "poll" => Ok(Some(Self::Poll)),
            other => Err(policy.error(Reason::Word(PROPERTY, other.to_owned(), "hafnium, gic, poll"))),
        }
    }
}

impl Platform {
    /// Returns the way in which the service is to get interrupts from this platform's manager.
    ///
    /// # Errors
    /// [`Reason::Source`]: the description states one that this manager has not, or that no SMMU has an interrupt for.
    pub fn interrupt_source(&self, service: &Partition) -> Result<InterruptSource> {
        let of_manager = match self.manager {
            Manager::Spm => InterruptSource::Hafnium,
            Manager::El3 => InterruptSource::Gic,
        };
        let wired = self.policy.smmus.iter().any(|smmu: &Smmu| smmu.interrupts.is_some());
        match (self.stated_source, wired) {
            (None, true) => Ok(of_manager),
            (None | Some(InterruptSource::Poll), _) => Ok(InterruptSource::Poll),
            (Some(stated), true) if stated == of_manager => Ok(stated),
            (Some(stated), false) => {
                Err(service.error(Reason::Source(stated.word(), "no SMMU has interrupts")))
            }
            (Some(stated), true) => Err(service.error(Reason::Source(
                stated.word(),
                match self.manager {
                    Manager::Spm => "spm keeps the GIC and hands interrupts out by calls",
                    Manager::El3 => "TF-A's SPMC at EL3 has no such calls",
                },
            ))),
        }
    }
}
