// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secure partitions: the children of `/partitions` of a description.

use super::{Memory, Set};
use crate::{
    error::{Error, Reason, Result},
    source::Node,
};
use iommu_core::policy::Range;
use uuid::Uuid;

/// Packages that BL2 of TF-A's QEMU platforms loads (TF-A 2.12, MAX_SP_IDS).
const MAX_PARTITIONS: usize = 8;
/// ID of the first partition: bit 15 marks the secure world (FF-A 1.2, 6.1), 0x8000 is the SPMC.
const FIRST_ID: u16 = 0x8001;
/// The property of an SP manifest that the SPMC manifest repeats.
const CONTEXTS: &str = "execution-ctx-count";
/// What the iommu service is given by the policy, under the names that it has in an SP manifest.
const OF_THE_POLICY: [&str; 3] = ["memory-regions", "device-regions", "sidguard,policy-digest"];

/// One partition.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Name of its node.
    pub name: String,
    /// Name of its image: its own, unless it shares another's.
    pub image: String,
    /// Its FF-A endpoint ID.
    pub id: u16,
    /// Its service, and the name of its package in the FIP.
    pub uuid: Uuid,
    /// Its memory; the package is loaded at the start.
    pub memory: Range,
    /// Whether the boot stops without it.
    pub essential: bool,
    /// Whether it takes notifications.
    pub notifications: bool,
    /// Whether it is given the alarm.
    pub alarm: bool,
    /// Whether it is given the secure GPIO.
    pub secure_gpio: bool,
    /// Whether it is the one that the policy, the SMMU frames and the pool are for.
    pub iommu_service: bool,
    /// How many execution contexts it has.
    pub contexts: u32,
    /// Memory for the stacks of contexts that its image has none for.
    pub stacks: Option<Range>,
    /// What stands in its SP manifest instead of, or beside, what is generated.
    pub manifest: Option<Node>,
    node: Node,
}

impl Partition {
    /// Makes an error that blames this partition's node.
    #[must_use]
    pub fn error(&self, reason: impl Into<Reason>) -> Error {
        self.node.error(reason)
    }
}

/// Reads the partitions of a description; `cores` is what a partition has contexts for where it does not say.
pub(super) fn read(node: &Node, memory: &Memory, cores: u32, set: Set) -> Result<Vec<Partition>> {
    node.only(&[], None)?;
    let mut partitions: Vec<Partition> = Vec::new();
    for (id, child) in (FIRST_ID..).zip(node.children()) {
        let partition = read_one(child, id, cores)?;
        if partitions.len() == MAX_PARTITIONS {
            return Err(node.error(Reason::TooMany("partitions", MAX_PARTITIONS)));
        }
        if partitions.iter().any(|other| other.uuid == partition.uuid) {
            return Err(child.error(Reason::Twice(partition.uuid.to_string())));
        }
        if !memory.secure_ram.contains(&partition.memory) {
            return Err(child.error(Reason::Outside(partition.memory, "secure-ram".to_owned())));
        }
        if u32::try_from(partition.memory.base).is_err() || u32::try_from(partition.memory.size).is_err() {
            return Err(child.error(Reason::High(partition.memory)));
        }
        partitions.push(partition);
    }
    match partitions.iter().filter(|partition| partition.iommu_service).count() {
        0 if matches!(set, Set::Conformance | Set::Bench) => Ok(partitions),
        0 => Err(node.error(Reason::MissingNode("with iommu-service".to_owned()))),
        1 => Ok(partitions),
        _ => Err(node.error(Reason::Twice("iommu-service".to_owned()))),
    }
}

fn read_one(node: &Node, id: u16, cores: u32) -> Result<Partition> {
    node.only(
        &["reg", "uuid", "image", "essential", "notifications", "alarm", "secure-gpio", "iommu-service"],
        Some(&["manifest"]),
    )?;
    let name = node.plain_name()?;
    let manifest = node.children().next();
    let iommu_service = node.flag("iommu-service")?;
    if let Some(manifest) = manifest.filter(|_| iommu_service) {
        let names = manifest.children().map(Node::name).chain(manifest.properties().map(|(name, _)| name));
        if let Some(name) = names.into_iter().find(|name| OF_THE_POLICY.contains(name)) {
            return Err(manifest.error(Reason::OfThePolicy(name.to_owned())));
        }
    }
    Ok(Partition {
        name: name.to_owned(),
        image: if node.has("image") { node.string("image")? } else { name }.to_owned(),
        id,
        uuid: Uuid::try_parse(node.string("uuid")?)
            .map_err(|_| node.error(Reason::Malformed("uuid", "a UUID in hexadecimal groups")))?,
        memory: node.range("reg")?,
        essential: node.flag("essential")?,
        notifications: node.flag("notifications")?,
        alarm: node.flag("alarm")?,
        secure_gpio: node.flag("secure-gpio")?,
        iommu_service,
        contexts: match manifest {
            Some(manifest) if manifest.has(CONTEXTS) => manifest.u32(CONTEXTS)?,
            _ => cores,
        },
        stacks: None,
        manifest: manifest.cloned(),
        node: node.clone(),
    })
}
