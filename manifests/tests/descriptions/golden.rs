// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is generated for one platform, compared with what people have read. `SIDGUARD_UPDATE_GOLDEN=1` writes it anew.

use crate::source::platform;
use manifests::{PartitionFiles, Platform};
use std::{env, fs, path::Path};

const PLATFORM: &str = "qemu-sbsa";

fn compare(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/descriptions/golden-qemu-sbsa").join(name);
    if env::var_os("SIDGUARD_UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).expect("a golden file");
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{} differs", file.display());
}

fn loaded() -> Platform {
    platform(PLATFORM)
}

#[test]
fn spmc_manifest() {
    compare("spmc-manifest.dts", &loaded().spmc_manifest().unwrap().text);
}

#[test]
fn tb_fw_config() {
    compare("tb-fw-config.dts", &loaded().tb_fw_config().unwrap().text);
}

#[test]
fn sp_manifests() {
    let platform = loaded();
    for partition in &platform.partitions {
        let name = format!("{}-manifest.dts", partition.name);
        compare(&name, &platform.sp_manifest(partition).unwrap().text);
    }
}

#[test]
fn sp_layout() {
    let platform = loaded();
    let files: Vec<_> = platform
        .partitions
        .iter()
        .map(|partition| PartitionFiles {
            name: partition.name.clone(),
            image: format!("{}.bin", partition.name).into(),
            manifest: format!("{}-manifest.dts", partition.name).into(),
        })
        .collect();
    compare("sp-layout.json", &platform.sp_layout(&files));
}

#[test]
fn constants() {
    compare("platform.rs", &loaded().constants().unwrap());
}
