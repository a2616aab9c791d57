// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor asks for on behalf of its guests, and of itself: domains, and devices that are put into them.
//!
//! Each request is x3, x6 and x7 of a [`HypMessage`](crate::HypMessage); its key stands between them.

use crate::{
    DomainHandle, Header, HypOperation, Iova, PageOwner, PhysAddr, Protection, SmmuIndex, Status, StreamId,
};

/// Bits of an address below its page, where a protection stands in x6 of `GUEST_MAP`.
const IN_PAGE: u64 = 0xfff;

/// A request of the right shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestRequest {
    /// Field: SMMU; x6: whose pages can be mapped in the domain, the hypervisor's or those of a guest. Answer x4: the handle.
    DomainAlloc {
        /// The SMMU whose devices the domain is for.
        smmu: SmmuIndex,
        /// Whose pages can be mapped.
        owner: PageOwner,
    },
    /// Handle: the domain. [`Status::Busy`] while a device is in it, [`Status::Again`] while work remains.
    DomainFree(DomainHandle),
    /// Handle; field: number of pages; x6: IOVA, and [`Protection`] in bits 1:0; x7: physical address. Answer as for the
    /// kernel's.
    Map {
        /// Where to map.
        domain: DomainHandle,
        /// First address as the device will see it.
        iova: Iova,
        /// First address of the memory.
        pa: PhysAddr,
        /// How many pages. The service may map fewer and say so.
        pages: u16,
        /// What the device may do.
        protection: Protection,
    },
    /// Handle; field: number of pages; x6: IOVA. Answer as for the kernel's.
    Unmap {
        /// Where to unmap.
        domain: DomainHandle,
        /// First address.
        iova: Iova,
        /// How many pages. The service may do fewer and say so.
        pages: u16,
    },
    /// Handle; x6: IOVA. Answer as for the kernel's.
    IovaToPa {
        /// Where to look.
        domain: DomainHandle,
        /// The address to translate.
        iova: Iova,
    },
    /// Field: SMMU; handle: the domain; x6: stream ID. By asking for it, the hypervisor says that the device was reset, and
    /// that the kernel can reach its registers no more. [`Status::Busy`] where it is not blocked.
    DeviceAssign {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
        /// The domain that it is to be in.
        domain: DomainHandle,
    },
    /// Field: SMMU; x6: stream ID. The device is blocked when the call returns, and the kernel's to ask for.
    DeviceReturn {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
    },
}

impl GuestRequest {
    /// Reads x3, x6 and x7; `None` where the operation is another.
    pub(crate) fn decode(operation: HypOperation, [x3, x6, x7]: [u64; 3]) -> Option<Result<Self, Status>> {
        let header = Header::from_register(x3);
        let smmu = SmmuIndex(header.field);
        let handle = || DomainHandle::from_raw(header.handle).ok_or(Status::InvalidHandle);
        let sid = || u32::try_from(x6).map(StreamId).map_err(|_| Status::InvalidParameters);
        let (field, raw) = (u64::from(header.field), u64::from(header.handle));
        // The request, and what it does not use.
        let read = || {
            Ok(match operation {
                HypOperation::GuestDomainAlloc => {
                    let owner = PageOwner::from_register(x6).ok_or(Status::InvalidParameters)?;
                    (Some(Self::DomainAlloc { smmu, owner }), raw | x7)
                }
                HypOperation::GuestDomainFree => (Some(Self::DomainFree(handle()?)), field | x6 | x7),
                HypOperation::GuestMap => {
                    let protection = Protection::from_bits(x6 & IN_PAGE).filter(|bits| !bits.is_empty());
                    let protection = protection.ok_or(Status::InvalidParameters)?;
                    let (domain, iova) = (handle()?, Iova(x6 & !IN_PAGE));
                    (Some(Self::Map { domain, iova, pa: PhysAddr(x7), pages: header.field, protection }), 0)
                }
                HypOperation::GuestUnmap => {
                    (Some(Self::Unmap { domain: handle()?, iova: Iova(x6), pages: header.field }), x7)
                }
                HypOperation::GuestIovaToPa => {
                    (Some(Self::IovaToPa { domain: handle()?, iova: Iova(x6) }), field | x7)
                }
                HypOperation::DeviceAssign => {
                    (Some(Self::DeviceAssign { smmu, sid: sid()?, domain: handle()? }), x7)
                }
                HypOperation::DeviceReturn => (Some(Self::DeviceReturn { smmu, sid: sid()? }), raw | x7),
                _ => (None, 0),
            })
        };
        match read() {
            Ok((None, _)) => None,
            Ok((Some(request), 0)) => Some(Ok(request)),
            Ok((Some(_), _)) => Some(Err(Status::InvalidParameters)),
            Err(status) => Some(Err(status)),
        }
    }

    /// Packs the request into x3, x6 and x7.
    pub(crate) fn encode(self) -> [u64; 3] {
        let header = |operation: HypOperation, field: u16, handle: Option<DomainHandle>| {
            let handle = handle.map_or(0, DomainHandle::raw);
            Header { operation: operation.into(), field, handle }.to_register()
        };
        match self {
            Self::DomainAlloc { smmu, owner } => {
                [header(HypOperation::GuestDomainAlloc, smmu.0, None), owner.to_register(), 0]
            }
            Self::DomainFree(domain) => [header(HypOperation::GuestDomainFree, 0, Some(domain)), 0, 0],
            Self::Map { domain, iova, pa, pages, protection } => {
                [header(HypOperation::GuestMap, pages, Some(domain)), iova.0 | protection.bits(), pa.0]
            }
            Self::Unmap { domain, iova, pages } => {
                [header(HypOperation::GuestUnmap, pages, Some(domain)), iova.0, 0]
            }
            Self::IovaToPa { domain, iova } => {
                [header(HypOperation::GuestIovaToPa, 0, Some(domain)), iova.0, 0]
            }
            Self::DeviceAssign { smmu, sid, domain } => {
                [header(HypOperation::DeviceAssign, smmu.0, Some(domain)), sid.0.into(), 0]
            }
            Self::DeviceReturn { smmu, sid } => {
                [header(HypOperation::DeviceReturn, smmu.0, None), sid.0.into(), 0]
            }
        }
    }
}
