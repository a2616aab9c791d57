// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether what a partition wants is what the platform has: the checks of one manifest against the other.
//!
//! Partitions are admitted one by one; what an admitted one holds, no later one gets. Nothing is shared.

use core::num::NonZeroU16;

use heapless::Vec;

use super::interrupt::{DeviceInterrupt, InterruptKind, Interrupts};
pub use super::layout_error::{LayoutError, Owner};
use super::region::{Access, Region, Security};
use super::spmc::{MemoryKind, SpmcPartition};
use super::{AddressRange, MAX_PARTITIONS, MAX_REGIONS, PartitionManifest, Reason, SpmcManifest};
use crate::package::Package;

/// Most ranges that spm keeps for itself.
pub const MAX_RESERVED: usize = 4;

/// A region as it is to be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedRegion {
    /// Its addresses, the same for the partition (IPA) and the platform (PA).
    pub range: AddressRange,
    /// What the partition may do with it.
    pub access: Access,
    /// The address space it lies in.
    pub security: Security,
}

/// A partition that was admitted: what to map, and where to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLayout {
    /// Its FF-A ID.
    pub id: u16,
    /// All memory of its own; secure; what it may do with it follows from its exception level.
    pub memory: AddressRange,
    /// Its first instruction.
    pub entry: u64,
    /// Memory beyond its own.
    pub memory_regions: Vec<PlacedRegion, MAX_REGIONS>,
    /// Device registers.
    pub device_regions: Vec<PlacedRegion, MAX_REGIONS>,
    /// Interrupts of its devices, which no other partition has.
    pub interrupts: Interrupts,
}

/// Who holds what so far.
#[derive(Debug)]
pub struct Layout<'a> {
    spmc: &'a SpmcManifest,
    /// How many contexts a partition has that runs on all cores.
    cores: NonZeroU16,
    reserved: Vec<AddressRange, MAX_RESERVED>,
    admitted: Vec<PartitionLayout, MAX_PARTITIONS>,
}

impl<'a> Layout<'a> {
    /// Begins with nothing admitted. `reserved` are the ranges that spm keeps: its image with stacks and tables. The
    /// console and the interrupt controller are reserved by themselves. More than [`MAX_RESERVED`] - 3 ranges are an error
    /// of spm: `None`.
    #[must_use]
    pub fn new(spmc: &'a SpmcManifest, cores: NonZeroU16, reserved: &[AddressRange]) -> Option<Self> {
        let mut kept = Vec::from_slice(reserved).ok()?;
        let gic = [spmc.gic.distributor, spmc.gic.redistributors];
        for range in spmc.console.into_iter().chain(gic) {
            kept.push(range).ok()?;
        }
        Some(Self { spmc, cores, reserved: kept, admitted: Vec::new() })
    }

    /// Checks a partition, and counts what it holds as taken if all is well. `place` is its entry in the SPMC manifest.
    ///
    /// # Errors
    /// [`LayoutError`] says which claim contradicts what; nothing is taken then.
    pub fn admit(
        &mut self,
        place: &SpmcPartition,
        manifest: &PartitionManifest,
        package: &Package,
    ) -> Result<&PartitionLayout, LayoutError> {
        let layout = PartitionLayout {
            id: self.check_id(place, manifest)?,
            memory: self.check_memory(place, manifest, package)?,
            entry: entry(place, manifest, package)?,
            memory_regions: self.check_regions(place, &manifest.memory_regions, memory_kind)?,
            device_regions: self.check_regions(place, manifest.devices(), device_kind)?,
            interrupts: self.check_interrupts(manifest)?,
        };
        self.check_contexts(place, manifest)?;
        self.admitted.push(layout).map_err(|_| LayoutError::TooMany)?;
        self.admitted.last().ok_or(LayoutError::TooMany)
    }

    /// Checks the memory that the SPMC manifest gives a partition, before anybody looks for a package in it.
    ///
    /// # Errors
    /// [`LayoutError::MemoryNotSecure`] or [`LayoutError::MemoryTaken`]; the integrator is to blame.
    pub fn check_place(&self, place: &SpmcPartition) -> Result<(), LayoutError> {
        let memory = place.memory;
        if !self.spmc.holds(MemoryKind::Secure, memory) {
            return Err(LayoutError::MemoryNotSecure(memory));
        }
        match self.holder(memory) {
            Some((other, owner)) => Err(LayoutError::MemoryTaken { memory, other, owner }),
            None => Ok(()),
        }
    }

    /// Returns the partitions that were admitted, in that order.
    #[must_use]
    pub fn admitted(&self) -> &[PartitionLayout] {
        &self.admitted
    }

    fn check_id(&self, place: &SpmcPartition, manifest: &PartitionManifest) -> Result<u16, LayoutError> {
        let id = manifest.id.unwrap_or(place.id);
        let listed = self.spmc.partitions.iter().any(|other| other.id == id && other.id != place.id);
        if listed || id == self.spmc.spmc_id || self.admitted.iter().any(|other| other.id == id) {
            return Err(LayoutError::IdTaken(id));
        }
        Ok(id)
    }

