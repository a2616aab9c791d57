// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a description says for the boot of a Linux kernel in BL33's place: the node `/linux`.

use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::Range;

/// What Linux is given, and what its device tree lacks.
#[derive(Clone, Debug)]
pub struct Linux {
    /// Where whoever starts the machine puts the initial RAM file system, at the start.
    pub initramfs: Range,
    /// Set where the machine's own device tree names no more than cores, memory and the GIC's frames.
    pub undescribed: Option<Undescribed>,
}

/// Interrupts of devices that a machine's own device tree leaves out, as numbers of shared peripheral interrupts (SPI).
#[derive(Clone, Debug)]
pub struct Undescribed {
    /// SPI of the normal world's UART.
    pub console_spi: u32,
    /// SPIs of the four legacy interrupts of the PCI host bridge, INTA first.
    pub pci_spis: [u32; 4],
}

/// SPIs of a GICv3 without extended ones: INTIDs 32 to 1019.
const SPIS: u32 = 988;

impl Linux {
    /// Reads the node.
    pub(super) fn read(node: &Node) -> Result<Self> {
        node.only(&[], Some(&["initramfs", "undescribed"]))?;
        let initramfs = node.child("initramfs")?;
        initramfs.only(&["reg"], Some(&[]))?;
        let undescribed = node.children().find(|child| child.name() == "undescribed");
        Ok(Self {
            initramfs: initramfs.range("reg")?,
            undescribed: undescribed.map(Undescribed::read).transpose()?,
        })
    }
}

impl Undescribed {
    fn read(node: &Node) -> Result<Self> {
        node.only(&["console-spi", "pci-spis"], Some(&[]))?;
        let console_spi = node.u32("console-spi")?;
        if console_spi >= SPIS {
            return Err(node.error(Reason::Malformed("console-spi", "an SPI, below 988")));
        }
        let pci_spis = <[u32; 4]>::try_from(node.cells("pci-spis")?.as_slice())
            .ok()
            .filter(|spis| spis.iter().all(|spi| *spi < SPIS))
            .ok_or_else(|| node.error(Reason::Malformed("pci-spis", "four SPIs, below 988")))?;
        Ok(Self { console_spi, pci_spis })
    }
}
