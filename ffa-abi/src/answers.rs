// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each operation may answer beside [`Status::Ok`]. docs/protocol.md has the same table for people, and the model machine
//! holds the service against it.

use crate::Status::{
    self, Again, AlreadyMapped, Busy, Denied, Differs, Empty, Hardware, InvalidHandle, InvalidParameters,
    Misaligned, NoMemory, NotMapped, NotReady, NotSupported, OutOfRange, Saturated, Tampered, WouldSplit,
    WrongKey,
};
use crate::{HypOperation, Operation};

/// Answers to a message that is not of the right shape, and to a partition.
const TO_ANY: &[Status] = &[InvalidParameters, Denied];
/// Answers to whoever does not show the hypervisor's key, or says more than the operation knows.
const TO_A_KEY: &[Status] = &[InvalidParameters, Denied, NotSupported, NotReady, WrongKey];

impl Operation {
    /// Tells whether it is served before the hypervisor has claimed its role, where there is one.
    #[must_use]
    pub const fn is_early(self) -> bool {
        matches!(self, Self::Version | Self::Features | Self::DeviceDescribe | Self::Claim)
    }

    /// Returns the answers of its own.
    #[must_use]
    pub const fn answers(self) -> &'static [Status] {
        match self {
            Self::Version => &[NotSupported],
            Self::Features | Self::PolicyDigest => &[],
            Self::DeviceDescribe => &[Empty],
            Self::Claim => &[Denied, NotSupported],
            Self::Register => &[Denied, Differs],
            Self::DomainAlloc => &[NotSupported, InvalidParameters, Denied, NoMemory, Busy],
            Self::DomainFree => &[InvalidHandle, Busy, Again, Hardware],
            Self::DeviceSetState => &[NotSupported, InvalidHandle, InvalidParameters, Denied, Busy, Hardware],
            Self::NestedSet => &[
                NotSupported,
                InvalidHandle,
                InvalidParameters,
                Misaligned,
                OutOfRange,
                Denied,
                Busy,
                Hardware,
            ],
            Self::NestedInvalidate => &[NotSupported, Denied, Busy, Hardware],
            Self::Map => MAP,
            Self::Unmap => UNMAP,
            Self::IovaToPa => LOOKUP,
            Self::FaultPoll => POLL,
            Self::AreaOpen => &[NotSupported, OutOfRange, Denied, NoMemory, Saturated, Busy],
            Self::AreaClose => &[InvalidHandle, Denied, Busy],
            Self::Doorbell => &[InvalidHandle, OutOfRange, Busy],
            Self::Call => &[InvalidHandle, OutOfRange, NotSupported, InvalidParameters, Busy],
            Self::SmmuStatus => &[InvalidParameters, Denied],
            Self::SmmuCheck => &[InvalidParameters, Denied, Again, Hardware],
        }
    }

    /// Tells whether it can answer so to anybody.
    #[must_use]
    pub fn may_answer(self, status: Status) -> bool {
        status == Status::Ok
            || TO_ANY.contains(&status)
            || self.answers().contains(&status)
            || !self.is_early() && status == NotReady
    }
}

const MAP: &[Status] = &[
    InvalidHandle,
    Misaligned,
    OutOfRange,
    Denied,
    NotSupported,
    AlreadyMapped,
    NoMemory,
    Saturated,
    Busy,
    Tampered,
];
const UNMAP: &[Status] = &[InvalidHandle, Misaligned, OutOfRange, WouldSplit, Busy, Hardware, Tampered];
const LOOKUP: &[Status] = &[InvalidHandle, NotMapped, Busy, Tampered];
const POLL: &[Status] = &[Empty, Hardware];

impl HypOperation {
    /// Returns the answers of its own.
    #[must_use]
    pub const fn answers(self) -> &'static [Status] {
        match self {
            Self::Statistics => &[],
            Self::Own | Self::Unshare => {
                &[InvalidParameters, Misaligned, OutOfRange, Denied, Busy, NoMemory, Hardware, Tampered]
            }
            Self::Disown | Self::Share => &[InvalidParameters, Misaligned, OutOfRange, Denied, Busy],
            Self::PageState => &[Denied],
            Self::GuestDomainAlloc => &[InvalidParameters, Denied, NoMemory, Busy],
            Self::GuestDomainFree => &[InvalidHandle, Denied, Busy, Again, Hardware],
            Self::GuestMap => MAP,
            Self::GuestUnmap => UNMAP,
            Self::GuestIovaToPa => LOOKUP,
            Self::DeviceAssign => &[InvalidHandle, InvalidParameters, Denied, Busy, Hardware],
            Self::DeviceReturn => &[Denied, Busy, Hardware],
            Self::FaultPoll => POLL,
            Self::Quarantine => &[Denied, Busy, Hardware],
            Self::SmmuStatus => &[InvalidParameters],
            Self::SmmuCheck => &[InvalidParameters, Again, Hardware],
            Self::PoolLend => &[NotSupported, OutOfRange, Denied, NoMemory, Busy, Again],
            Self::PoolReclaim => &[InvalidHandle, Denied, Busy, Again],
            Self::PoolStatus => &[],
        }
    }

    /// Tells whether it can answer so to anybody.
    #[must_use]
    pub fn may_answer(self, status: Status) -> bool {
        status == Status::Ok || TO_A_KEY.contains(&status) || self.answers().contains(&status)
    }
}
