// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests, and the way between them and registers.
//!
//! Decoding checks shape only: a known operation, reserved fields zero, values that name something. Alignment, ranges,
//! ownership and policy are the service's to check, against its own tables.

use crate::ring::Doorbell;
use crate::{
    AreaHandle, Call, DeviceRecord, DomainHandle, Header, Iova, Operation, PhysAddr, PowerHint, Registers,
    SmmuIndex, Status, StreamId, Version,
};
use bitflags::bitflags;

bitflags! {
    /// What a device may do with mapped pages, x7 of `MAP`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(transparent)]
    pub struct Protection: u64 {
        /// The device may read.
        const READ = 1 << 0;
        /// The device may write.
        const WRITE = 1 << 1;
    }
}

/// What a domain is for, x4 of `DOMAIN_ALLOC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainKind {
    /// The caller maps and unmaps pages itself.
    Paging,
}

/// What a device's DMA reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Nothing.
    Blocked,
    /// What is mapped in a domain.
    Paging(DomainHandle),
    /// All memory that the kernel may use, at its physical addresses.
    Identity,
}

/// A request of the right shape: what the caller claims and wants, not yet checked against anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// x4: the caller's version. Answer x4: the service's, also with
    /// [`Status::NotSupported`], where the majors differ.
    Version(Version),
    /// Answer x4: guard level in bits 7:0 and [`Features`](crate::Features); x5–x7: [`Limits`](crate::Limits).
    Features,
    /// Answer x4–x7: SHA-256 of the policy, 8 bytes a register, first byte in bits 7:0 of x4.
    PolicyDigest,
    /// x4: a number from 0. Answer: a [`DeviceRecord`](crate::DeviceRecord), or [`Status::Empty`] past the last.
    DeviceDescribe {
        /// Place in the list of the devices that the caller may hold.
        index: u64,
    },
    /// Answer x4–x5: the [`Key`](crate::Key) of the hypervisor. [`Status::Denied`] where the policy has no such role, or it
    /// was taken; [`Status::NotSupported`] where the platform has no source of random numbers.
    Claim,
    /// x4–x7: a [`DeviceRecord`], the name all zeros where the caller knows none. [`Status::Differs`] with x4:
    /// [`Difference`](crate::Difference). May be asked at any time and any number of times: nothing is remembered of it.
    Register(DeviceRecord),
    /// Field: SMMU; x4: 1 for [`DomainKind::Paging`]. Answer x4: the handle.
    DomainAlloc {
        /// The SMMU whose devices the domain is for.
        smmu: SmmuIndex,
        /// What it is for.
        kind: DomainKind,
    },
    /// Handle: the domain. [`Status::Busy`] while a device uses it, [`Status::Again`] while work remains.
    DomainFree(DomainHandle),
    /// Field: SMMU; x4: stream ID; x5: 0 blocked, 1 paging, 2 identity; handle: the domain, zero for the others. All streams of the
    /// device change with the one that is named.
    DeviceSetState {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
        /// The state that it is to have when the call returns.
        state: DeviceState,
    },
    /// Field: SMMU; handle: a domain, zero for identity; x4: stream ID; x5: where the device's context descriptor stands, as an
    /// address that the domain translates. All streams of the device change; DEVICE_SET_STATE ends it.
    NestedSet {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
        /// What bounds its reach: this domain, or the identity domain.
        domain: Option<DomainHandle>,
        /// The context descriptor (IHI 0070, 5.4).
        context: Iova,
    },
    /// Field: SMMU; x4: stream ID; x5, x6: a command (IHI 0070, chapter 4), whose stream ID and VMID are taken for those of the
    /// device and its domain, whatever they are.
    NestedInvalidate {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
        /// The command's words.
        command: [u64; 2],
    },
    /// Handle; x4: IOVA; x5: physical address; x6: bytes; x7: [`Protection`]. Answer x4: bytes mapped by this call, with
    /// [`Status::Ok`], [`Status::AlreadyMapped`], [`Status::NoMemory`] and [`Status::Tampered`] alike. Blocks of 2 MiB and
    /// 1 GiB are used where both addresses and the length allow it.
    Map {
        /// Where to map.
        domain: DomainHandle,
        /// First address as the device will see it.
        iova: Iova,
        /// First address of the memory.
        pa: PhysAddr,
        /// Length in bytes. The service may map less and say so: the caller goes on from there.
        size: u64,
        /// What the device may do.
        protection: Protection,
    },
    /// Handle; x4: IOVA; x5: bytes. Answer x4: bytes from the start of the range in which nothing is mapped now; x5: how
    /// many of them were mapped before, since holes are passed over. [`Status::WouldSplit`] where the first address is in
    /// a block that the range does not cover.
    Unmap {
        /// Where to unmap.
        domain: DomainHandle,
        /// First address.
        iova: Iova,
        /// Length in bytes. The service may do less and say so: the caller goes on from there.
        size: u64,
    },
    /// Handle; x4: IOVA. Answer x4: physical address, x5: [`Protection`]; [`Status::NotMapped`] where nothing is.
    IovaToPa {
        /// Where to look.
        domain: DomainHandle,
        /// The address to translate; need not be aligned.
        iova: Iova,
    },
    /// Answer: a [`FaultReport`](crate::FaultReport): x4–x6 the fault, x7 reports dropped; [`Status::Empty`] for none.
    FaultPoll,
    /// x4: the handle that FFA_MEM_SHARE gave. Answer x4: the area's handle; x5: its length in bytes.
    AreaOpen {
        /// Names the memory, which was shared with the service alone.
        memory: u64,
    },
    /// Handle: the area. [`Status::Busy`] while another call uses it.
    AreaClose(AreaHandle),
    /// Handle: the area; x4: first slot in bits 15:0, number of slots in 31:16. Answer x4: slots that are done with; x5: how
    /// many descriptors among them failed.
    Doorbell(Doorbell),
    /// Handle: the area; x4: page in bits 15:0, bytes of the request in 31:16. Answer x4: bytes of the answer, a
    /// [`CallAnswer`](crate::CallAnswer) from the page's start on.
    Call(Call),
    /// Field: SMMU. Answer: an [`SmmuReport`](crate::SmmuReport).
    SmmuStatus(SmmuIndex),
    /// Field: SMMU; x4: a [`PowerHint`]. Answer x4: [`SmmuRegisters`](crate::SmmuRegisters) that differed, where this call
    /// found them. [`Status::Again`] while the SMMU is being rebuilt, [`Status::Hardware`] where it cannot be.
    SmmuCheck {
        /// The SMMU.
        smmu: SmmuIndex,
        /// What the caller says of its power.
        hint: PowerHint,
    },
}

