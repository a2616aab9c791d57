// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service's wire protocol, shared by the service and its clients.
//!
//! Nothing here touches memory or hardware, and nothing here decides: a decoded [`Request`] has the right shape, and is
//! still only what the caller claims.
#![doc = include_str!("../../docs/protocol.md")]
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod answers;
mod call;
mod fault;
mod features;
mod guests;
mod health;
mod hyp;
mod ids;
mod operation;
mod page;
mod pools;
mod request;
mod response;
pub mod ring;
mod service;
mod status;

pub use call::{
    CALL_ANSWER_BYTES, CALL_REQUEST_BYTES, Call, CallAnswer, CallRequest, DEVICES_PER_CALL, DeviceEntry,
};
pub use fault::{Fault, FaultKind, FaultReport};
pub use features::{Features, GuardLevel, Limits};
pub use guests::GuestRequest;
pub use health::{PowerHint, SmmuRegisters, SmmuReport, SmmuState};
pub use hyp::{HypMessage, HypOperation, HypRequest, Key, Pages};
pub use ids::{AreaHandle, DomainHandle, Iova, PhysAddr, SmmuIndex, StreamId, Version};
pub use operation::{Header, Operation};
pub use page::{PageOwner, PageState};
pub use pools::{PoolHolder, PoolReport, PoolRequest};
pub use request::{DeviceState, DomainKind, Protection, Request};
pub use response::{DeviceRecord, Difference, Response};
pub use service::{ExtendedRegisters, HOST_SERVICE, HYP_SERVICE, ServiceId, extend, shorten};
pub use status::Status;

/// The five registers x3–x7 of a direct message.
pub type Registers = [u64; 5];

/// The version of the protocol that this crate describes.
pub const PROTOCOL_VERSION: Version = Version { major: 0, minor: 2 };
