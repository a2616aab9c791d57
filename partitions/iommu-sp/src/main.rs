// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition that owns the SMMUs: brings them to default deny before the normal world runs, then serves.
//!
//! What it decides and how it drives an SMMU is in `iommu-core`; here both meet the machine.
//!
//! | file | what lives there |
//! |---|---|
//! | `contention` | how often locks were found taken, in an image that counts |
//! | `setup` | from boot information to a service, or the reason why not |
//! | `entropy` | random numbers of the core |
//! | `frame` | an SMMU's registers |
//! | `interrupts` | events and errors of the SMMUs, when they happen |
//! | `memory` | what the service keeps its state in |
//! | `shared` | memory that clients share |
//! | `report` | what is protected, in words |
#![no_std]
#![no_main]

mod contention;
mod entropy;
mod frame;
mod interrupts;
mod memory;
mod report;
mod setup;
mod shared;

use frame::Frame;
use interrupts::Source;
use iommu_core::policy::Policy;
use iommu_core::service::Service;
use iommu_core::smmu::SmmuV3;
use setup::SetupError;
use sp_runtime::{BootInfo, EndpointId, Extended, Partition, VcpuId, interrupt_source, partition};

/// An SMMU that was brought up.
type Smmu = SmmuV3<'static, Frame>;

struct IommuSp {
    policy: &'static Policy,
    service: &'static Service<'static, &'static Smmu>,
    source: Source,
}

impl Partition for IommuSp {
    type Error = SetupError;

    fn start(boot: &BootInfo) -> Result<Self, SetupError> {
        contention::announce();
        let (policy, service) = setup::service(boot)?;
        let source = interrupt_source(boot)?;
        interrupts::start(source, policy, service);
        Ok(Self { policy, service, source })
    }

    fn vcpu_started(&self, _vcpu: VcpuId) {
        interrupts::share(self.source, self.policy);
    }

    fn direct_request(&self, _vcpu: VcpuId, from: EndpointId, arguments: [u64; 5]) -> [u64; 5] {
        abort_on_purpose(&arguments);
        if let Some(answer) = contention::answer_if_asked(&arguments) {
            return answer;
        }
        let _held = contention::hold_lock_for_all();
        self.service.handle(from.0, arguments)
    }

    fn direct_request2(
        &self,
        _vcpu: VcpuId,
        from: EndpointId,
        service: [u64; 2],
        arguments: Extended,
    ) -> Extended {
        self.service.handle_extended(from.0, service, arguments)
    }

    fn interrupted(&self, _vcpu: VcpuId) {
        interrupts::serve(self.source, self.service);
    }

    fn core_goes_off(&self, _vcpu: VcpuId) {
        self.source.core_off();
    }
}

/// Aborts where the feature `broken-abort` asks for it: at a request that is none.
#[inline(always)]
fn abort_on_purpose(_arguments: &[u64; 5]) {
    #[cfg(feature = "broken-abort")]
    {
        const ABORT: u64 = 0xab0f;
        if _arguments.first() == Some(&ABORT) {
            sp_runtime::log!("MADE TO ABORT ON PURPOSE");
            sp_runtime::stop();
        }
    }
}

partition!(IommuSp);
