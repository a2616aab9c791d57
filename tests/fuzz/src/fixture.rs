// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An SPMC as it is when the normal world starts, with the partitions of the conformance suite; their manifests are those
//! that boot, and go through the same code as there.
#![expect(clippy::expect_used, reason = "without its fixture a test cannot run")]
#![expect(unsafe_code, reason = "the SPMC refers to state that on a machine is a static")]

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::OnceLock;

use manifests::{Platform, Set};
use spm_core::manifest::layout::{Layout, PartitionLayout};
use spm_core::manifest::{AddressRange, PartitionManifest, SpmcManifest};
use spm_core::memory::Memory;
use spm_core::normal_memory::NormalMemory;
use spm_core::package::Package;
use spm_core::partition::Partition;
use spm_core::spmc::{Partitions, Spmc};
use spm_core::vcpu::VcpuState;
use spm_core::work::Work;

const PLATFORM: &str = "qemu-virt";
/// As many cores as spm runs on.
const CORES: NonZeroU16 = NonZeroU16::new(8).expect("is not 0");
/// Enough for a package's header, manifest and what stands for its image.
const PACKAGE_BYTES: usize = 0x6000;

/// Addresses and IDs that mean something.
#[derive(Debug)]
pub(crate) struct Places {
    /// Of the normal world, of spm, of partitions, and one that nobody has.
    pub(crate) ids: Vec<u16>,
    /// Where RAM of the normal world begins.
    pub(crate) normal_memory: u64,
    /// Where each partition's memory begins.
    pub(crate) memories: Vec<u64>,
    /// Other words: halves of the services' UUIDs, interrupts.
    pub(crate) words: Vec<u64>,
}

struct Source {
    spmc: SpmcManifest,
    partitions: Vec<(PartitionManifest, PartitionLayout)>,
    places: Places,
    blobs: Vec<Vec<u8>>,
    packages: Vec<Vec<u8>>,
}

fn source() -> &'static Source {
    static SOURCE: OnceLock<Source> = OnceLock::new();
    SOURCE.get_or_init(read)
}

fn read() -> Source {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let platform = Platform::load_set(&root, PLATFORM, Set::Conformance).expect("the description is sound");
    let blob = platform.spmc_manifest().expect("it can be generated").blob;
    let spmc = SpmcManifest::parse(&blob).expect("spm reads it");
    let spm = AddressRange::new(platform.memory.spm.base, platform.memory.spm.size).expect("pages");
    let mut layout = Layout::new(&spmc, CORES, &[spm]).expect("there is room");
    let (mut blobs, mut packages, mut read) = (vec![blob], Vec::new(), Vec::new());
    for (place, partition) in spmc.partitions.iter().zip(&platform.partitions) {
        let tree = platform.sp_manifest(partition).expect("it can be generated");
        let mut package = manifests::package(partition, &tree.blob, &[0; 64]).expect("it fits");
        package.resize(package.len().max(PACKAGE_BYTES), 0);
        let parsed = Package::parse(&package).expect("spm reads it");
        let manifest = PartitionManifest::parse(&tree.blob).expect("spm reads it");
        let placed = layout.admit(place, &manifest, &parsed).expect("spm admits it").clone();
        read.push((manifest, placed));
        blobs.push(tree.blob);
        packages.push(package);
    }
    let ids = [0, 1, 5, spmc.spmc_id, 0x80ff, 0xffff];
    let halves = |manifest: &PartitionManifest| {
        let of = |service: &spm_core::manifest::services::Service| {
            let (low, high) = service.uuid.as_u64_pair();
            [low.swap_bytes(), high.swap_bytes()]
        };
        manifest.services.iter().flat_map(of).collect::<Vec<_>>()
    };
    let interrupts = |placed: &PartitionLayout| {
        placed.interrupts.iter().map(|interrupt| u64::from(interrupt.intid)).collect::<Vec<_>>()
    };
    let places = Places {
        ids: ids.into_iter().chain(read.iter().map(|(_, placed)| placed.id)).collect(),
        normal_memory: platform.memory.normal_image.base,
        memories: read.iter().map(|(_, placed)| placed.memory.start()).collect(),
        words: read
            .iter()
            .flat_map(|(manifest, placed)| halves(manifest).into_iter().chain(interrupts(placed)))
            .collect(),
    };
    Source { spmc, partitions: read, places, blobs, packages }
}

/// An SPMC, and the state of memory management that it refers to.
pub(crate) struct Booted {
    spmc: Option<Spmc>,
    memory: *mut Memory,
}

impl Booted {
    /// Returns the SPMC.
    pub(crate) fn spmc(&self) -> &Spmc {
        self.spmc.as_ref().expect("it is there until the end")
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        self.spmc = None;
        // SAFETY: `boot` made it by Box::into_raw, and lent it to the SPMC alone, which has just ended.
        drop(unsafe { Box::from_raw(self.memory) });
    }
}

/// Returns an SPMC whose partitions all wait for messages.
pub(crate) fn boot() -> (Booted, &'static Places) {
    let source = source();
    let mut partitions = Partitions::new();
    for (place, (manifest, placed)) in source.spmc.partitions.iter().zip(&source.partitions) {
        let partition = Partition::new(place, manifest, placed);
        for vcpu in (0..partition.contexts()).filter_map(|index| partition.vcpu(index)) {
            vcpu.transition(VcpuState::Off, VcpuState::Waiting).expect("it is new");
            vcpu.set_work(Work::Nothing);
        }
        assert!(partitions.push(partition).is_ok(), "there is room for each");
    }
    let placed: Vec<_> = source.partitions.iter().map(|(_, placed)| placed.clone()).collect();
    let normal = NormalMemory::new(&source.spmc, &placed);
    let memory = Box::into_raw(Box::new(Memory::new()));
    // SAFETY: it is there until the Booted ends, which ends the SPMC first, and it is lent out once.
    let spmc = Spmc::new(source.spmc.spmc_id, partitions, normal, unsafe { &*memory });
    (Booted { spmc: Some(spmc), memory }, &source.places)
}

/// Returns the SPMC manifest that partitions are admitted by.
pub(crate) fn spmc_manifest() -> &'static SpmcManifest {
    &source().spmc
}

/// Returns all manifests.
pub(crate) fn manifests() -> Vec<Vec<u8>> {
    source().blobs.clone()
}

/// Returns the heads of all packages.
pub(crate) fn packages() -> Vec<Vec<u8>> {
    const HEADER_BYTES: usize = 64;
    source().packages.iter().filter_map(|package| Some(package.get(..HEADER_BYTES)?.to_vec())).collect()
}