const KIND_PAGING: u64 = 1;
const STATE_BLOCKED: u64 = 0;
const STATE_PAGING: u64 = 1;
const STATE_IDENTITY: u64 = 2;

impl Request {
    /// Reads a request from x3–x7.
    ///
    /// # Errors
    /// [`Status::NotSupported`] for an operation, kind or state that does not exist, [`Status::InvalidHandle`] for a value
    /// that no handle has, [`Status::InvalidParameters`] for reserved fields that are not zero.
    pub fn decode(registers: Registers) -> Result<Self, Status> {
        let [x3, x4, x5, x6, x7] = registers;
        let header = Header::from_register(x3);
        let operation = Operation::try_from(header.operation).map_err(|_| Status::NotSupported)?;
        let smmu = SmmuIndex(header.field);
        let handle = || DomainHandle::from_raw(header.handle).ok_or(Status::InvalidHandle);
        let area = || AreaHandle::from_raw(header.handle).ok_or(Status::InvalidHandle);
        let (field, raw) = (u64::from(header.field), u64::from(header.handle));
        // Each arm lists what its operation does not use.
        let (request, reserved) = match operation {
            Operation::Version => {
                let version = Version::from_register(x4).ok_or(Status::InvalidParameters)?;
                (Self::Version(version), [field, raw, x5, x6, x7])
            }
            Operation::Features => (Self::Features, [field | raw, x4, x5, x6, x7]),
            Operation::PolicyDigest => (Self::PolicyDigest, [field | raw, x4, x5, x6, x7]),
            Operation::DeviceDescribe => (Self::DeviceDescribe { index: x4 }, [field, raw, x5, x6, x7]),
            Operation::Claim => (Self::Claim, [field | raw, x4, x5, x6, x7]),
            Operation::Register => {
                let record = DeviceRecord::from_registers([x4, x5, x6, x7]);
                (Self::Register(record.ok_or(Status::InvalidParameters)?), [field, raw, 0, 0, 0])
            }
            Operation::DomainAlloc => {
                let kind = match x4 {
                    KIND_PAGING => DomainKind::Paging,
                    _ => return Err(Status::NotSupported),
                };
                (Self::DomainAlloc { smmu, kind }, [raw, x5, x6, x7, 0])
            }
            Operation::DomainFree => (Self::DomainFree(handle()?), [field, x4, x5, x6, x7]),
            Operation::DeviceSetState => {
                let sid = StreamId(u32::try_from(x4).map_err(|_| Status::InvalidParameters)?);
                let (state, unused) = match x5 {
                    STATE_BLOCKED => (DeviceState::Blocked, raw),
                    STATE_PAGING => (DeviceState::Paging(handle()?), 0),
                    STATE_IDENTITY => (DeviceState::Identity, raw),
                    _ => return Err(Status::NotSupported),
                };
                (Self::DeviceSetState { smmu, sid, state }, [unused, x6, x7, 0, 0])
            }
            Operation::NestedSet => {
                let sid = StreamId(u32::try_from(x4).map_err(|_| Status::InvalidParameters)?);
                let domain = if raw == 0 { None } else { Some(handle()?) };
                (Self::NestedSet { smmu, sid, domain, context: Iova(x5) }, [x6, x7, 0, 0, 0])
            }
            Operation::NestedInvalidate => {
                let sid = StreamId(u32::try_from(x4).map_err(|_| Status::InvalidParameters)?);
                (Self::NestedInvalidate { smmu, sid, command: [x5, x6] }, [raw, x7, 0, 0, 0])
            }
            Operation::Map => {
                let protection = Protection::from_bits(x7).ok_or(Status::InvalidParameters)?;
                if protection.is_empty() {
                    return Err(Status::InvalidParameters);
                }
                let (iova, pa) = (Iova(x4), PhysAddr(x5));
                (Self::Map { domain: handle()?, iova, pa, size: x6, protection }, [field, 0, 0, 0, 0])
            }
            Operation::Unmap => {
                (Self::Unmap { domain: handle()?, iova: Iova(x4), size: x5 }, [field, x6, x7, 0, 0])
            }
            Operation::IovaToPa => {
                (Self::IovaToPa { domain: handle()?, iova: Iova(x4) }, [field, x5, x6, x7, 0])
            }
            Operation::FaultPoll => (Self::FaultPoll, [field | raw, x4, x5, x6, x7]),
            Operation::AreaOpen => (Self::AreaOpen { memory: x4 }, [field, raw, x5, x6, x7]),
            Operation::AreaClose => (Self::AreaClose(area()?), [field, x4, x5, x6, x7]),
            Operation::Call => {
                let [p0, p1, b0, b1, rest @ ..] = x4.to_le_bytes();
                let (page, bytes) = (u16::from_le_bytes([p0, p1]), u16::from_le_bytes([b0, b1]));
                let high = u64::from(u32::from_le_bytes(rest));
                (Self::Call(Call { area: area()?, page, bytes }), [field, high, x5, x6, x7])
            }
            Operation::Doorbell => {
                let [f0, f1, s0, s1, rest @ ..] = x4.to_le_bytes();
                let (first, slots) = (u16::from_le_bytes([f0, f1]), u16::from_le_bytes([s0, s1]));
                let high = u64::from(u32::from_le_bytes(rest));
                (Self::Doorbell(Doorbell { area: area()?, first, slots }), [field, high, x5, x6, x7])
            }
            Operation::SmmuStatus => (Self::SmmuStatus(smmu), [raw, x4, x5, x6, x7]),
            Operation::SmmuCheck => {
                let hint = u8::try_from(x4).ok().and_then(|hint| PowerHint::try_from(hint).ok());
                let hint = hint.ok_or(Status::InvalidParameters)?;
                (Self::SmmuCheck { smmu, hint }, [raw, x5, x6, x7, 0])
            }
        };
        // By hand: comparing arrays is a call to compare bytes where code is built for size.
        let any = reserved.into_iter().fold(0, |any, register| any | register);
        if any == 0 { Ok(request) } else { Err(Status::InvalidParameters) }
    }

