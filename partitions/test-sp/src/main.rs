// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition for tests.
#![no_std]
#![no_main]

use sp_runtime::{BootInfo, EndpointId, Partition, VcpuId, log, partition};

struct TestSp;

impl Partition for TestSp {
    type Error = core::convert::Infallible;

    fn start(boot: &BootInfo) -> Result<Self, Self::Error> {
        log!("test-sp: partition {}, manifest {}", boot.id(), boot.manifest().is_some());
        Ok(Self)
    }

    fn direct_request(&self, _vcpu: VcpuId, _from: EndpointId, arguments: [u64; 5]) -> [u64; 5] {
        arguments
    }
}

partition!(TestSp);
