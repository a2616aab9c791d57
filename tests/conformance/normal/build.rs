// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Passes the linker script, which is that of the scenarios.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/link.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
