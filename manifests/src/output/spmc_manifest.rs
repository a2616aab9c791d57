// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC manifest, TOS_FW_CONFIG of TF-A. The SPMD reads its `attribute` node, spm all of it.
//!
//! The binding is TF-A's `arm,ffa-core-manifest-1.0` (docs/components/ffa-manifest-binding.rst) with Hafnium's
//! `hypervisor` and `memory@N` nodes. Ours are `sidguard,essential`, `console` and `gic`.

use super::{DeviceTree, dts::Writer};
use crate::{error::Result, platform::Platform};

/// The SPMC's endpoint ID; bit 15 must be set (TF-A's SPMD checks it).
const SPMC_ID: u32 = 0x8000;
/// What TF-A's platforms map for the manifest, in bytes.
const LIMIT: usize = 4096;

impl Platform {
    /// Generates the SPMC manifest.
    ///
    /// # Errors
    /// [`Reason::TooLarge`](crate::Reason::TooLarge) above 4 KiB, and what `dtc` says.
    pub fn spmc_manifest(&self) -> Result<DeviceTree> {
        let comment = format!("SPMC manifest (TOS_FW_CONFIG) of {}.", self.model);
        let text = Writer::source(&comment, |root| {
            root.string("compatible", "arm,ffa-core-manifest-1.0");
            root.cells("#address-cells", &[2]);
            root.cells("#size-cells", &[2]);
            root.node("attribute", |node| self.attribute(node));
            root.node("console", |node| {
                node.string("compatible", "arm,pl011");
                node.ranges("reg", &[self.devices.secure_uart]);
            });
            root.node("gic", |node| {
                node.string("compatible", "arm,gic-v3");
                node.ranges("reg", &[self.devices.gic_distributor, self.devices.gic_redistributors]);
            });
            root.node("hypervisor", |node| self.partitions_of_spmc(node));
            self.memory_of_spmc(root);
        });
        DeviceTree::compile("spmc-manifest", text, LIMIT)
    }

    fn attribute(&self, node: &mut Writer) {
        node.cells("spmc_id", &[SPMC_ID]);
        node.cells("maj_ver", &[1]);
        node.cells("min_ver", &[2]);
        // 0 is AArch64.
        node.cells("exec_state", &[0]);
        node.wide("load_address", self.memory.spm.base);
        node.wide("entrypoint", self.memory.spm.base);
        // The entry point of secondary cores must lie inside.
        node.cells("binary_size", &[low(self.memory.spm.size)]);
    }

    fn partitions_of_spmc(&self, node: &mut Writer) {
        node.string("compatible", "hafnium,hafnium");
        for (number, partition) in (1..).zip(&self.partitions) {
            node.node(&format!("vm{number}"), |vm| {
                vm.flag("is_ffa_partition");
                vm.string("debug_name", &partition.name);
                vm.cells("load_address", &[low(partition.memory.base)]);
                vm.cells("vcpu_count", &[partition.contexts]);
                vm.cells("mem_size", &[low(partition.memory.size)]);
                if partition.essential {
                    vm.flag("sidguard,essential");
                }
            });
        }
    }

    fn memory_of_spmc(&self, root: &mut Writer) {
        let alarm = self.devices.alarm.iter().map(|alarm| alarm.registers);
        let frames: Vec<_> = self.devices.smmus.iter().map(|smmu| smmu.frame).chain(alarm).collect();
        let kinds = [
            ("memory", vec![self.memory.secure_ram]),
            ("ns-memory", vec![self.memory.normal_ram]),
            // What partitions may be given of devices, and no more. The service drives an SMMU through its
            // non-secure programming interface, as the normal world would.
            ("ns-device-memory", frames),
            ("device-memory", self.devices.secure_gpio.iter().map(|gpio| gpio.registers).collect()),
        ];
        for (number, (kind, ranges)) in kinds.iter().filter(|(_, ranges)| !ranges.is_empty()).enumerate() {
            root.node(&format!("memory@{number}"), |node| {
                node.string("device_type", kind);
                node.ranges("reg", ranges);
            });
        }
    }
}

/// Partitions and spm are checked to lie below 4 GiB; what does not would be seen as zero and refused by spm.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}
