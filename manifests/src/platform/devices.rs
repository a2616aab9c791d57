// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices by the part that they play: the node `/devices` of a description.

use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::{Interrupts, Power, Range};

/// Devices by the part that they play.
#[derive(Clone, Debug)]
pub struct Devices {
    /// PL011 of the normal world.
    pub normal_uart: Range,
    /// PL011 of spm and the partitions.
    pub secure_uart: Range,
    /// PL061 of the secure world, by which a partition can interrupt itself; for tests.
    pub secure_gpio: Option<Interrupter>,
    /// GICv3 distributor.
    pub gic_distributor: Range,
    /// GICv3 redistributors, 128 KiB a core.
    pub gic_redistributors: Range,
    /// PCI configuration space (ECAM); its first bus is bus 0.
    pub pci_configuration: Range,
    /// 32-bit addresses for PCI BARs.
    pub pci_memory: Range,
    /// PL031 that raises an interrupt when it is told to; for tests.
    pub alarm: Option<Interrupter>,
    /// Registers of masters that no SMMU sees, by the names that the policy has for them; where attacks are tried.
    pub unprotected: Vec<(String, Range)>,
    /// SMMUs in source order, which is the order of their index.
    pub smmus: Vec<SmmuFrame>,
}

/// A device with a shared interrupt that can be raised by software.
#[derive(Clone, Debug)]
pub struct Interrupter {
    /// Its registers.
    pub registers: Range,
    /// INTID of the interrupt, which is level-sensitive.
    pub interrupt: u32,
}

/// One SMMU, as hardware.
#[derive(Clone, Debug)]
pub struct SmmuFrame {
    /// Name of its node.
    pub name: String,
    /// Its registers.
    pub frame: Range,
    /// Whether DMA passes after reset.
    pub resets_to_bypass: bool,
    /// The interrupts by which it tells of events and errors, where they are to be used.
    pub interrupts: Option<Interrupts>,
    /// Whether it keeps its power.
    pub power: Power,
    path: String,
}

impl SmmuFrame {
    /// Tells whether this is the SMMU that a node describes.
    #[must_use]
    pub fn is(&self, node: &Node) -> bool {
        self.path == node.path()
    }
}

/// Children of `/devices` that have a part; every other one must be an SMMU, or a master that no SMMU sees.
const PARTS: [&str; 8] = [
    "normal-uart",
    "secure-uart",
    GPIO,
    "gic-distributor",
    "gic-redistributors",
    "pci-configuration",
    "pci-memory",
    "alarm",
];
/// Children that are masters which no SMMU sees.
const UNPROTECTED: [&str; 4] = ["fw-cfg-dma", "gic-its", "ahci", "xhci"];
const GPIO: &str = "secure-gpio";
const UART: &str = "arm,pl011";
const PINS: &str = "arm,pl061";
const CLOCK: &str = "arm,pl031";
const SMMU: &str = "arm,smmu-v3";

impl Devices {
    pub(super) fn read(node: &Node) -> Result<Self> {
        node.only(&[], None)?;
        let smmus = node
            .children()
            .filter(|child| !PARTS.contains(&child.name()) && !UNPROTECTED.contains(&child.name()))
            .map(read_smmu)
            .collect::<Result<_>>()?;
        Ok(Self {
            normal_uart: uart(node.child("normal-uart")?)?,
            secure_uart: uart(node.child("secure-uart")?)?,
            secure_gpio: interrupter(node, GPIO, PINS)?,
            gic_distributor: plain(node.child("gic-distributor")?)?,
            gic_redistributors: plain(node.child("gic-redistributors")?)?,
            pci_configuration: plain(node.child("pci-configuration")?)?,
            pci_memory: plain(node.child("pci-memory")?)?,
            alarm: interrupter(node, "alarm", CLOCK)?,
            unprotected: node
                .children()
                .filter(|child| UNPROTECTED.contains(&child.name()))
                .map(|child| Ok((child.name().to_owned(), plain(child)?)))
                .collect::<Result<_>>()?,
            smmus,
        })
    }
}

fn read_smmu(node: &Node) -> Result<SmmuFrame> {
    if !node.has("compatible") || node.string("compatible")? != SMMU {
        return Err(node.error(Reason::Binding(SMMU)));
    }
    let properties = ["compatible", "reg", "resets-to-bypass", "power", "event-interrupt", "error-interrupt"];
    node.only(&properties, Some(&[]))?;
    // Both or none: one that is forgotten must not look like a decision.
    let interrupts = if node.has("event-interrupt") || node.has("error-interrupt") {
        Some(Interrupts { event: node.u32("event-interrupt")?, error: node.u32("error-interrupt")? })
    } else {
        None
    };
    Ok(SmmuFrame {
        name: node.plain_name()?.to_owned(),
        frame: node.range("reg")?,
        resets_to_bypass: node.flag("resets-to-bypass")?,
        interrupts,
        power: power(node)?,
        path: node.path().to_owned(),
    })
}

/// Reads whether an SMMU keeps its power. That it does has to be said.
fn power(node: &Node) -> Result<Power> {
    if !node.has("power") {
        return Ok(Power::MayGo);
    }
    match node.string("power")? {
        "may-go" => Ok(Power::MayGo),
        "always-on" => Ok(Power::AlwaysOn),
        "resumes-secure" => Ok(Power::ResumesSecure),
        other => {
            Err(node.error(Reason::Word("power", other.to_owned(), "may-go, always-on, resumes-secure")))
        }
    }
}

fn uart(node: &Node) -> Result<Range> {
    node.only(&["compatible", "reg"], Some(&[]))?;
    if node.string("compatible")? == UART {
        node.range("reg")
    } else {
        Err(node.error(Reason::Binding(UART)))
    }
}

/// Reads the child `name` of the devices, if there is one.
fn interrupter(devices: &Node, name: &str, binding: &'static str) -> Result<Option<Interrupter>> {
    let Some(node) = devices.children().find(|child| child.name() == name) else { return Ok(None) };
    node.only(&["compatible", "reg", "interrupt"], Some(&[]))?;
    if node.string("compatible")? == binding {
        Ok(Some(Interrupter { registers: node.range("reg")?, interrupt: node.u32("interrupt")? }))
    } else {
        Err(node.error(Reason::Binding(binding)))
    }
}

fn plain(node: &Node) -> Result<Range> {
    node.only(&["reg"], Some(&[]))?;
    node.range("reg")
}
