// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power management messages (FF-A 1.3 §18.2.4): who is told that a core goes off.
//!
//! Only that: the SPMD of TF-A 2.12 says nothing of a core that is suspended.

use crate::direct_message::VcpuRef;
use crate::manifest::MAX_PARTITIONS;
use crate::manifest::actions::PowerMessages;
use crate::partition::CoreIndex;
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;
use crate::work::{OpenRequest, RequestKind, Requester, Work};

impl Spmc {
    /// Claims the vCPU on `core` of the first partition from `place` on that wants to know that the core goes off. One that is
    /// in the middle of something cannot be told.
    pub fn claim_for_core_off(&self, place: usize, core: CoreIndex) -> Option<VcpuRef> {
        let left = self.partitions().get(place..).unwrap_or_default();
        for (place, partition) in (place..MAX_PARTITIONS).zip(left) {
            let index = partition.vcpu_for(core);
            if partition.contexts() == 1
                || index >= partition.contexts()
                || !partition.power_messages().contains(PowerMessages::CPU_OFF)
            {
                continue;
            }
            let Some(vcpu) = partition.vcpu(index) else { continue };
            if vcpu.transition(VcpuState::Waiting, VcpuState::Running).is_ok() {
                vcpu.set_work(Work::Request(OpenRequest {
                    sender: self.id(),
                    requester: Requester::NormalWorld,
                    kind: RequestKind::Framework,
                }));
                return Some(VcpuRef { partition: place, vcpu: index });
            }
        }
        None
    }
}
