// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition by the runtime's linker script.

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_SP_RUNTIME_LINKER_SCRIPT");
    if let Ok(script) = std::env::var("DEP_SP_RUNTIME_LINKER_SCRIPT") {
        println!("cargo::rerun-if-changed={script}");
        println!("cargo::rustc-link-arg-bins=-T{script}");
    }
}
