// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hypervisor asks for its guests and itself, as messages.

use super::Inner;
use crate::script::Guests;
use ffa_abi::{GuestRequest, HypRequest, Iova, PhysAddr, Protection, SmmuIndex, StreamId};

impl Inner {
    /// Returns the request that an act is.
    pub(super) fn guest_request(&self, what: Guests) -> Option<HypRequest> {
        Some(HypRequest::Guest(match what {
            Guests::Alloc { smmu, owner, .. } => GuestRequest::DomainAlloc { smmu: SmmuIndex(smmu), owner },
            Guests::Free { label } => GuestRequest::DomainFree(self.handle(label)?),
            Guests::Map { label, iova, pa, pages, access } => GuestRequest::Map {
                domain: self.handle(label)?,
                iova: Iova(iova),
                pa: PhysAddr(pa),
                pages,
                protection: Protection::from_bits_truncate(access),
            },
            Guests::Unmap { label, iova, pages } => {
                GuestRequest::Unmap { domain: self.handle(label)?, iova: Iova(iova), pages }
            }
            Guests::Look { label, iova } => {
                GuestRequest::IovaToPa { domain: self.handle(label)?, iova: Iova(iova) }
            }
            Guests::Assign { smmu, stream, label } => GuestRequest::DeviceAssign {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                domain: self.handle(label)?,
            },
            Guests::Return { smmu, stream } => {
                GuestRequest::DeviceReturn { smmu: SmmuIndex(smmu), sid: StreamId(stream) }
            }
            Guests::Quarantine { smmu, stream } => return Some(quarantine(smmu, stream, true)),
            Guests::Release { smmu, stream } => return Some(quarantine(smmu, stream, false)),
            Guests::Poll => return Some(HypRequest::FaultPoll),
        }))
    }
}

const fn quarantine(smmu: u16, stream: u32, on: bool) -> HypRequest {
    HypRequest::Quarantine { smmu: SmmuIndex(smmu), sid: StreamId(stream), on }
}
