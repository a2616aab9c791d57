// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Constants of a platform for the normal world's scenarios: a file that they `include!` into a module.

use crate::{
    error::Result,
    platform::{Manager, Platform},
    policy::Blob,
};
use iommu_core::policy::{Device, Guard, HypRole, Range};
use std::fmt::{Display, Write as _};

impl Platform {
    /// Generates the constants.
    ///
    /// # Errors
    /// Those of [`Blob::encode`], whose digest is one of them.
    pub fn constants(&self) -> Result<String> {
        let mut file = File(format!(
            "// SPDX-License-Identifier: Apache-2.0 OR MIT\n// What {} is made of, generated from its description.\n\n",
            self.model
        ));
        file.text("PLATFORM", "Name of the platform in this project.", &self.name);
        file.text("MODEL", "What people call the platform.", &self.model);
        let affinities: Vec<_> = self.core_affinities.iter().map(|core| format!("{core:#x}")).collect();
        file.plain(
            "MPIDRS",
            "Affinities of the cores, as PSCI takes them.",
            &format!("[u64; {}]", affinities.len()),
            format!("[{}]", affinities.join(", ")),
        );
        self.memory_constants(&mut file);
        self.device_constants(&mut file);
        self.partition_constants(&mut file);
        self.policy_constants(&mut file)?;
        Ok(file.0)
    }

    fn memory_constants(&self, file: &mut File) {
        let memory = &self.memory;
        file.range("RAM", "Non-secure RAM, all of it", &memory.normal_ram);
        file.range(
            "IMAGE",
            "Where this image is loaded, and what it may use as its own",
            &memory.normal_image,
        );
        file.range(
            "SCRATCH",
            "Non-secure RAM for devices' transfers; starts at a multiple of 1 GiB",
            &memory.scratch,
        );
        file.range("SECURE_RAM", "Secure RAM of spm and the partitions", &memory.secure_ram);
        file.range("POOL", "Carve-out for what the SMMU fetches", &memory.pool);
        file.range("HOLE", "Addresses where nothing answers", &memory.hole);
        file.address("MAILBOX", "Page of words that the host leaves before reset", &memory.mailbox);
    }

    fn device_constants(&self, file: &mut File) {
        let devices = &self.devices;
        file.address("CONSOLE", "PL011 of the normal world", &devices.normal_uart);
        file.address("SECURE_CONSOLE", "PL011 of the secure world", &devices.secure_uart);
        file.address("GICD", "GICv3 distributor", &devices.gic_distributor);
        file.address(
            "GICR",
            "GICv3 redistributors, 128 KiB a core in the order of MPIDRS",
            &devices.gic_redistributors,
        );
        file.address("ECAM", "PCI configuration space from bus 0 on", &devices.pci_configuration);
        file.range("PCI_MMIO", "32-bit addresses for PCI BARs", &devices.pci_memory);
        let alarm = devices.alarm.as_ref().map(|alarm| format!("Some({})", hex(alarm.registers.base)));
        file.plain(
            "ALARM",
            "Address of the PL031 whose alarm is a partition's interrupt, if there is one.",
            "Option<u64>",
            alarm.unwrap_or_else(|| "None".to_owned()),
        );
        if let Some(first) = devices.smmus.first() {
            file.range("SMMU_FRAME", "Registers of the first SMMU", &first.frame);
        }
        let unprotected: Vec<_> =
            devices.unprotected.iter().map(|(name, range)| format!("({name:?}, {})", pair(range))).collect();
        file.plain(
            "UNPROTECTED_REGISTERS",
            "Registers of masters that no SMMU sees, by name: base and size in bytes.",
            "&[(&str, (u64, u64))]",
            list(&unprotected),
        );
        let frames: Vec<_> = devices.smmus.iter().map(|smmu| pair(&smmu.frame)).collect();
        file.plain(
            "SMMU_FRAMES",
            "Registers of the SMMUs by index: base and size in bytes.",
            "&[(u64, u64)]",
            list(&frames),
        );
    }

    fn partition_constants(&self, file: &mut File) {
        let manager = match self.manager {
            Manager::Spm => "spm",
            Manager::El3 => "el3",
        };
        file.text("MANAGER", "Who runs the partitions: spm, or TF-A's SPMC at EL3.", manager);
        for partition in self.partitions.iter().chain(&self.left_out) {
            let name = partition.name.to_uppercase().replace('-', "_");
            file.plain(
                &format!("{name}_ID"),
                &format!("FF-A endpoint ID of {}.", partition.name),
                "u16",
                format!("{:#06x}", partition.id),
            );
            file.range(&name, &format!("Memory of {}", partition.name), &partition.memory);
        }
    }

