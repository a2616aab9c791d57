// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What may stand where: nothing twice, secure things in secure RAM, the normal world's in its own.

use super::{Linux, Memory, Partition};
use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::Range;

/// Granule of every stage-2 table and of the SMMU's, in bytes.
const PAGE_SIZE: u64 = 4096;

/// Checks that everything has whole pages of its own.
pub(super) fn check(
    root: &Node,
    memory: &Memory,
    partitions: &[Partition],
    linux: Option<&Linux>,
) -> Result<()> {
    let places = root.child("memory")?;
    let mut top: Vec<(&Node, Range)> = vec![
        (places.child("secure-ram")?, memory.secure_ram),
        (places.child("normal-ram")?, memory.normal_ram),
        (places.child("hole")?, memory.hole),
    ];
    for device in root.child("devices")?.children() {
        top.push((device, device.range("reg")?));
    }
    disjoint(&top)?;

    let mut secure = vec![(places.child("secure-ram")?, memory.spm)];
    for (node, partition) in root.child("partitions")?.children().zip(partitions) {
        secure.push((node, partition.memory));
    }
    disjoint(&secure)?;

    let mut normal = vec![
        (places.child("normal-image")?, memory.normal_image),
        (places.child("mailbox")?, memory.mailbox),
        (places.child("scratch")?, memory.scratch),
        (places.child("pool")?, memory.pool),
    ];
    if let Some(linux) = linux {
        normal.push((root.child("linux")?.child("initramfs")?, linux.initramfs));
    }
    disjoint(&normal)?;
    for (node, range) in normal {
        if !memory.normal_ram.contains(&range) {
            return Err(node.error(Reason::Outside(range, "normal-ram".to_owned())));
        }
    }
    Ok(())
}

fn disjoint(ranges: &[(&Node, Range)]) -> Result<()> {
    for (place, (node, range)) in ranges.iter().enumerate() {
        if !range.is_aligned(PAGE_SIZE) {
            return Err(node.error(Reason::Pages(*range)));
        }
        if let Some((other, taken)) = ranges.iter().take(place).find(|(_, other)| other.overlaps(range)) {
            return Err(node.error(Reason::Overlap(*range, other.path().to_owned(), *taken)));
        }
    }
    Ok(())
}
