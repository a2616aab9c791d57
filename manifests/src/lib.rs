// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Platform descriptions and policies, and the compiler from them to all that boots.
//!
//! A platform is a folder of this package with `platform.dtsi` (what stands where: every address is written there once)
//! and `policy.dts` (which stream belongs to which device, and who may hold it); where the conformance suite runs, there
//! is `conformance.dts`, which has other partitions. The README beside this package has the binding. [`Platform::load`] compiles and checks them; its methods generate everything that is built from them:
//!
//! | method | what |
//! |---|---|
//! | [`Platform::spmc_manifest`] | SPMC manifest, TOS_FW_CONFIG |
//! | [`Platform::tb_fw_config`] | list of SP packages for BL2 of TF-A's QEMU platforms |
//! | [`Platform::sp_layout`] | SP_LAYOUT_FILE for TF-A's build |
//! | [`Platform::sp_manifest`] | manifest of one partition |
//! | [`Blob::encode`], [`with_policy`] | policy blob, and the image with it behind |
//! | [`package`] | SP package of one partition |
//! | [`Platform::constants`] | Rust constants for the normal world's scenarios |
//! | [`Platform::at_el3`] | the same platform with TF-A's own SPMC in spm's place |
//! | [`Platform::linux_overlay`] | what is laid over the machine's device tree for Linux |
//!
//! Nothing here writes a file: where things go is the caller's affair.
#![forbid(unsafe_code)]

mod error;
mod output;
mod platform;
mod policy;
mod source;

pub use error::{Error, Reason, Result};
pub use output::{
    DeviceTree, IMAGE_OFFSET, LinuxBoot, MANIFEST_OFFSET, PartitionFiles, package, with_policy,
};
pub use platform::{
    Devices, InterruptSource, Interrupter, Linux, Manager, Memory, Partition, Platform, Roles, Set,
    SmmuFrame, Undescribed,
};
pub use policy::Blob;
pub use source::{Node, Tree};

/// The platforms that this project has descriptions of.
pub const PLATFORMS: [&str; 3] = ["qemu-sbsa", "qemu-virt", "fvp"];
/// Those that the conformance suite runs on, for which the boot is counted, and that have a policy with a hypervisor.
pub const CONFORMANCE_PLATFORMS: [&str; 2] = ["qemu-sbsa", "qemu-virt"];
