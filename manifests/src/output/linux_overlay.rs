// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is laid over a machine's own device tree before Linux reads it: the command line and the initial RAM file system,
//! the pool as memory that is not Linux's, every SMMU disabled because iommu-sp owns it, and on machines whose tree is
//! bare the devices that Linux cannot find by itself.
//!
//! The machine's tree is QEMU's; TF-A adds PSCI to it. The bindings are those of the device-tree specification and of
//! Linux's `Documentation/devicetree/bindings`.

use super::{DeviceTree, dts::Writer, dts::halves};
use crate::{
    error::{Error, Reason, Result},
    platform::{Platform, Undescribed},
    source::{Node, Tree},
};

/// More than any machine's overlay needs, in bytes.
const LIMIT: usize = 64 * 1024;
/// The first cell of `interrupts` of a GIC: an SPI, and a PPI.
const SPI: u32 = 0;
const PPI: u32 = 1;
/// The last cell of `interrupts` of a GIC: active high, level-sensitive.
const LEVEL_HIGH: u32 = 4;
/// PPIs of the BSA (Arm DEN 0094): EL3, EL1 physical, EL1 virtual, EL2 physical, EL2 virtual timer, in the order of the
/// timer's binding; the maintenance interrupt of the virtual GIC; the PMU.
const TIMER_PPIS: [u32; 5] = [13, 14, 11, 10, 12];
const MAINTENANCE_PPI: u32 = 9;
const PMU_PPI: u32 = 7;
/// First cell of a PCI range of 32-bit memory.
const PCI_MEMORY_32: u32 = 0x0200_0000;

/// Where the slot stands in the first cell of a PCI unit address, and its two bits that pick an interrupt.
const SLOT_SHIFT: u32 = 11;
const SLOT_MASK: u32 = 3 << SLOT_SHIFT;

/// What differs from boot to boot.
#[derive(Clone, Copy, Debug)]
pub struct LinuxBoot<'a> {
    /// The kernel's command line.
    pub arguments: &'a str,
    /// Bytes of the initial RAM file system.
    pub initramfs_size: u64,
}

impl Platform {
    /// Generates the overlay for a machine whose own tree is `machine`.
    ///
    /// # Errors
    /// The description has no `/linux`, the initial RAM file system is larger than its place, the machine's tree lacks a
    /// node that a bare one has, and what `dtc` says.
    pub fn linux_overlay(&self, machine: &Tree, boot: LinuxBoot<'_>) -> Result<DeviceTree> {
        let name = "linux-overlay";
        let missing = || Error::file(name, Reason::MissingNode("linux".to_owned()));
        let linux = self.linux.as_ref().ok_or_else(missing)?;
        let place = linux.initramfs;
        if boot.initramfs_size > place.size {
            let reason = Reason::TooLarge("initramfs".to_owned(), boot.initramfs_size, place.size);
            return Err(Error::file(name, reason));
        }
        let cores = match &linux.undescribed {
            Some(_) => cores(machine)?,
            None => Vec::new(),
        };
        let comment = format!("Overlay for Linux on {}.", self.model);
        let text = Writer::overlay(&comment, |overlay| {
            overlay.fragment("/chosen", None, |chosen| {
                chosen.string("bootargs", boot.arguments);
                chosen.wide("linux,initrd-start", place.base);
                chosen.wide("linux,initrd-end", place.base.saturating_add(boot.initramfs_size));
                if linux.undescribed.is_some() {
                    chosen.string("stdout-path", "/serial");
                }
            });
            overlay.fragment("/", None, |root| self.reserved(root));
            for smmu in smmus(machine) {
                overlay.fragment(&smmu, None, |node| node.string("status", "disabled"));
            }
            if let Some(undescribed) = &linux.undescribed {
                self.describe(overlay, undescribed, &cores);
            }
        });
        DeviceTree::compile(name, text, LIMIT)
    }

    fn reserved(&self, root: &mut Writer) {
        root.node("reserved-memory", |reserved| {
            reserved.cells("#address-cells", &[2]);
            reserved.cells("#size-cells", &[2]);
            reserved.flag("ranges");
            reserved.node("pool", |pool| {
                pool.ranges("reg", &[self.memory.pool]);
                pool.flag("no-map");
            });
        });
    }

