// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `header`: the protocol's numbers for clients in C, from the Rust types that the service uses.

use crate::store::write_whole;
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::ExitCode;

/// The crate that it is made of.
const CRATE: &str = "ffa-abi";
/// The header, in the crate.
const HEADER: &str = "include/sidguard_abi.h";

pub(super) fn header(workspace: &Workspace) -> Result<ExitCode> {
    let folder = workspace.root().join(CRATE);
    write_whole(&folder.join(HEADER), generate(&folder)?.as_bytes())?;
    println!("Written: {CRATE}/{HEADER}");
    Ok(ExitCode::SUCCESS)
}

fn generate(folder: &Path) -> Result<String> {
    let file = folder.join("cbindgen.toml");
    let config = cbindgen::Config::from_file(&file).map_err(anyhow::Error::msg)?;
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(folder.join("src/lib.rs"))
        .generate()
        .with_context(|| format!("no header can be made of {}", folder.display()))?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_types() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(CRATE);
        let there = std::fs::read_to_string(folder.join(HEADER)).unwrap();
        assert!(generate(&folder).unwrap() == there, "write it anew by `cargo xtask header`");
    }
}
