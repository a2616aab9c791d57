// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is there in the tests of memory management, and what is whose.

use core::num::NonZeroU16;
use std::sync::OnceLock;

use arm_ffa::Version;
use heapless::Vec;

use super::{A, B, C};
use crate::kept::kept;
use crate::manifest::actions::AbortAction;
use crate::manifest::layout::{PartitionLayout, PlacedRegion};
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::region::{Access, Security};
use crate::manifest::spmc::SpmcPartition;
use crate::manifest::tests::{partition_tree, spmc_tree};
use crate::manifest::{AddressRange, Name, PartitionManifest, SpmcManifest};
use crate::memory::Memory;
use crate::normal_memory::NormalMemory;
use crate::partition::Partition;
use crate::spmc::{Partitions, Spmc};

/// Memory of the normal world that nobody else claims; its buffers are below.
pub(super) const RAM: u64 = 0x4010_0000;
/// Where partition A has its own; the others follow.
pub(super) const OWN: u64 = 0x0e40_0000;
pub(super) const OWN_BYTES: u64 = 0x10_0000;
/// Secure memory that A may only read, and that C may read and execute.
pub(super) const READ_ONLY: u64 = 0x0f00_0000;
pub(super) const EXECUTABLE: u64 = 0x0f10_0000;
/// A large region of A.
pub(super) const LARGE: u64 = 0x1000_0000;
/// Non-secure memory that the manifest gives to B.
pub(super) const CLAIMED: u64 = 0x5000_0000;

/// An SPMC with partitions A, B and C, whose manifests are of `version`; those at `applications` run at S-EL0.
pub(super) fn spmc(version: Version, applications: &[usize]) -> Spmc {
    let layouts = [A, B, C].into_iter().enumerate().map(|(place, id)| PartitionLayout {
        id,
        memory: own(place),
        entry: own(place).start() + 0x4000,
        memory_regions: Vec::from_slice(&regions(place)).unwrap(),
        device_regions: Vec::new(),
        interrupts: Vec::new(),
    });
    let layouts: std::vec::Vec<_> = layouts.collect();
    let partitions: Partitions = layouts
        .iter()
        .enumerate()
        .map(|(place, layout)| partition(version, layout, level(applications.contains(&place))))
        .collect();
    Spmc::new(0x8000, partitions, normal_memory(&layouts), kept(Memory::new()))
}

const fn level(is_application: bool) -> ExceptionLevel {
    if is_application { ExceptionLevel::SEl0 } else { ExceptionLevel::SEl1 }
}

fn partition(version: Version, layout: &PartitionLayout, level: ExceptionLevel) -> Partition {
    let mut manifest = manifests().0.clone();
    (manifest.ffa_version, manifest.contexts) = (version, NonZeroU16::MIN);
    manifest.exception_level = level;
    manifest.abort_action = AbortAction::Restart;
    let place = SpmcPartition {
        id: layout.id,
        name: Name::new("p"),
        memory: layout.memory,
        vcpu_count: NonZeroU16::MIN,
        essential: false,
    };
    Partition::new(&place, &manifest, layout)
}

fn normal_memory(layouts: &[PartitionLayout]) -> NormalMemory {
    NormalMemory::new(&manifests().1, layouts)
}

/// A partition's manifest and spm's, read once: that takes Miri longer than all that follows.
fn manifests() -> &'static (PartitionManifest, SpmcManifest) {
    static READ: OnceLock<(PartitionManifest, SpmcManifest)> = OnceLock::new();
    READ.get_or_init(|| {
        let partition = PartitionManifest::parse(&partition_tree().blob()).unwrap();
        (partition, SpmcManifest::parse(&spmc_tree().blob()).unwrap())
    })
}

pub(super) fn range(start: u64, pages: u64) -> AddressRange {
    AddressRange::from_pages(start, pages).unwrap()
}

/// The own memory of the partition at `place`.
pub(super) fn own(place: usize) -> AddressRange {
    AddressRange::new(OWN + place as u64 * OWN_BYTES, OWN_BYTES).unwrap()
}

/// A page of it that is no buffer.
pub(super) fn page(place: usize, number: u64) -> u64 {
    own(place).start() + 0x4_0000 + number * 4096
}

pub(super) fn regions(place: usize) -> std::vec::Vec<PlacedRegion> {
    let region =
        |start, pages, access, security| PlacedRegion { range: range(start, pages), access, security };
    match place {
        0 => vec![
            region(READ_ONLY, 4, Access::Read, Security::Secure),
            region(LARGE, 0x2000, Access::ReadWrite, Security::Secure),
        ],
        1 => vec![region(CLAIMED, 16, Access::ReadWrite, Security::NonSecure)],
        _ => vec![region(EXECUTABLE, 4, Access::ReadExecute, Security::Secure)],
    }
}
