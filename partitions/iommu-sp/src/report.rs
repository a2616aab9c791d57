// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What this partition protects and what it does not, in words for who reads the log of a boot.

use iommu_core::policy::{Device, Digest, Guard, HypRole, Policy};
use iommu_core::pool::Pool;
use iommu_core::smmu::{LEAVES_OPEN, Smmu};
use iommu_core::table::Format;
use sp_runtime::log;

/// Says what the policy promises.
pub(crate) fn policy(policy: &Policy, digest: &Digest) {
    let [a, b, c, d, ..] = digest;
    log!(
        "policy {a:02x}{b:02x}{c:02x}{d:02x}: {} SMMU, {} devices",
        policy.smmus.len(),
        policy.devices.len()
    );
    for device in &policy.devices {
        log!("{} (streams from {:#x}, {}): {}", device.name, device.first_sid, device.sids, holders(device));
    }
    log!("any other stream: nobody, its DMA is aborted");
    for master in &policy.unprotected {
        log!("NOT protected: {master}, which no SMMU sees");
    }
    match policy.guard {
        Guard::Nobody => {
            log!("guard level nobody: the normal world can reach SMMU registers and tables here,");
            log!("so this protects against its mistakes, not against its attacks");
        }
        Guard::El2 => log!("guard level EL2: holds against the kernel, the hypervisor is trusted"),
        Guard::BusFilter => log!("guard level bus filter: holds against kernel and hypervisor"),
    }
}

fn holders(device: &Device) -> &'static str {
    match (device.holders.host, device.holders.hyp || device.holders.guests) {
        (true, false) => "the kernel may hold it",
        (false, true) => "hypervisor or guests may hold it",
        (true, true) => "kernel, hypervisor or guests may hold it",
        (false, false) => "nobody may hold it, its DMA is aborted",
    }
}

/// Says whether a hypervisor must claim its role, and whether it can.
pub(crate) fn roles(policy: &Policy, has_entropy: bool) {
    match (policy.hyp, has_entropy) {
        (HypRole::Absent, _) => log!("no hypervisor is expected"),
        (HypRole::Required, true) => log!("nobody is served until a hypervisor claims its role"),
        (HypRole::Required, false) => {
            log!("no hypervisor can claim its role, so nobody is served: this core has no RNDR");
        }
    }
}

/// Says that every SMMU is where it should be, or that it was left open on purpose.
pub(crate) fn locked<S: Smmu>(policy: &Policy, smmus: &[S], pool: &Pool<'_>) {
    for (smmu, driver) in policy.smmus.iter().zip(smmus) {
        if LEAVES_OPEN {
            log!("!!! {}: LEFT OPEN ON PURPOSE: all DMA passes, nothing is protected !!!", smmu.name);
        } else {
            let before = if smmu.resets_to_bypass { " (it lets all DMA pass after reset)" } else { "" };
            let stage = match driver.features().format {
                Format::Stage1 => 1,
                Format::Stage2 => 2,
            };
            log!("{}{before}: every stream aborts, until stage {stage} translates it", smmu.name);
        }
    }
    log!("{} pages are left in the pool for page tables", pool.available());
}
