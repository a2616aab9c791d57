// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of the hypervisor. It shares its endpoint ID with the kernel above it, so each of them carries the key that the
//! claim gave it, in registers that the kernel does not see.

use crate::{
    GuestRequest, Header, PageOwner, PhysAddr, PoolRequest, PowerHint, Registers, SmmuIndex, Status, StreamId,
};
use core::fmt;
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Operation numbers from here on are the hypervisor's.
const FIRST: u16 = 0x8000;

/// What the hypervisor asks for. The numbers are wire format: they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u16)]
pub enum HypOperation {
    /// Asks what the service has counted.
    Statistics = 0x8005,
    /// Takes pages from the kernel.
    Own = 0x8010,
    /// Gives pages back to the kernel.
    Disown = 0x8011,
    /// Lets the kernel map pages that are another's.
    Share = 0x8012,
    /// Ends that.
    Unshare = 0x8013,
    /// Asks whose a page is.
    PageState = 0x8014,
    /// Makes a domain for the hypervisor or a guest.
    GuestDomainAlloc = 0x8020,
    /// Frees one.
    GuestDomainFree = 0x8021,
    /// Maps pages of its owner's in one.
    GuestMap = 0x8022,
    /// Unmaps pages.
    GuestUnmap = 0x8023,
    /// Looks an address up.
    GuestIovaToPa = 0x8024,
    /// Puts a device into such a domain.
    DeviceAssign = 0x8025,
    /// Takes it out.
    DeviceReturn = 0x8026,
    /// Takes the oldest fault report of devices that the kernel may not hold.
    FaultPoll = 0x8030,
    /// Puts a device into quarantine, or takes it out.
    Quarantine = 0x8031,
    /// Asks how an SMMU is.
    SmmuStatus = 0x8050,
    /// Has an SMMU's registers compared, and what is wrong with it set right.
    SmmuCheck = 0x8051,
    /// Lends memory for tables.
    PoolLend = 0x8060,
    /// Takes it back.
    PoolReclaim = 0x8061,
    /// Asks what somebody's tables take.
    PoolStatus = 0x8062,
}

/// What proves that a message is the hypervisor's. Cannot be compared by `==`, which would tell by its time how much of it
/// was guessed, and is not printed.
#[derive(Clone, Copy)]
pub struct Key([u64; 2]);

impl Key {
    /// Takes a key as it stands in two registers.
    #[must_use]
    pub const fn from_registers(registers: [u64; 2]) -> Self {
        Self(registers)
    }

    /// Returns the two registers.
    #[must_use]
    pub const fn to_registers(self) -> [u64; 2] {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A message that claims to be the hypervisor's. What it asks for is read once the key was compared.
#[derive(Clone, Copy, Debug)]
pub struct HypMessage {
    /// x4–x5, not yet known to be right.
    pub key: Key,
    /// x3, x6 and x7.
    body: [u64; 3],
}

/// Pages that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Address of the first, x6.
    pub first: PhysAddr,
    /// How many, the field of x3.
    pub count: u16,
}

/// A request of the hypervisor, of the right shape.
///
/// Those that move pages do all of it or nothing. [`Status::Busy`] and [`Status::Denied`] name in x4 the first page that is
/// in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypRequest {
    /// Answer x4: messages with a wrong key since boot.
    Statistics,
    /// Takes pages from the kernel, for an owner in x7. [`Status::Busy`] where a mapping for a device is left.
    Own(Pages, PageOwner),
    /// Gives pages of the owner in x7 back to the kernel. [`Status::Busy`] as for [`Self::Own`].
    Disown(Pages, PageOwner),
    /// Lets the kernel map pages of the owner in x7 for its devices.
    Share(Pages, PageOwner),
    /// Ends that. [`Status::Busy`] where a mapping for a device is left.
    Unshare(Pages, PageOwner),
    /// x6: an address. Answer x4–x5: [`PageState`](crate::PageState); [`Status::Denied`] for what is nobody's.
    PageState(PhysAddr),
    /// About domains of the hypervisor and its guests.
    Guest(GuestRequest),
    /// As the host's, for devices of the hypervisor and its guests.
    FaultPoll,
    /// Field: SMMU; x6: stream ID; x7: 1 to put the device into quarantine, 0 to take it out: it is blocked then.
    Quarantine {
        /// The SMMU that the device is behind.
        smmu: SmmuIndex,
        /// The device's stream ID.
        sid: StreamId,
        /// Whether it is to be in quarantine.
        on: bool,
    },
    /// Field: SMMU. As the host's.
    SmmuStatus(SmmuIndex),
    /// Field: SMMU; x6: the hint. As the host's.
    SmmuCheck(SmmuIndex, PowerHint),
    /// About memory for tables.
    Pool(PoolRequest),
}

impl HypMessage {
    /// Reads x3–x7, or `None` where the operation is none of the hypervisor's.
    #[must_use]
    pub fn of([x3, x4, x5, x6, x7]: Registers) -> Option<Self> {
        let keyed = Header::from_register(x3).operation >= FIRST;
        keyed.then_some(Self { key: Key([x4, x5]), body: [x3, x6, x7] })
    }

