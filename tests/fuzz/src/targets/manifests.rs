// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Manifests: device trees that others have written, read as each kind, and admitted where they can be.

use std::num::NonZeroU16;

use spm_core::manifest::layout::Layout;
use spm_core::manifest::{PartitionManifest, SpmcManifest};
use spm_core::package::Package;

use crate::fixture;

/// A package of the size of its header, manifest and image: magic, version, and both places (spm_core::package).
fn package() -> Vec<u8> {
    let mut bytes = fixture::packages().into_iter().next().unwrap_or_default();
    bytes.resize(0x6000, 0);
    bytes
}

/// Reads any bytes as a manifest.
pub fn target(data: &[u8]) {
    let (console, spmc) = SpmcManifest::parse_with_console(data);
    if let Ok(spmc) = spmc {
        assert_eq!(console, spmc.console);
        _ = Layout::new(&spmc, NonZeroU16::MIN, &[]);
    }
    if let Ok(manifest) = PartitionManifest::parse(data) {
        let spmc = fixture::spmc_manifest();
        let bytes = package();
        let Some(mut layout) = Layout::new(spmc, NonZeroU16::MIN, &[]) else { return };
        if let Ok(package) = Package::parse(&bytes) {
            for place in &spmc.partitions {
                if let Ok(admitted) = layout.admit(place, &manifest, &package) {
                    assert!(admitted.memory.contains(place.memory), "{admitted:?} is not at {place:?}");
                    assert!(
                        (admitted.memory.start()..admitted.memory.end()).contains(&admitted.entry),
                        "{admitted:?} begins elsewhere"
                    );
                }
            }
        }
    }
}
