// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong between a partition's manifest and the platform, in words that name both sides.

use core::num::NonZeroU16;

use thiserror::Error;

use super::spmc::MemoryKind;
use super::{AddressRange, MAX_PARTITIONS, Name, Reason};

/// Where a partition contradicts the platform or an earlier partition. Both manifests' authors may be to blame.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Its memory is not secure RAM.
    #[error("memory {0} is not inside one secure memory range")]
    MemoryNotSecure(AddressRange),
    /// Its memory belongs to somebody else.
    #[error("memory {memory} overlaps {other}, which belongs to {owner}")]
    MemoryTaken {
        /// The partition's memory.
        memory: AddressRange,
        /// What it overlaps.
        other: AddressRange,
        /// Whose that is.
        owner: Owner,
    },
    /// It expects to be loaded elsewhere.
    #[error("load-address {wanted:#x} is not the SPMC manifest's {given:#x}")]
    LoadAddress {
        /// What the partition manifest says.
        wanted: u64,
        /// What the SPMC manifest says.
        given: u64,
    },
    /// The package is larger than the memory.
    #[error("the package ends at {0:#x} behind the load address, outside the partition's memory")]
    PackageTooLarge(usize),
    /// Its entry point is not in its image.
    #[error("entrypoint-offset {0:#x} is not inside the image")]
    EntryOutsideImage(u64),
    /// Its number of execution contexts is neither 1 nor that of the cores, or not the SPMC manifest's.
    #[error("execution-ctx-count {wanted}: vcpu_count is {given}, and 1 or {cores} is possible")]
    Contexts {
        /// What the partition manifest says.
        wanted: NonZeroU16,
        /// What the SPMC manifest says.
        given: NonZeroU16,
        /// How many contexts a partition has that runs on all cores.
        cores: NonZeroU16,
    },
    /// Its ID is spm's or another partition's.
    #[error("id {0:#06x} is taken")]
    IdTaken(u16),
    /// A region's addresses are not sound.
    #[error("region {region}: {reason}")]
    RegionAddress {
        /// The region's node.
        region: Name,
        /// What is wrong with it.
        reason: Reason,
    },
    /// A region is not of the kind that its attributes name.
    #[error("region {region}, {range}: not inside one range of kind {kind:?}")]
    RegionKind {
        /// The region's node.
        region: Name,
        /// Its addresses.
        range: AddressRange,
        /// What it should be.
        kind: MemoryKind,
    },
    /// A region belongs to somebody else.
    #[error("region {region}, {range}: overlaps {other}, which belongs to {owner}")]
    RegionTaken {
        /// The region's node.
        region: Name,
        /// Its addresses.
        range: AddressRange,
        /// What it overlaps.
        other: AddressRange,
        /// Whose that is.
        owner: Owner,
    },
    /// An interrupt belongs to somebody else.
    #[error("interrupt {intid} belongs to partition {owner:#06x}")]
    InterruptTaken {
        /// Its number.
        intid: u32,
        /// Whose it is.
        owner: u16,
    },
    /// A partition with one execution context has an interrupt that is private to each core: it would be taken on one core, and
    /// ended on the one where the context is then.
    #[error("interrupt {0} is private to a core, and the only context runs on any")]
    PrivateInterrupt(u32),
    /// More partitions than fit.
    #[error("more than {MAX_PARTITIONS} partitions")]
    TooMany,
}

/// Whose a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// spm itself.
    Spm,
    /// The partition of this ID.
    Partition(u16),
}

impl core::fmt::Display for Owner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Spm => f.write_str("spm"),
            Self::Partition(id) => write!(f, "partition {id:#06x}"),
        }
    }
}
