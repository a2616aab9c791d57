// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The requests: x3 = command, x4 to x7 = arguments; the answer is in x3 to x7.
//!
//! | x3 | command | arguments | answer |
//! |---|---|---|---|
//! | 0 | echo | x4–x7 anything | x3–x7 unchanged |
//! | 1 | access memory | x4 address, x5 0 read or 1 write, x6 0 secure, 1 non-secure, or 2 non-secure RAM | x3 status, x4 value; or none, if it faults |
//! | 2 | poison registers | x4 classes, x5 pattern | x3 classes done, x4 classes this core has not, x5 vector length in bytes |
//! | 3 | check registers | x4 classes, x5 pattern | x3 classes that differ, x4 the registers of the lowest such class, as bits |
//! | 4 | report | – | x3 vCPU, x4 MPIDR_EL1, x5 requests but echoes on this vCPU, x6 and x7 a page each for FFA_RXTX_MAP |
//! | 5 | execute an undefined instruction | – | none |
//! | 7 | make an FF-A call | x4 function ID, x5–x7 = x1–x3 | x3–x6 = x0–x3 |
//! | 8 | say more of the next FF-A call | x4–x7 of it, which are 0 otherwise | x3 status |
//! | 9 | tell more of the last FF-A call | – | x3–x6 = x4–x7 of its answer, x7 = ticks of the counter that it took |
//! | 10 | make a hypercall | x4 function, x5–x7 = x1–x3 | x3 = x0 |
//! | 11 | retrieve memory | x4 handle, x5 sender in bits 15–0, permissions in 23–16 | x3 status, x4 ticks, x5 first address, x6 pages, x7 attributes and permissions likewise |
//! | 12 | relinquish memory | x4 handle, x5 flags | x3 status, x4 ticks |
//! | 13 | send a page of its own | x4 function ID, x5 receiver, x6 a word to write to it | x3 status, x4 handle |
//! | 14 | reclaim it | x4 handle | x3 status, x4 the word |
//! | 15 | let the timer run out | x4 ticks from now | x3 status |
//! | 16 | tell how late the timer's interrupt was | – | x3 status, x4 ticks; none before it came |
//!
//! By a 32-bit direct request, and by FFA_MSG_SEND_DIRECT_REQ2, only echo can be had; the latter's x4–x17 come back. Any other command, and a class or an access that is not there, answers NOT_SUPPORTED in
//! x3. Classes are bits:
//! 0 EL1 system registers, 1 FP, SIMD and SVE, 2 virtual timer, 3 pointer authentication keys, 4 x18 to x30 and zeros
//! in x8 to x17, 5 debug and
//! performance monitor, 6 SME.

/// The number of [`Command::Echo`], which is looked at before all others.
pub(crate) const ECHO: u64 = 0;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Send the arguments back.
    Echo,
    /// Read or write an address.
    Access,
    /// Fill registers.
    Poison,
    /// See whether they still hold what they were filled with.
    Check,
    /// Say who this is.
    Report,
    /// End in an undefined instruction.
    Undefined,
    /// Call the partition manager.
    FfaCall,
    /// Keep x4 to x7 for the next call.
    PrepareCall,
    /// Tell x4 to x7 of the last call's answer.
    CallResults,
    /// Call the partition manager by HVC.
    Hypercall,
    /// Borrow memory.
    Retrieve,
    /// Give it back.
    Relinquish,
    /// Share, lend or donate a page.
    Send,
    /// Take the page back.
    Reclaim,
    /// Let the timer run out.
    ArmTimer,
    /// Tell how late its interrupt was.
    Lateness,
}

impl Command {
    pub(crate) const fn from_number(number: u64) -> Option<Self> {
        match number {
            ECHO => Some(Self::Echo),
            1 => Some(Self::Access),
            2 => Some(Self::Poison),
            3 => Some(Self::Check),
            4 => Some(Self::Report),
            5 => Some(Self::Undefined),
            7 => Some(Self::FfaCall),
            8 => Some(Self::PrepareCall),
            9 => Some(Self::CallResults),
            10 => Some(Self::Hypercall),
            11 => Some(Self::Retrieve),
            12 => Some(Self::Relinquish),
            13 => Some(Self::Send),
            14 => Some(Self::Reclaim),
            15 => Some(Self::ArmTimer),
            16 => Some(Self::Lateness),
            _ => None,
        }
    }
}

/// How a request went, with FF-A's numbers (FF-A 1.2, table 13.2), sign-extended to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// There is no such command.
    NotSupported,
    /// An argument makes no sense.
    InvalidParameters,
    /// There is no room for one more mapping.
    NoMemory,
    /// There is nothing to tell.
    NoData,
    /// This partition will not do that to itself.
    Denied,
}

impl Status {
    const fn code(self) -> i32 {
        match self {
            Self::NotSupported => -1,
            Self::InvalidParameters => -2,
            Self::NoMemory => -3,
            Self::Denied => -6,
            Self::NoData => -9,
        }
    }

    /// Returns the answer that says so.
    pub(crate) const fn answer(self) -> [u64; 5] {
        [(self.code() as i64).cast_unsigned(), 0, 0, 0, 0]
    }

    /// Returns the answer to a 32-bit request that says so.
    pub(crate) const fn answer_32(self) -> [u32; 5] {
        [self.code().cast_unsigned(), 0, 0, 0, 0]
    }
}