    /// Reads what is asked for.
    ///
    /// # Errors
    /// As [`Request::decode`](crate::Request::decode).
    pub fn request(&self) -> Result<HypRequest, Status> {
        let [x3, x6, x7] = self.body;
        let header = Header::from_register(x3);
        let operation = HypOperation::try_from(header.operation).map_err(|_| Status::NotSupported)?;
        if let Some(request) = GuestRequest::decode(operation, self.body) {
            return request.map(HypRequest::Guest);
        }
        if let Some(request) = PoolRequest::decode(operation, self.body) {
            return request.map(HypRequest::Pool);
        }
        let (field, handle) = (u64::from(header.field), u64::from(header.handle));
        let pages = || {
            let owner = PageOwner::from_register(x7).ok_or(Status::InvalidParameters)?;
            Ok((Pages { first: PhysAddr(x6), count: header.field }, owner))
        };
        let (request, reserved) = match operation {
            HypOperation::Own => (pages().map(|(pages, owner)| HypRequest::Own(pages, owner))?, handle),
            HypOperation::Disown => (pages().map(|(pages, owner)| HypRequest::Disown(pages, owner))?, handle),
            HypOperation::Share => (pages().map(|(pages, owner)| HypRequest::Share(pages, owner))?, handle),
            HypOperation::Unshare => {
                (pages().map(|(pages, owner)| HypRequest::Unshare(pages, owner))?, handle)
            }
            HypOperation::PageState => (HypRequest::PageState(PhysAddr(x6)), field | handle | x7),
            HypOperation::Statistics => (HypRequest::Statistics, field | handle | x6 | x7),
            HypOperation::GuestDomainAlloc
            | HypOperation::GuestDomainFree
            | HypOperation::GuestMap
            | HypOperation::GuestUnmap
            | HypOperation::GuestIovaToPa
            | HypOperation::DeviceAssign
            | HypOperation::DeviceReturn
            | HypOperation::PoolLend
            | HypOperation::PoolReclaim
            | HypOperation::PoolStatus => return Err(Status::NotSupported),
            HypOperation::FaultPoll => (HypRequest::FaultPoll, field | handle | x6 | x7),
            HypOperation::Quarantine => {
                let sid = StreamId(u32::try_from(x6).map_err(|_| Status::InvalidParameters)?);
                let smmu = SmmuIndex(header.field);
                (HypRequest::Quarantine { smmu, sid, on: x7 & 1 != 0 }, handle | x7 & !1)
            }
            HypOperation::SmmuStatus => (HypRequest::SmmuStatus(SmmuIndex(header.field)), handle | x6 | x7),
            HypOperation::SmmuCheck => {
                let hint = u8::try_from(x6).ok().and_then(|hint| PowerHint::try_from(hint).ok());
                let hint = hint.ok_or(Status::InvalidParameters)?;
                (HypRequest::SmmuCheck(SmmuIndex(header.field), hint), handle | x7)
            }
        };
        if reserved == 0 { Ok(request) } else { Err(Status::InvalidParameters) }
    }
}

impl HypRequest {
    /// Packs a request and the key into x3–x7.
    #[must_use]
    pub fn encode(self, key: Key) -> Registers {
        let Key([x4, x5]) = key;
        let header = |operation: HypOperation, field: u16| {
            Header { operation: operation.into(), field, handle: 0 }.to_register()
        };
        let move_of = |operation: HypOperation, Pages { first, count }: Pages, owner: PageOwner| {
            [header(operation, count), first.0, owner.to_register()]
        };
        let [x3, x6, x7] = match self {
            Self::Own(pages, owner) => move_of(HypOperation::Own, pages, owner),
            Self::Disown(pages, owner) => move_of(HypOperation::Disown, pages, owner),
            Self::Share(pages, owner) => move_of(HypOperation::Share, pages, owner),
            Self::Unshare(pages, owner) => move_of(HypOperation::Unshare, pages, owner),
            Self::PageState(address) => [header(HypOperation::PageState, 0), address.0, 0],
            Self::Statistics => [header(HypOperation::Statistics, 0), 0, 0],
            Self::Guest(request) => request.encode(),
            Self::Pool(request) => request.encode(),
            Self::FaultPoll => [header(HypOperation::FaultPoll, 0), 0, 0],
            Self::Quarantine { smmu, sid, on } => {
                [header(HypOperation::Quarantine, smmu.0), sid.0.into(), on.into()]
            }
            Self::SmmuStatus(smmu) => [header(HypOperation::SmmuStatus, smmu.0), 0, 0],
            Self::SmmuCheck(smmu, hint) => {
                [header(HypOperation::SmmuCheck, smmu.0), u8::from(hint).into(), 0]
            }
        };
        [x3, x4, x5, x6, x7]
    }
}

#[cfg(test)]
mod tests;
