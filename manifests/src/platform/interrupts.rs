// SPDX-License-Identifier: Apache-2.0 OR MIT
//! No interrupt is two devices': spm would refuse the second partition, or take one from the normal world.

use super::{Devices, Linux};
use crate::{
    error::{Reason, Result},
    source::Node,
};

/// INTID of the first shared peripheral interrupt, SPI 0 (IHI 0069, 2.2).
const FIRST_SPI: u32 = 32;

/// Checks that each interrupt of partitions' devices is one device's only.
pub(super) fn check(root: &Node, devices: &Devices, linux: Option<&Linux>) -> Result<()> {
    let mut taken = Vec::new();
    if let Some(undescribed) = linux.and_then(|linux| linux.undescribed.as_ref()) {
        taken
            .extend(undescribed.pci_spis.iter().chain([&undescribed.console_spi]).map(|spi| FIRST_SPI + spi));
    }
    let tests = devices.alarm.iter().chain(&devices.secure_gpio).map(|device| vec![device.interrupt]);
    let smmus = devices.smmus.iter().filter_map(|smmu| smmu.interrupts).map(|wires| {
        // An SMMU may have one wire for both.
        let mut wires = vec![wires.event, wires.error];
        wires.dedup();
        wires
    });
    for own in tests.chain(smmus) {
        if let Some(intid) = own.iter().find(|intid| taken.contains(*intid)) {
            return Err(root.child("devices")?.error(Reason::Twice(format!("interrupt {intid}"))));
        }
        taken.extend(own);
    }
    Ok(())
}