    fn policy_constants(&self, file: &mut File) -> Result<()> {
        let policy = &self.policy;
        let guard = match policy.guard {
            Guard::Nobody => "nobody",
            Guard::El2 => "el2",
            Guard::BusFilter => "bus-filter",
        };
        file.text("GUARD", "Who keeps the normal world from SMMU frames and pool.", guard);
        let required = policy.hyp == HypRole::Required;
        file.plain("HYP_REQUIRED", "Whether a hypervisor must claim its role.", "bool", required);
        let managed: Vec<_> = policy.managed.iter().map(pair).collect();
        file.plain(
            "MANAGED",
            "Memory that the policy lets the host map: base and size in bytes.",
            "&[(u64, u64)]",
            list(&managed),
        );
        let masters: Vec<_> = policy.unprotected.iter().map(|name| format!("{name:?}")).collect();
        file.plain("UNPROTECTED", "Masters that no SMMU sees.", "&[&str]", list(&masters));
        file.0.push_str(DEVICE_TYPE);
        let devices: Vec<_> = policy.devices.iter().map(device).collect();
        file.plain("DEVICES", "The policy's devices.", "&[Device]", list(&devices));
        let roles = &self.roles;
        file.plain("ALLOWED", "Place in [`DEVICES`] of one that the host may hold.", "usize", roles.allowed);
        file.plain(
            "REFUSED",
            "Place in [`DEVICES`] of one that the host may not hold.",
            "usize",
            roles.refused,
        );
        file.plain(
            "OUTSIDE_STREAM_ID",
            "A stream ID that the policy does not name.",
            "u32",
            format!("{:#x}", roles.outside_stream_id),
        );
        let digest = Blob::encode(policy)?.digest.map(|byte| format!("{byte:#04x}"));
        file.plain(
            "POLICY_DIGEST",
            "SHA-256 of the policy that stands behind the service's image.",
            "[u8; 32]",
            format!("[{}]", digest.join(", ")),
        );
        Ok(())
    }
}

const DEVICE_TYPE: &str = "\
/// One device of the policy.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its name in the policy.
    pub name: &'static str,
    /// Index of its SMMU.
    pub smmu: u16,
    /// First of its stream IDs.
    pub first_stream_id: u32,
    /// How many consecutive stream IDs it has.
    pub stream_ids: u16,
    /// Whether the host may hold it.
    pub host_may_hold: bool,
    /// First IOVA that its domains may use.
    pub iova_base: u64,
    /// Bytes of IOVA that its domains may use.
    pub iova_size: u64,
}

";

/// The file as it grows.
struct File(String);

impl File {
    fn plain(&mut self, name: &str, about: &str, kind: &str, value: impl Display) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.0, "/// {about}\npub const {name}: {kind} = {value};\n");
    }

    fn text(&mut self, name: &str, about: &str, value: &str) {
        self.plain(name, about, "&str", format!("{value:?}"));
    }

    fn address(&mut self, name: &str, about: &str, range: &Range) {
        self.plain(name, &format!("{about}: first address."), "u64", hex(range.base));
    }

    fn range(&mut self, name: &str, about: &str, range: &Range) {
        self.plain(name, &format!("{about}: base and size in bytes."), "(u64, u64)", pair(range));
    }
}

fn device(device: &Device) -> String {
    format!(
        "Device {{\n    name: {:?},\n    smmu: {},\n    first_stream_id: {:#x},\n    stream_ids: {},\n    \
         host_may_hold: {},\n    iova_base: {},\n    iova_size: {},\n}}",
        device.name,
        device.smmu,
        device.first_sid,
        device.sids,
        device.holders.host,
        hex(device.iova.base),
        hex(device.iova.size)
    )
}

fn pair(range: &Range) -> String {
    format!("({}, {})", hex(range.base), hex(range.size))
}

fn list(items: &[String]) -> String {
    format!("&[{}]", items.join(", "))
}

/// Writes an address in groups of four digits.
fn hex(value: u64) -> String {
    let digits = format!("{value:x}");
    let mut text = String::from("0x");
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(4) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}
