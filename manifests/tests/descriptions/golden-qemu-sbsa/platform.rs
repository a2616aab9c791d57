// SPDX-License-Identifier: Apache-2.0 OR MIT
// What QEMU sbsa-ref is made of, generated from its description.

/// Name of the platform in this project.
pub const PLATFORM: &str = "qemu-sbsa";

/// What people call the platform.
pub const MODEL: &str = "QEMU sbsa-ref";

/// Affinities of the cores, as PSCI takes them.
pub const MPIDRS: [u64; 8] = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7];

/// Non-secure RAM, all of it: base and size in bytes.
pub const RAM: (u64, u64) = (0x100_0000_0000, 0x8000_0000);

/// Where this image is loaded, and what it may use as its own: base and size in bytes.
pub const IMAGE: (u64, u64) = (0x100_2000_0000, 0x100_0000);

/// Non-secure RAM for devices' transfers; starts at a multiple of 1 GiB: base and size in bytes.
pub const SCRATCH: (u64, u64) = (0x100_4000_0000, 0x1000_0000);

/// Secure RAM of spm and the partitions: base and size in bytes.
pub const SECURE_RAM: (u64, u64) = (0x2010_0000, 0x1f00_0000);

/// Carve-out for what the SMMU fetches: base and size in bytes.
pub const POOL: (u64, u64) = (0x100_7f00_0000, 0x100_0000);

/// Addresses where nothing answers: base and size in bytes.
pub const HOLE: (u64, u64) = (0x108_0000_0000, 0x20_0000);

/// Page of words that the host leaves before reset: first address.
pub const MAILBOX: u64 = 0x100_1f00_0000;

/// PL011 of the normal world: first address.
pub const CONSOLE: u64 = 0x6000_0000;

/// PL011 of the secure world: first address.
pub const SECURE_CONSOLE: u64 = 0x6003_0000;

/// GICv3 distributor: first address.
pub const GICD: u64 = 0x4006_0000;

/// GICv3 redistributors, 128 KiB a core in the order of MPIDRS: first address.
pub const GICR: u64 = 0x4008_0000;

/// PCI configuration space from bus 0 on: first address.
pub const ECAM: u64 = 0xf000_0000;

/// 32-bit addresses for PCI BARs: base and size in bytes.
pub const PCI_MMIO: (u64, u64) = (0x8000_0000, 0x7000_0000);

/// Address of the PL031 whose alarm is a partition's interrupt, if there is one.
pub const ALARM: Option<u64> = None;

/// Registers of the first SMMU: base and size in bytes.
pub const SMMU_FRAME: (u64, u64) = (0x6005_0000, 0x2_0000);

/// Registers of masters that no SMMU sees, by name: base and size in bytes.
pub const UNPROTECTED_REGISTERS: &[(&str, (u64, u64))] = &[];

/// Registers of the SMMUs by index: base and size in bytes.
pub const SMMU_FRAMES: &[(u64, u64)] = &[(0x6005_0000, 0x2_0000)];

/// Who runs the partitions: spm, or TF-A's SPMC at EL3.
pub const MANAGER: &str = "spm";

/// FF-A endpoint ID of iommu-sp.
pub const IOMMU_SP_ID: u16 = 0x8001;

/// Memory of iommu-sp: base and size in bytes.
pub const IOMMU_SP: (u64, u64) = (0x2040_0000, 0x40_0000);

/// FF-A endpoint ID of test-sp.
pub const TEST_SP_ID: u16 = 0x8002;

/// Memory of test-sp: base and size in bytes.
pub const TEST_SP: (u64, u64) = (0x20c0_0000, 0x20_0000);

/// Who keeps the normal world from SMMU frames and pool.
pub const GUARD: &str = "nobody";

/// Whether a hypervisor must claim its role.
pub const HYP_REQUIRED: bool = false;

/// Memory that the policy lets the host map: base and size in bytes.
pub const MANAGED: &[(u64, u64)] = &[(0x100_0000_0000, 0x7f00_0000)];

/// Masters that no SMMU sees.
pub const UNPROTECTED: &[&str] = &["ahci", "xhci"];

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

/// The policy's devices.
pub const DEVICES: &[Device] = &[Device {
    name: "edu0",
    smmu: 0,
    first_stream_id: 0x10,
    stream_ids: 1,
    host_may_hold: true,
    iova_base: 0x4000_0000,
    iova_size: 0x10_0000_0000,
}, Device {
    name: "edu1",
    smmu: 0,
    first_stream_id: 0x18,
    stream_ids: 1,
    host_may_hold: false,
    iova_base: 0x4000_0000,
    iova_size: 0x10_0000_0000,
}, Device {
    name: "slot5",
    smmu: 0,
    first_stream_id: 0x28,
    stream_ids: 8,
    host_may_hold: true,
    iova_base: 0x4000_0000,
    iova_size: 0x10_0000_0000,
}, Device {
    name: "slot6",
    smmu: 0,
    first_stream_id: 0x30,
    stream_ids: 8,
    host_may_hold: true,
    iova_base: 0x4000_0000,
    iova_size: 0x10_0000_0000,
}, Device {
    name: "slot7",
    smmu: 0,
    first_stream_id: 0x38,
    stream_ids: 8,
    host_may_hold: true,
    iova_base: 0x4000_0000,
    iova_size: 0x10_0000_0000,
}];

/// Place in [`DEVICES`] of one that the host may hold.
pub const ALLOWED: usize = 0;

/// Place in [`DEVICES`] of one that the host may not hold.
pub const REFUSED: usize = 1;

/// A stream ID that the policy does not name.
pub const OUTSIDE_STREAM_ID: u32 = 0x20;

/// SHA-256 of the policy that stands behind the service's image.
pub const POLICY_DIGEST: [u8; 32] = [0x32, 0x7e, 0xb6, 0x3c, 0x19, 0x46, 0xac, 0xbf, 0x34, 0x93, 0xcd, 0x55, 0x52, 0x5d, 0xdc, 0xd4, 0xd6, 0xec, 0x5f, 0x03, 0x3a, 0xaa, 0xa3, 0x24, 0x5c, 0x24, 0x35, 0xb1, 0xae, 0xec, 0x83, 0x4c];

