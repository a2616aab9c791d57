// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A platform as its description says: where memory, partitions and devices stand, and the policy for them.
//!
//! What is generated from it lives in [`crate::output`].

mod devices;
mod el3;
mod interrupt_source;
mod interrupts;
mod layout;
mod linux;
mod memory;
mod partition;
mod roles;

pub use devices::{Devices, Interrupter, SmmuFrame};
pub use interrupt_source::InterruptSource;
pub(crate) use interrupt_source::PROPERTY as SOURCE_PROPERTY;
pub use linux::{Linux, Undescribed};
pub use memory::Memory;
pub use partition::Partition;
pub use roles::Roles;

use crate::{
    error::{Error, Reason, Result},
    output::IMAGE_OFFSET,
    policy,
    source::Tree,
};
use iommu_core::policy::Policy;
use std::path::Path;

/// The binding that this crate reads.
const BINDING: &str = "sidguard,platform-1";
/// Cores that spm keeps state for, and so the most that a partition can have execution contexts for.
const MAX_CORES: usize = 8;

/// Which partitions boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Those of the product, the iommu service among them.
    Product,
    /// Those of the product, under a policy by which a hypervisor must claim its role.
    Hyp,
    /// As before, with what the attacks on a machine with a real hypervisor need.
    Attack,
    /// Those of the conformance suite.
    Conformance,
    /// Two that do nothing: what is counted of the boot is spm's.
    Bench,
}

impl Set {
    /// Returns the source file in a platform's folder.
    const fn source(self) -> &'static str {
        match self {
            Self::Product => "policy.dts",
            Self::Hyp => "hyp.dts",
            Self::Attack => "attack.dts",
            Self::Conformance => "conformance.dts",
            Self::Bench => "bench.dts",
        }
    }
}

/// Who runs the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// spm, at S-EL2.
    Spm,
    /// TF-A's own SPMC, at EL3, which runs one.
    El3,
}

/// Everything that a platform's description says, checked.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Name of its folder, as `qemu-sbsa`.
    pub name: String,
    /// What people call it.
    pub model: String,
    /// MPIDR_EL1 affinities of the cores, as PSCI takes them.
    pub core_affinities: Vec<u32>,
    /// Those of further cores, on which spm runs no partitions.
    pub more_core_affinities: Vec<u32>,
    /// Memory by its use.
    pub memory: Memory,
    /// Who runs the partitions.
    pub manager: Manager,
    /// Partitions in the order of their IDs.
    pub partitions: Vec<Partition>,
    /// Those of the description that the manager does not run.
    pub left_out: Vec<Partition>,
    /// Devices by their part.
    pub devices: Devices,
    /// What the iommu service will be bound by.
    pub policy: Policy,
    /// The way in which the iommu service is to get interrupts, where the description states one.
    pub stated_source: Option<InterruptSource>,
    /// Which device plays which part in the scenarios.
    pub roles: Roles,
    /// What the boot of a Linux kernel needs, on platforms that it is tried on.
    pub linux: Option<Linux>,
}

impl Platform {
    /// Compiles and checks the description in `folder/name`, with the product's partitions.
    ///
    /// # Errors
    /// The first thing that is wrong, with file and node.
    pub fn load(folder: &Path, name: &str) -> Result<Self> {
        Self::load_set(folder, name, Set::Product)
    }

    /// As [`Platform::load`], with the partitions of a set.
    ///
    /// # Errors
    /// As for [`Platform::load`].
    pub fn load_set(folder: &Path, name: &str, set: Set) -> Result<Self> {
        let file = folder.join(name).join(set.source());
        Self::from_tree(name, &file, &Tree::from_source(&file)?, set)
    }

    /// Checks a description that is compiled already; `file` stands for it in errors.
    ///
    /// # Errors
    /// As for [`Platform::load`].
    pub fn from_dtb(name: &str, file: &Path, bytes: &[u8]) -> Result<Self> {
        Self::from_tree(name, file, &Tree::from_dtb(file, bytes)?, Set::Product)
    }

    fn from_tree(name: &str, file: &Path, tree: &Tree, set: Set) -> Result<Self> {
        let root = tree.root();
        if !root.has("compatible") || root.string("compatible")? != BINDING {
            return Err(Error::file(file, Reason::Binding(BINDING)));
        }
        root.only(
            &["compatible", "model", "core-affinities", "more-core-affinities"],
            Some(&["memory", "partitions", "devices", "policy", "scenarios", "linux"]),
        )?;
        let core_affinities = root.cells("core-affinities")?;
        if core_affinities.len() > MAX_CORES {
            return Err(root.error(Reason::TooMany("cores", MAX_CORES)));
        }
        let more_core_affinities =
            if root.has("more-core-affinities") { root.cells("more-core-affinities")? } else { Vec::new() };
        let affinities = [core_affinities.as_slice(), &more_core_affinities].concat();
        for (place, core) in affinities.iter().enumerate() {
            if affinities.iter().skip(place + 1).any(|other| other == core) {
                return Err(root.error(Reason::Twice(format!("core {core:#x}"))));
            }
        }
        let memory = Memory::read(root.child("memory")?)?;
        // A context for each core, so that each core has its own.
        let cores = u32::try_from(core_affinities.len()).unwrap_or(u32::MAX);
        let partitions = partition::read(root.child("partitions")?, &memory, cores, set)?;
        let mut devices = Devices::read(root.child("devices")?)?;
        let linux = root.children().find(|child| child.name() == "linux").map(Linux::read).transpose()?;
        layout::check(root, &memory, &partitions, linux.as_ref())?;
        interrupts::check(root, &devices, linux.as_ref())?;
        let stated_source = InterruptSource::read(root.child("policy")?)?;
        if stated_source == Some(InterruptSource::Poll) {
            devices.smmus.iter_mut().for_each(|smmu| smmu.interrupts = None);
        }
        let policy = policy::compile(tree, &memory, &partitions, &devices)?;
        let roles = Roles::read(tree, root.child("scenarios")?, &policy)?;
        Ok(Self {
            name: name.to_owned(),
            model: root.string("model")?.to_owned(),
            core_affinities,
            more_core_affinities,
            memory,
            manager: Manager::Spm,
            partitions,
            left_out: Vec::new(),
            devices,
            policy,
            stated_source,
            roles,
            linux,
        })
    }

    /// Finds a partition by name.
    #[must_use]
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.name == name)
    }

    /// Checks that an image which takes so many bytes in memory fits its partition, and the service's before its accounts of
    /// pages.
    ///
    /// # Errors
    /// [`Reason::TooLarge`].
    pub fn check_room(&self, partition: &Partition, memory_size: u64) -> Result<()> {
        let accounts = self.policy.accounts.filter(|_| partition.iommu_service);
        let place = partition.memory.size.saturating_sub(accounts.map_or(0, |range| range.size));
        let size = memory_size.saturating_add(self.image_offset());
        if size > place {
            return Err(partition.error(Reason::TooLarge(
                format!("image of {}", partition.name),
                size,
                place,
            )));
        }
        Ok(())
    }

    /// Returns where a partition's image stands in its memory, in bytes.
    #[must_use]
    pub const fn image_offset(&self) -> u64 {
        match self.manager {
            // A package, which spm leaves as it was loaded.
            Manager::Spm => IMAGE_OFFSET as u64,
            // No package: the image is BL32.
            Manager::El3 => 0,
        }
    }

    /// Returns the partition that the policy is for.
    #[must_use]
    pub fn iommu_partition(&self) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.iommu_service)
    }
}