    fn check_memory(
        &self,
        place: &SpmcPartition,
        manifest: &PartitionManifest,
        package: &Package,
    ) -> Result<AddressRange, LayoutError> {
        self.check_place(place)?;
        let memory = place.memory;
        match manifest.load_address {
            Some(wanted) if wanted != memory.start() => {
                return Err(LayoutError::LoadAddress { wanted, given: memory.start() });
            }
            _ => {}
        }
        let end = package.manifest().end.max(package.image().end);
        match u64::try_from(end) {
            Ok(size) if size <= memory.size() => Ok(memory),
            _ => Err(LayoutError::PackageTooLarge(end)),
        }
    }

    fn check_contexts(&self, place: &SpmcPartition, manifest: &PartitionManifest) -> Result<(), LayoutError> {
        let (wanted, given, cores) = (manifest.contexts, place.vcpu_count, self.cores);
        let possible = wanted == NonZeroU16::MIN || wanted == cores;
        if wanted == given && possible { Ok(()) } else { Err(LayoutError::Contexts { wanted, given, cores }) }
    }

    fn check_regions<'r>(
        &self,
        place: &SpmcPartition,
        regions: impl IntoIterator<Item = &'r Region>,
        kind_of: fn(Security) -> MemoryKind,
    ) -> Result<Vec<PlacedRegion, MAX_REGIONS>, LayoutError> {
        let mut placed: Vec<PlacedRegion, MAX_REGIONS> = Vec::new();
        for region in regions {
            let name = || region.name.clone();
            let range = region
                .range(place.memory.start())
                .map_err(|reason| LayoutError::RegionAddress { region: name(), reason })?;
            let kind = kind_of(region.security);
            if !self.spmc.holds(kind, range) {
                return Err(LayoutError::RegionKind { region: name(), range, kind });
            }
            let own = core::iter::once(place.memory).chain(placed.iter().map(|earlier| earlier.range));
            let taken_by_itself = own
                .into_iter()
                .find(|other| other.overlaps(range))
                .map(|other| (other, Owner::Partition(place.id)));
            if let Some((other, owner)) = taken_by_itself.or_else(|| self.holder(range)) {
                return Err(LayoutError::RegionTaken { region: name(), range, other, owner });
            }
            let entry = PlacedRegion { range, access: region.access, security: region.security };
            placed.push(entry).map_err(|_| LayoutError::RegionAddress {
                region: name(),
                reason: Reason::TooMany(MAX_REGIONS),
            })?;
        }
        Ok(placed)
    }

    fn check_interrupts(&self, manifest: &PartitionManifest) -> Result<Interrupts, LayoutError> {
        let wanted = &manifest.interrupts;
        let private = |interrupt: &&DeviceInterrupt| interrupt.kind() == InterruptKind::Private;
        if manifest.contexts.get() == 1
            && let Some(interrupt) = wanted.iter().find(private)
        {
            return Err(LayoutError::PrivateInterrupt(interrupt.intid));
        }
        for partition in &self.admitted {
            let taken = |intid| partition.interrupts.iter().any(|held| held.intid == intid);
            if let Some(interrupt) = wanted.iter().find(|interrupt| taken(interrupt.intid)) {
                return Err(LayoutError::InterruptTaken { intid: interrupt.intid, owner: partition.id });
            }
        }
        Ok(wanted.clone())
    }

    /// Finds a range that overlaps `range` and is taken.
    fn holder(&self, range: AddressRange) -> Option<(AddressRange, Owner)> {
        let reserved = self.reserved.iter().map(|reserved| (*reserved, Owner::Spm));
        let admitted = self.admitted.iter().flat_map(|partition| {
            let regions = partition.memory_regions.iter().chain(&partition.device_regions);
            core::iter::once(partition.memory)
                .chain(regions.map(|region| region.range))
                .map(|held| (held, Owner::Partition(partition.id)))
        });
        reserved.chain(admitted).find(|(held, _)| held.overlaps(range))
    }
}

fn entry(place: &SpmcPartition, manifest: &PartitionManifest, package: &Package) -> Result<u64, LayoutError> {
    let image = package.image();
    let first = u64::try_from(image.start).unwrap_or(u64::MAX);
    let offset = manifest.entry_offset.unwrap_or(first);
    let outside = LayoutError::EntryOutsideImage(offset);
    match usize::try_from(offset) {
        Ok(inside) if image.contains(&inside) => place.memory.start().checked_add(offset).ok_or(outside),
        _ => Err(outside),
    }
}

const fn memory_kind(security: Security) -> MemoryKind {
    match security {
        Security::Secure => MemoryKind::Secure,
        Security::NonSecure => MemoryKind::NonSecure,
    }
}

const fn device_kind(security: Security) -> MemoryKind {
    match security {
        Security::Secure => MemoryKind::SecureDevice,
        Security::NonSecure => MemoryKind::NonSecureDevice,
    }
}
