// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a package in memory to a partition that can be entered.
#![expect(unsafe_code, reason = "reads and writes the memory of partitions")]

use core::fmt;

use heapless::Vec;
use spm_core::boot_info::{self, BootInfoError, ManifestLocation};
use spm_core::direct_message::VcpuRef;
use spm_core::hardware::MapFailed;
use spm_core::manifest::actions::AbortAction;
use spm_core::manifest::layout::{Layout, LayoutError, PartitionLayout};
use spm_core::manifest::spmc::SpmcPartition;
use spm_core::manifest::{MAX_PARTITIONS, ManifestError, PartitionManifest};
use spm_core::package::{Package, PackageError};
use spm_core::partition::{CoreIndex, Partition};
use spm_core::spmc::Partitions;
use spm_core::stage2::{NoTables, Rights};

use crate::arch::cache::{clean_and_invalidate, forget_instructions};
use crate::arch::features::Features;
use crate::console::say;
use crate::contexts::ContextMap;
use crate::image_store::{ImageStore, Kept, NotKept, Refused, prepare_first};
use crate::mmu;
use crate::stage2::Stage2;

/// Why a partition is refused.
pub(crate) enum Refusal {
    Package(PackageError),
    Manifest(ManifestError),
    Layout(LayoutError),
    BootInformation(BootInfoError),
    /// No room for translation tables.
    Tables,
    /// No room for this many vCPUs.
    Vcpus(usize),
    /// It cannot start again.
    NotKept(NotKept),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(error) => error.fmt(f),
            Self::Manifest(error) => error.fmt(f),
            Self::Layout(error) => error.fmt(f),
            Self::BootInformation(error) => error.fmt(f),
            Self::Tables => f.write_str("its memory cannot be mapped"),
            Self::NotKept(error) => error.fmt(f),
            Self::Vcpus(room) => write!(f, "there is room for {room} more vCPUs only"),
        }
    }
}

impl From<NoTables> for Refusal {
    fn from(_: NoTables) -> Self {
        Self::Tables
    }
}

impl From<MapFailed> for Refusal {
    fn from(_: MapFailed) -> Self {
        Self::Tables
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotKept(error) => Self::NotKept(error),
            Refused::Map => Self::Tables,
        }
    }
}

/// What was loaded. Places of the lists correspond.
pub(crate) struct Loaded {
    pub(crate) partitions: Partitions,
    pub(crate) stage2: Vec<Stage2, MAX_PARTITIONS>,
    pub(crate) kept: Vec<Option<Kept>, MAX_PARTITIONS>,
    pub(crate) contexts: ContextMap,
}

/// Loads partitions one by one.
pub(crate) struct Loader<'a> {
    layout: Layout<'a>,
    core: CoreIndex,
    features: Features,
    store: ImageStore,
    loaded: Loaded,
}

impl<'a> Loader<'a> {
    /// Begins with nothing loaded. `core` is the one that will start the partitions; what has to be kept of them goes to `store`.
    pub(crate) fn new(layout: Layout<'a>, core: CoreIndex, features: Features, store: ImageStore) -> Self {
        let loaded = Loaded {
            partitions: Vec::new(),
            stage2: Vec::new(),
            kept: Vec::new(),
            contexts: ContextMap::new(),
        };
        Self { layout, core, features, store, loaded }
    }

    /// Returns all that was loaded, and what it holds.
    pub(crate) fn finish(self) -> (Loaded, Layout<'a>) {
        (self.loaded, self.layout)
    }

    /// Loads the partition at `place`.
    pub(crate) fn load(&mut self, place: &SpmcPartition) -> Result<(), Refusal> {
        self.layout.check_place(place).map_err(Refusal::Layout)?;
        // SAFETY: no partition runs yet, and the memory is RAM that is neither spm's nor an earlier partition's.
        let (manifest, package) = unsafe { mmu::with_memory(place.memory, read) }??;
        let layout = self.layout.admit(place, &manifest, &package).map_err(Refusal::Layout)?;
        let room = self.loaded.contexts.room();
        let contexts = usize::from(manifest.contexts.get());
        let number = self.loaded.partitions.len();
        let vmid = u8::try_from(number + 1).map_err(|_| Refusal::Tables)?;
        if contexts > room {
            return Err(Refusal::Vcpus(room));
        }
        let own = Rights::of_own_memory(manifest.exception_level);
        let stage2 = Stage2::new(layout, own, vmid, &self.features)?;
        // SAFETY: as above, and now it is known to be nobody else's.
        let kept = unsafe {
            mmu::with_memory(place.memory, |memory| {
                write_boot_information(memory, layout, &manifest, &package)
                    .map_err(Refusal::BootInformation)?;
                let keep = || {
                    let length = package.manifest().end.max(package.image().end);
                    self.store.keep(memory, length, manifest.boot_register)
                };
                Ok::<_, Refusal>((manifest.abort_action == AbortAction::Restart).then(keep).transpose()?)
            })
        }??;
        if !self.loaded.contexts.add(contexts) {
            return Err(Refusal::Vcpus(room));
        }
        let partition = Partition::new(place, &manifest, layout);
        let first = VcpuRef { partition: number, vcpu: partition.vcpu_for(self.core) };
        if partition.is_application() {
            // It cannot do so itself, and runs with its caches on.
            forget_instructions();
        }
        if let Some(mut context) = self.loaded.contexts.take(first) {
            prepare_first(&mut context, &partition, manifest.boot_register);
        }
        say!(
            "{}: id {:#06x}, {contexts} vCPU(s), memory {}, {} other region(s)",
            place.name,
            layout.id,
            layout.memory,
            layout.memory_regions.len() + layout.device_regions.len()
        );
        say_what_streams_lack(place, &manifest);
        // The lists have room for all that the SPMC manifest's type can list.
        _ = self.loaded.partitions.push(partition);
        _ = self.loaded.stage2.push(stage2);
        _ = self.loaded.kept.push(kept);
        Ok(())
    }
}

/// Says what a partition does not get since spm drives no SMMU.
fn say_what_streams_lack(place: &SpmcPartition, manifest: &PartitionManifest) {
    for region in manifest.device_regions.iter().filter(|region| region.has_streams) {
        say!("{}: device region {} is withheld: spm drives no SMMU for its streams", place.name, region.name);
    }
    for region in manifest.memory_regions.iter().filter(|region| region.has_streams) {
        say!("{}: memory region {} is given to no stream: spm drives no SMMU", place.name, region.name);
    }
}

fn read(memory: &mut [u8]) -> Result<(PartitionManifest, Package), Refusal> {
    let package = Package::parse(memory).map_err(Refusal::Package)?;
    let blob = memory.get(package.manifest()).ok_or(Refusal::Package(PackageError::Truncated))?;
    let manifest = PartitionManifest::parse(blob).map_err(Refusal::Manifest)?;
    Ok((manifest, package))
}

/// Writes the boot information over the package's header, and makes all that spm touched visible to a partition that
/// runs with its caches off.
fn write_boot_information(
    memory: &mut [u8],
    layout: &PartitionLayout,
    manifest: &PartitionManifest,
    package: &Package,
) -> Result<(), BootInfoError> {
    let blob = package.manifest();
    let location = match (u32::try_from(blob.start), u32::try_from(blob.len())) {
        (Ok(offset), Ok(size)) if manifest.wants_manifest => Some(ManifestLocation { offset, size }),
        _ => None,
    };
    boot_info::write(memory, layout.memory.start(), manifest.ffa_version, location)?;
    if let Some(touched) = memory.get(..blob.end) {
        clean_and_invalidate(touched);
    }
    Ok(())
}