    /// Packs a request into x3–x7.
    #[must_use]
    pub fn encode(self) -> Registers {
        let header = |operation: Operation, field: u16, handle: u32| {
            Header { operation: operation.into(), field, handle }.to_register()
        };
        match self {
            Self::Version(version) => [header(Operation::Version, 0, 0), version.to_register(), 0, 0, 0],
            Self::Features => [header(Operation::Features, 0, 0), 0, 0, 0, 0],
            Self::PolicyDigest => [header(Operation::PolicyDigest, 0, 0), 0, 0, 0, 0],
            Self::DeviceDescribe { index } => [header(Operation::DeviceDescribe, 0, 0), index, 0, 0, 0],
            Self::Claim => [header(Operation::Claim, 0, 0), 0, 0, 0, 0],
            Self::Register(record) => {
                let [x4, x5, x6, x7] = record.to_registers();
                [header(Operation::Register, 0, 0), x4, x5, x6, x7]
            }
            Self::DomainAlloc { smmu, kind: DomainKind::Paging } => {
                [header(Operation::DomainAlloc, smmu.0, 0), KIND_PAGING, 0, 0, 0]
            }
            Self::DomainFree(domain) => [header(Operation::DomainFree, 0, domain.raw()), 0, 0, 0, 0],
            Self::DeviceSetState { smmu, sid, state } => {
                let (handle, state) = match state {
                    DeviceState::Blocked => (0, STATE_BLOCKED),
                    DeviceState::Paging(domain) => (domain.raw(), STATE_PAGING),
                    DeviceState::Identity => (0, STATE_IDENTITY),
                };
                [header(Operation::DeviceSetState, smmu.0, handle), u64::from(sid.0), state, 0, 0]
            }
            Self::NestedSet { smmu, sid, domain, context } => {
                let handle = domain.map_or(0, DomainHandle::raw);
                [header(Operation::NestedSet, smmu.0, handle), u64::from(sid.0), context.0, 0, 0]
            }
            Self::NestedInvalidate { smmu, sid, command: [first, second] } => {
                [header(Operation::NestedInvalidate, smmu.0, 0), u64::from(sid.0), first, second, 0]
            }
            Self::Map { domain, iova, pa, size, protection } => {
                [header(Operation::Map, 0, domain.raw()), iova.0, pa.0, size, protection.bits()]
            }
            Self::Unmap { domain, iova, size } => {
                [header(Operation::Unmap, 0, domain.raw()), iova.0, size, 0, 0]
            }
            Self::IovaToPa { domain, iova } => {
                [header(Operation::IovaToPa, 0, domain.raw()), iova.0, 0, 0, 0]
            }
            Self::FaultPoll => [header(Operation::FaultPoll, 0, 0), 0, 0, 0, 0],
            Self::AreaOpen { memory } => [header(Operation::AreaOpen, 0, 0), memory, 0, 0, 0],
            Self::AreaClose(area) => [header(Operation::AreaClose, 0, area.raw()), 0, 0, 0, 0],
            Self::Doorbell(Doorbell { area, first, slots }) => {
                let slots = u64::from(first) | u64::from(slots) << 16;
                [header(Operation::Doorbell, 0, area.raw()), slots, 0, 0, 0]
            }
            Self::Call(Call { area, page, bytes }) => {
                let place = u64::from(page) | u64::from(bytes) << 16;
                [header(Operation::Call, 0, area.raw()), place, 0, 0, 0]
            }
            Self::SmmuStatus(smmu) => [header(Operation::SmmuStatus, smmu.0, 0), 0, 0, 0, 0],
            Self::SmmuCheck { smmu, hint } => {
                [header(Operation::SmmuCheck, smmu.0, 0), u8::from(hint).into(), 0, 0, 0]
            }
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
