// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Links the partition by its linker script.

fn main() {
    println!("cargo::rerun-if-changed=application.ld");
    if let Some(directory) = std::env::var_os("CARGO_MANIFEST_DIR") {
        let script = std::path::Path::new(&directory).join("application.ld");
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
}
