// SPDX-License-Identifier: Apache-2.0 OR MIT
//! TB_FW_CONFIG of TF-A's QEMU platforms: which SP packages BL2 loads, and where.
//!
//! BL2 of these platforms walks the `arm,sp` node itself (TF-A 2.12, plat/qemu/common/qemu_bl2_setup.c) and reads one
//! cell of load address. Other platforms get the same list from the SP layout.

use super::{DeviceTree, dts::Writer};
use crate::{
    error::{Reason, Result},
    platform::Platform,
};

/// What TF-A's QEMU platforms load it to, in bytes.
const LIMIT: usize = 4096;

impl Platform {
    /// Generates TB_FW_CONFIG.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] above 4 KiB, [`Reason::High`], and what `dtc` says.
    pub fn tb_fw_config(&self) -> Result<DeviceTree> {
        let mut loads = Vec::new();
        for partition in &self.partitions {
            let address = u32::try_from(partition.memory.base)
                .map_err(|_| partition.error(Reason::High(partition.memory)))?;
            loads.push((partition, address));
        }
        let comment = format!("SP packages that BL2 loads (TB_FW_CONFIG) on {}.", self.model);
        let text = Writer::source(&comment, |root| {
            root.node("secure-partitions", |list| {
                list.string("compatible", "arm,sp");
                for (partition, address) in loads {
                    list.node(&partition.name, |node| {
                        node.string("uuid", &partition.uuid.to_string());
                        node.cells("load-address", &[address]);
                        node.string("owner", "SiP");
                    });
                }
            });
        });
        DeviceTree::compile("tb-fw-config", text, LIMIT)
    }
}
