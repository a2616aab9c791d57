// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SP manifests (`arm,ffa-manifest-1.0`, TF-A docs/components/ffa-manifest-binding.rst): what a partition is given.
//!
//! The iommu service gets the SMMU frames as devices, the pool as non-secure memory, and the digest of its policy as
//! `sidguard,policy-digest`; other partitions get nothing but their own memory. What the description's `manifest` node has
//! takes the place of what would be generated under the same name.

use super::{DeviceTree, dts::Writer};
use crate::{
    error::{Reason, Result},
    platform::{InterruptSource, Interrupter, Manager, Partition, Platform},
    policy::Blob,
};
use core::slice;
use ffa_abi::HYP_SERVICE;
use iommu_core::policy::{HypRole, Interrupts, Range};
use uuid::Uuid;

const PAGE_SIZE: u64 = 4096;
/// What a partition's boot information can carry: TF-A's EL3 SPMC puts header, one descriptor (FF-A 1.2, 5.4.2: 32
/// bytes each) and manifest into one page.
const LIMIT: usize = 4096 - 2 * 32;
/// FF-A 1.2, as `ffa-version` spells it.
const FFA_VERSION: u32 = 0x0001_0002;
/// `exception-level`: S-EL1.
const S_EL1: u32 = 2;
/// `messaging-method`: receives direct requests.
const RECEIVES: u32 = 1 << 0;
/// `messaging-method`: sends direct requests.
const SENDS: u32 = 1 << 1;
/// `messaging-method`: receives direct requests by FFA_MSG_SEND_DIRECT_REQ2.
const RECEIVES2: u32 = 1 << 9;
/// `attributes` of memory and device regions: readable, writable, never executable; non-secure.
const READ: u32 = 1 << 0;
const WRITE: u32 = 1 << 1;
const NON_SECURE: u32 = 1 << 3;
/// Attributes of an interrupt: a secure SPI of the most urgent priority, edge-triggered; the bit that makes it level-sensitive.
const SECURE_SPI: u32 = 1 << 8 | 2 << 10;
const LEVEL: u32 = 1 << 9;

impl Platform {
    /// Generates the manifest of one partition of this platform.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] above what fits a page of boot information, and what `dtc` says.
    pub fn sp_manifest(&self, partition: &Partition) -> Result<DeviceTree> {
        let policy = if partition.iommu_service { Some(Blob::encode(&self.policy)?) } else { None };
        let pool = Region::new(partition, "pool", &self.policy.pool, None)?;
        let mut frames = self
            .policy
            .smmus
            .iter()
            .map(|smmu| Region::new(partition, &smmu.name, &smmu.frame, smmu.interrupts))
            .collect::<Result<Vec<_>>>()?;
        let source = if partition.iommu_service { Some(self.interrupt_source(partition)?) } else { None };
        let distributor = self.devices.gic_distributor;
        if source == Some(InterruptSource::Gic) {
            let frame = Region::new(partition, "gic-distributor", &distributor, None)?;
            frames.push(Region { security: 0, ..frame });
        }
        let image_offset = u32::try_from(self.image_offset())
            .map_err(|_| partition.error(Reason::High(partition.memory)))?;
        let comment = format!("SP manifest of {} on {}.", partition.name, self.model);
        let text = Writer::source_with(&comment, partition.manifest.as_ref(), |root| {
            root.string("compatible", "arm,ffa-manifest-1.0");
            root.cells("ffa-version", &[FFA_VERSION]);
            let (uuids, methods) = self.services(partition);
            root.cells("uuid", &uuids.iter().flat_map(uuid_cells).collect::<Vec<_>>());
            root.string("description", &partition.name);
            root.cells("id", &[u32::from(partition.id)]);
            root.cells("execution-ctx-count", &[partition.contexts]);
            root.cells("exception-level", &[S_EL1]);
            // 0 is AArch64.
            root.cells("execution-state", &[0]);
            root.wide("load-address", partition.memory.base);
            root.cells("entrypoint-offset", &[image_offset]);
            // 0 is 4 KiB.
            root.cells("xlat-granule", &[0]);
            root.cells("boot-order", &[u32::from(partition.id & 0x7fff) - 1]);
            root.cells("gp-register-num", &[0]);
            root.cells("messaging-method", &methods);
            // 0 queues the normal world's interrupts while the partition runs.
            root.cells("ns-interrupts-action", &[0]);
            if partition.notifications {
                root.flag("notification-support");
            }
            let starts_again = self.policy.hyp == HypRole::Absent && self.manager == Manager::Spm;
            if partition.iommu_service && starts_again {
                // 2 starts it again, which TF-A's SPMC at EL3 cannot: it has every SMMU abort all DMA before it does anything else. Not where a hypervisor
                // claims its role: whoever made the service abort could claim it in its place afterwards.
                root.flag("lifecycle-support");
                root.cells("abort-action", &[2]);
            }
            if let Some(policy) = &policy {
                root.bytes("sidguard,policy-digest", &policy.digest);
            }
            if let Some(source) = source {
                root.string("sidguard,interrupt-source", source.word());
                if source == InterruptSource::Gic {
                    // For the partition itself: address of the registers. Their route follows the cores, so it has to be told
                    // when one goes off; bit 0.
                    root.wide("sidguard,gic-distributor", distributor.base);
                    root.cells("power-management-messages", &[1]);
                }
            }
            if let Some(stacks) = &partition.stacks {
                // For the partition itself: address and size.
                let halves = [stacks.base >> 32, stacks.base, stacks.size >> 32, stacks.size]
                    .map(|half| u32::try_from(half & 0xffff_ffff).unwrap_or_default());
                root.cells("sidguard,stacks", &halves);
            }
            if let Some(alarm) = self.devices.alarm.as_ref().filter(|_| partition.alarm) {
                // For the partition itself: where the registers are, and which interrupt it is.
                let [high, low] = [alarm.registers.base >> 32, alarm.registers.base & 0xffff_ffff]
                    .map(|half| u32::try_from(half).unwrap_or_default());
                root.cells("sidguard,alarm", &[high, low, alarm.interrupt]);
            }
            root.node("boot-info", |node| {
                node.string("compatible", "arm,ffa-manifest-boot-info");
                node.flag("ffa_manifest");
            });
            if partition.iommu_service {
                regions(root, "memory-regions", slice::from_ref(&pool));
                regions(root, "device-regions", &frames);
            }
            if let Some(alarm) = self.devices.alarm.as_ref().filter(|_| partition.alarm) {
                device_region(root, "alarm", alarm, NON_SECURE);
            }
            if let Some(gpio) = self.devices.secure_gpio.as_ref().filter(|_| partition.secure_gpio) {
                device_region(root, "secure-gpio", gpio, 0);
            }
        });
        DeviceTree::compile(&format!("{}-manifest", partition.name), text, LIMIT)
    }
}

