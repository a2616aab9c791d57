// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition of the conformance suite: it does its side of a case when it is asked to, and knows nothing itself.
//!
//! One image serves all partitions of the suite; which version it speaks stands in its manifest.
#![no_std]
#![no_main]

mod pages;
mod side;

use arm_ffa::Version;
use conformance::chapters::negotiate;
use conformance::exchange::serve;
use conformance::outcome::Failure;
use core::convert::Infallible;
use side::Side;
use sp_runtime::{BootInfo, CallError, EndpointId, Manifest, Partition, VcpuId, log, partition};

struct ConformanceSp {
    id: EndpointId,
    version: Version,
}

/// The property of the manifest that names the version to speak.
const VERSION: &str = "ffa-version";

/// Reads it; without one, FF-A 1.2 is spoken.
fn version(property: Option<&[u8]>) -> Version {
    let word = property.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    word.and_then(|word| Version::try_from(word).ok()).unwrap_or(Version(1, 2))
}

impl Partition for ConformanceSp {
    type Error = Infallible;

    fn negotiate_version(manifest: &Manifest) -> Result<(), CallError> {
        let version = version(manifest.property(VERSION));
        // No step of it needs the ID, which is not known yet.
        let outcome = negotiate(&mut Side::new(EndpointId(0), version, [0; 2]));
        outcome.map_err(|Failure { line, seen: [seen, expected, _] }| {
            log!("version.rs:{line}: {seen:#x} in place of {expected:#x}");
            CallError::Version(version)
        })
    }

    fn start(boot: &BootInfo) -> Result<Self, Self::Error> {
        Ok(Self { id: boot.id(), version: version(boot.property(VERSION)) })
    }

    fn direct_request(&self, _: VcpuId, _: EndpointId, request: [u64; 5]) -> [u64; 5] {
        let [_, spmc, other_world, ..] = request;
        serve(&mut Side::new(self.id, self.version, [spmc, other_world]), request)
    }
}

partition!(ConformanceSp);
