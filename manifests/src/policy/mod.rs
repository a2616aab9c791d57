// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The policy compiler: from the node `/policy` of a description to what the iommu service reads.
//!
//! The types, and the check that the service repeats when it starts, live in `iommu_core::policy`. This module adds
//! what only the source can tell: names for phandles, words for enums, and typing errors.

mod blob;
mod device;
mod managed;
mod words;

pub use blob::Blob;
pub(crate) use device::device_at;

use crate::{
    error::{Reason, Result},
    platform::{Devices, Memory, Partition, SOURCE_PROPERTY},
    source::{Node, Tree},
};
use iommu_core::policy::{
    FORMAT_VERSION, HypRole, MAX_DEVICES, MAX_SMMUS, MAX_UNPROTECTED, Name, Policy, Range, Smmu,
};

const PAGE_SIZE: u64 = 4096;

/// Turns `/policy` into a policy and checks it.
pub(crate) fn compile(
    tree: &Tree,
    memory: &Memory,
    partitions: &[Partition],
    devices: &Devices,
) -> Result<Policy> {
    let node = tree.root().child("policy")?;
    let properties =
        ["guard", "hyp", "managed", "pool", "unprotected-masters", "fault-rate", SOURCE_PROPERTY];
    node.only(&properties, Some(&["devices"]))?;
    let pool = managed::pool(tree, node, memory)?;
    let mut policy = Policy {
        version: FORMAT_VERSION,
        guard: words::guard(node)?,
        hyp: words::hyp(node)?,
        managed: managed::managed(tree, node, memory, &pool)?,
        accounts: None,
        pool,
        smmus: heapless::Vec::new(),
        devices: heapless::Vec::new(),
        unprotected: unprotected(node)?,
        fault_rate: if node.has("fault-rate") { node.u32("fault-rate")? } else { 0 },
    };
    let service = partitions.iter().find(|partition| partition.iommu_service);
    if let (HypRole::Required, Some(service)) = (policy.hyp, service) {
        policy.accounts = Some(accounts(&policy, service)?);
    }
    for smmu in &devices.smmus {
        let smmu = Smmu {
            name: name(node, &smmu.name)?,
            frame: smmu.frame,
            resets_to_bypass: smmu.resets_to_bypass,
            interrupts: smmu.interrupts,
            power: smmu.power,
        };
        policy.smmus.push(smmu).map_err(|_| node.error(Reason::TooMany("SMMUs", MAX_SMMUS)))?;
    }
    let list = node.child("devices")?;
    list.only(&[], None)?;
    for child in list.children() {
        let device = device::read(tree, child, &devices.smmus)?;
        policy.devices.push(device).map_err(|_| list.error(Reason::TooMany("devices", MAX_DEVICES)))?;
    }
    policy.check().map_err(|error| node.error(error))?;
    Ok(policy)
}

/// Returns where the accounts of managed pages stand: at the end of the service's own memory. That its image fits before
/// them is seen when it is packed.
pub(crate) fn accounts(policy: &Policy, service: &Partition) -> Result<Range> {
    let memory = &service.memory;
    let size = policy.accounts_bytes_needed().next_multiple_of(PAGE_SIZE);
    let place = memory.end().and_then(|end| end.checked_sub(size)).filter(|base| *base > memory.base);
    let too_large = || Reason::TooLarge("what accounts for managed pages".to_owned(), size, memory.size);
    Ok(Range { base: place.ok_or_else(|| service.error(too_large()))?, size })
}

fn unprotected(node: &Node) -> Result<heapless::Vec<Name, MAX_UNPROTECTED>> {
    let mut list = heapless::Vec::new();
    if node.has("unprotected-masters") {
        for word in node.strings("unprotected-masters")? {
            list.push(name(node, word)?)
                .map_err(|_| node.error(Reason::TooMany("unprotected masters", MAX_UNPROTECTED)))?;
        }
    }
    Ok(list)
}

fn name(node: &Node, text: &str) -> Result<Name> {
    Name::try_from(text).map_err(|_| node.error(Reason::LongName(text.to_owned())))
}
