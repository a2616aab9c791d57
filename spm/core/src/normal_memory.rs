// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which addresses that the normal world names spm may touch on its behalf.
//!
//! The normal world's RAM by the SPMC manifest, without what a partition's manifest claims of it: a service's tables may
//! lie there, and spm must not write into them because a buffer was said to be there.

use heapless::Vec;

use crate::manifest::layout::PartitionLayout;
use crate::manifest::region::Security;
use crate::manifest::spmc::MemoryKind;
use crate::manifest::{AddressRange, MAX_MEMORY_RANGES, MAX_PARTITIONS, MAX_REGIONS, SpmcManifest};

/// The normal world's memory.
#[derive(Debug, Default)]
pub struct NormalMemory {
    ram: Vec<AddressRange, MAX_MEMORY_RANGES>,
    claimed: Vec<AddressRange, { MAX_PARTITIONS * MAX_REGIONS }>,
}

impl NormalMemory {
    /// Takes the normal world's RAM from the SPMC manifest and leaves out what the admitted partitions claim.
    #[must_use]
    pub fn new(spmc: &SpmcManifest, partitions: &[PartitionLayout]) -> Self {
        let ram = spmc.memory.iter().filter(|memory| memory.kind == MemoryKind::NonSecure);
        let claimed = partitions
            .iter()
            .flat_map(|partition| &partition.memory_regions)
            .filter(|region| region.security == Security::NonSecure);
        // Both vectors hold all that the types of the manifests can hold.
        Self {
            ram: ram.map(|memory| memory.range).collect(),
            claimed: claimed.map(|region| region.range).collect(),
        }
    }

    /// Tells whether `range` is the normal world's, all of it.
    #[must_use]
    pub fn owns(&self, range: AddressRange) -> bool {
        self.ram.iter().any(|ram| ram.contains(range))
            && !self.claimed.iter().any(|held| held.overlaps(range))
    }
}