    fn describe(&self, overlay: &mut Writer, undescribed: &Undescribed, cores: &[String]) {
        overlay.fragment("/intc", Some("gic"), |gic| {
            gic.string("compatible", "arm,gic-v3");
            gic.flag("interrupt-controller");
            gic.cells("#interrupt-cells", &[3]);
            gic.cells("#address-cells", &[2]);
            gic.cells("#size-cells", &[2]);
            gic.flag("ranges");
            gic.cells("interrupts", &[PPI, MAINTENANCE_PPI, LEVEL_HIGH]);
        });
        overlay.fragment("/intc/its", Some("its"), |its| {
            its.string("compatible", "arm,gic-v3-its");
            its.flag("msi-controller");
            its.cells("#msi-cells", &[1]);
        });
        for core in cores {
            overlay.fragment(core, None, |node| {
                node.string("compatible", "arm,armv8");
                node.string("device_type", "cpu");
            });
        }
        overlay.fragment("/", None, |root| {
            root.expression("interrupt-parent", "<&gic>");
            root.flag("dma-coherent");
            root.string("model", &self.model);
            root.node("timer", |timer| {
                timer.string("compatible", "arm,armv8-timer");
                timer.cells("interrupts", &TIMER_PPIS.map(|ppi| [PPI, ppi, LEVEL_HIGH]).concat());
                timer.flag("always-on");
            });
            root.node("pmu", |pmu| {
                pmu.string("compatible", "arm,armv8-pmuv3");
                pmu.cells("interrupts", &[PPI, PMU_PPI, LEVEL_HIGH]);
            });
            root.node("clock: clock", |clock| {
                // The UART is emulated: no rate matters.
                clock.string("compatible", "fixed-clock");
                clock.cells("#clock-cells", &[0]);
                clock.cells("clock-frequency", &[24_000_000]);
            });
            root.node("serial", |uart| {
                uart.expression("compatible", "\"arm,pl011\", \"arm,primecell\"");
                uart.ranges("reg", &[self.devices.normal_uart]);
                uart.cells("interrupts", &[SPI, undescribed.console_spi, LEVEL_HIGH]);
                uart.expression("clocks", "<&clock>, <&clock>");
                uart.expression("clock-names", "\"uartclk\", \"apb_pclk\"");
            });
            root.node("pcie", |pci| self.pci(pci, undescribed));
        });
    }

    fn pci(&self, pci: &mut Writer, undescribed: &Undescribed) {
        let window = self.devices.pci_memory;
        let [base_high, base_low] = halves(window.base);
        let [size_high, size_low] = halves(window.size);
        pci.string("compatible", "pci-host-ecam-generic");
        pci.string("device_type", "pci");
        pci.ranges("reg", &[self.devices.pci_configuration]);
        pci.cells("#address-cells", &[3]);
        pci.cells("#size-cells", &[2]);
        pci.cells("#interrupt-cells", &[1]);
        pci.cells("bus-range", &[0, 0xff]);
        pci.flag("dma-coherent");
        pci.cells("ranges", &[PCI_MEMORY_32, base_high, base_low, base_high, base_low, size_high, size_low]);
        pci.expression("msi-map", "<0 &its 0 0x10000>");
        // The root bus rotates its four interrupts from slot to slot (QEMU 10.0 hw/pci-host/gpex.c).
        pci.cells("interrupt-map-mask", &[SLOT_MASK, 0, 0, 7]);
        let spis = undescribed.pci_spis.iter().cycle();
        let pins: Vec<_> = (0..4)
            .flat_map(|slot: u32| (1..=4).zip(spis.clone().skip(slot as usize)).map(move |pin| (slot, pin)))
            .map(|(slot, (pin, spi))| {
                format!("<{:#x} 0 0 {pin} &gic 0 0 {SPI} {spi} {LEVEL_HIGH}>", slot << SLOT_SHIFT)
            })
            .collect();
        pci.expression("interrupt-map", &pins.join(", "));
    }
}

/// Returns the paths of the cores' nodes.
fn cores(machine: &Tree) -> Result<Vec<String>> {
    let cpus = machine.root().child("cpus")?;
    Ok(cpus
        .children()
        .filter(|child| child.name().starts_with("cpu@"))
        .map(|child| child.path().to_owned())
        .collect())
}

/// Returns the paths of all SMMUs that a machine's tree has.
fn smmus(machine: &Tree) -> Vec<String> {
    let is_smmu = |node: &Node| node.strings("compatible").is_ok_and(|words| words.contains(&"arm,smmu-v3"));
    let mut found = Vec::new();
    let mut open = vec![machine.root()];
    while let Some(node) = open.pop() {
        if is_smmu(node) {
            found.push(node.path().to_owned());
        }
        open.extend(node.children());
    }
    found
}
