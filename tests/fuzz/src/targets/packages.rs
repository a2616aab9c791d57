// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Headers of packages.

use spm_core::package::Package;

/// Reads any bytes as a package; what is accepted lies inside and apart.
pub fn target(data: &[u8]) {
    let mut bytes = data.to_vec();
    bytes.resize(data.len().max(0x6000), 0);
    if let Ok(package) = Package::parse(&bytes) {
        let manifest = package.manifest();
        assert!(bytes.get(manifest.clone()).is_some(), "the manifest at {manifest:?} lies outside");
    }
    _ = Package::parse(data);
}