impl Platform {
    /// Returns the UUIDs of a partition, and how it is talked to: one way for all of them, or one for each.
    ///
    /// The iommu service answers and asks nobody. The hypervisor's UUID is there where its role is. TF-A's SPMC at EL3 (2.12) has
    /// neither FFA_MSG_SEND_DIRECT_REQ2 nor partitions with two UUIDs.
    fn services(&self, partition: &Partition) -> (Vec<Uuid>, Vec<u32>) {
        match self.manager {
            _ if !partition.iommu_service => (vec![partition.uuid], vec![RECEIVES | SENDS]),
            Manager::El3 => (vec![partition.uuid], vec![RECEIVES]),
            Manager::Spm if self.policy.hyp == HypRole::Required => {
                (vec![partition.uuid, HYP_SERVICE], vec![RECEIVES | RECEIVES2, RECEIVES2])
            }
            Manager::Spm => (vec![partition.uuid], vec![RECEIVES | RECEIVES2]),
        }
    }
}

/// One region that the iommu service is given.
struct Region<'a> {
    name: &'a str,
    base: u64,
    pages: u32,
    interrupts: Option<Interrupts>,
    /// Of its attributes, the one that says whose it is.
    security: u32,
}

impl<'a> Region<'a> {
    fn new(
        partition: &Partition,
        name: &'a str,
        range: &Range,
        interrupts: Option<Interrupts>,
    ) -> Result<Self> {
        let pages = u32::try_from(range.size / PAGE_SIZE).map_err(|_| {
            partition.error(Reason::TooLarge(name.to_owned(), range.size, u64::from(u32::MAX) * PAGE_SIZE))
        })?;
        Ok(Self { name, base: range.base, pages, interrupts, security: NON_SECURE })
    }
}

fn regions(root: &mut Writer, kind: &str, regions: &[Region<'_>]) {
    root.node(kind, |list| {
        list.string("compatible", &format!("arm,ffa-manifest-{kind}"));
        for region in regions {
            list.node(region.name, |node| {
                node.string("description", region.name);
                node.wide("base-address", region.base);
                node.cells("pages-count", &[region.pages]);
                node.cells("attributes", &[READ | WRITE | region.security]);
                if let Some(Interrupts { event, error }) = region.interrupts {
                    // What an SMMU signals are moments, not states (IHI 0070, 3.18).
                    let wires = [event, SECURE_SPI, error, SECURE_SPI];
                    let wires = if event == error { wires.get(..2).unwrap_or_default() } else { &wires };
                    node.cells("interrupts", wires);
                }
            });
        }
    });
}

/// A device's registers, of this security, and its interrupt, as the only device of a partition.
fn device_region(root: &mut Writer, name: &str, device: &Interrupter, security: u32) {
    root.node("device-regions", |list| {
        list.string("compatible", "arm,ffa-manifest-device-regions");
        list.node(name, |node| {
            node.wide("base-address", device.registers.base);
            node.cells("pages-count", &[1]);
            node.cells("attributes", &[READ | WRITE | security]);
            node.cells("interrupts", &[device.interrupt, SECURE_SPI | LEVEL]);
        });
    });
}

/// A UUID as four words, each of the next four bytes in little-endian order (SMCCC, DEN0028, UUID format).
fn uuid_cells(uuid: &Uuid) -> Vec<u32> {
    uuid.as_bytes().as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}
