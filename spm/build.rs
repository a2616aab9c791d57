// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hands the linker script to the linker, by a path that does not depend on where cargo runs.

fn main() {
    println!("cargo:rerun-if-changed=spm.ld");
    println!("cargo:rustc-link-arg-bins=-T{}/spm.ld", env!("CARGO_MANIFEST_DIR"));
}
