// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tells the partitions' build scripts where their linker script is.

fn main() {
    println!("cargo::rerun-if-changed=partition.ld");
    if let Some(directory) = std::env::var_os("CARGO_MANIFEST_DIR") {
        let script = std::path::Path::new(&directory).join("partition.ld");
        println!("cargo::metadata=linker_script={}", script.display());
    }
}
