// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the service answers: a closed set.

use num_enum::{IntoPrimitive, TryFromPrimitive};

/// The outcome of an operation, in x3 of the answer. Each names one reason, so that a client knows what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such operation, kind or protocol version here.
    NotSupported = 1,
    /// A field that must be zero is not, or a value names nothing that this operation knows.
    InvalidParameters = 2,
    /// The policy, or the owner of a page, does not allow it.
    Denied = 3,
    /// The handle names no domain or area, or one that was freed since.
    InvalidHandle = 4,
    /// An address or a size is not a multiple of the smallest page.
    Misaligned = 5,
    /// A size is zero, or an address range leaves what the domain or the address space holds.
    OutOfRange = 6,
    /// The domain is in use by a device, or by another call that must end first.
    Busy = 7,
    /// A page of the range is mapped already; x4 says how many bytes before it were mapped by this call.
    AlreadyMapped = 8,
    /// No page is mapped at the address.
    NotMapped = 9,
    /// No memory for tables, no free domain: the caller's own limit or the pool's end.
    NoMemory = 10,
    /// The work is bounded per call and not finished: call again with the same arguments.
    Again = 11,
    /// There is nothing more to report.
    Empty = 12,
    /// The hardware did not do its part in time; its SMMU now aborts all DMA.
    Hardware = 13,
    /// The range begins or ends inside a block that one `MAP` made; blocks are unmapped whole.
    WouldSplit = 14,
    /// A table in the pool is not what the service wrote: somebody else can write there.
    Tampered = 15,
    /// The hypervisor has not taken its role yet: only then others are served.
    NotReady = 16,
    /// The key is not the hypervisor's.
    WrongKey = 17,
    /// What the caller found of a device is not what the policy says; x4 says in which fields.
    Differs = 18,
    /// A page is mapped for devices as often as can be counted.
    Saturated = 19,
}
