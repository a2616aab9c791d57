// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition by the runtime's linker script, with room for a policy behind its data.

/// As `iommu_core::policy::MAX_BLOB_SIZE`, which `setup.rs` compares with what the image has.
const POLICY_BYTES: usize = 64 * 1024;

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_SP_RUNTIME_LINKER_SCRIPT");
    if let Ok(script) = std::env::var("DEP_SP_RUNTIME_LINKER_SCRIPT") {
        println!("cargo::rerun-if-changed={script}");
        println!("cargo::rustc-link-arg-bins=--defsym=__policy_bytes={POLICY_BYTES}");
        println!("cargo::rustc-link-arg-bins=-T{script}");
    }
}
