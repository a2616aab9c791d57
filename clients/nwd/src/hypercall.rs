// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of a host to the hypervisor of the tests: by HVC, in the range that SMCCC leaves to hypervisors of vendors
//! (DEN 0028, table 6-2).
//!
//! A call is its number in x0 and up to two arguments; the answer is a reason in x0 and two values.

use core::fmt;
use smccc::hvc64;

/// First function number: fast, 64 bits, owner 6.
const BASE: u32 = 0xc600_0000;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Makes the host's page at x1 the guest's.
    Give,
    /// Makes the guest's page at x1 the host's again; its content is gone.
    TakeBack,
    /// The guest shares its page at x1 with the host.
    Share,
    /// The guest ends that.
    Unshare,
    /// The guest fills its page at x1 with words that follow from the seed in x2.
    Fill,
    /// The guest says how many bytes of the page at x1 are not what the seed in x2 gave.
    Differing,
    /// Returns the address of a page of the hypervisor's own, for [`Call::Fill`] and [`Call::Differing`].
    Target,
    /// Returns how many wrong keys the service has counted.
    WrongKeys,
    /// Returns a number that stands for the content of the page at x1, which may be one that the host cannot reach: the
    /// same number, the same content.
    Digest,
    /// The device with the stream ID in x1 becomes the guest's, and reaches its page at x2 by [`GUEST_IOVA`]; returns the
    /// handle of its domain.
    Assign,
    /// The device with the stream ID in x1 is emptied, and the host's again.
    Return,
    /// The guest has its device transfer [`GUEST_TRANSFER`] bytes: to the IOVA in x1, or from there where x2 is 0.
    Transfer,
    /// Takes all fault reports of the hypervisor's; returns how many are of the stream in x1.
    Reports,
}

/// Where the guest's device finds its page.
pub const GUEST_IOVA: u64 = 0x1_4000_0000;
/// Bytes that the guest's device moves at a time.
pub const GUEST_TRANSFER: u16 = 256;

impl Call {
    const ALL: [Self; 13] = [
        Self::Give,
        Self::TakeBack,
        Self::Share,
        Self::Unshare,
        Self::Fill,
        Self::Differing,
        Self::Target,
        Self::WrongKeys,
        Self::Digest,
        Self::Assign,
        Self::Return,
        Self::Transfer,
        Self::Reports,
    ];

    /// Reads a function number.
    #[must_use]
    pub fn from_function(function: u64) -> Option<Self> {
        let number = function.checked_sub(u64::from(BASE))?;
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    fn function(self) -> u32 {
        BASE + self as u32
    }
}

/// x0 of an answer: done, the value is in x1.
pub const DONE: u64 = 0;
/// The page is not the host's.
pub const NOT_THE_HOSTS: u64 = 1;
/// The page is not the guest's.
pub const NOT_A_GUESTS: u64 = 2;
/// The device is not the host's, not the guest's, or cannot be taken from the host.
pub const NOT_THE_DEVICE: u64 = 4;
/// The service refused; its status is in x1, the page that is in the way in x2.
pub const SERVICE: u64 = 3;

/// Why the hypervisor did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One of the constants above, or SMCCC's answer to what is not known.
    pub reason: u64,
    /// The service's status.
    pub status: u64,
    /// The page that is in the way.
    pub address: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            NOT_THE_HOSTS => write!(f, "the page is not the host's"),
            NOT_A_GUESTS => write!(f, "the page is not the guest's"),
            NOT_THE_DEVICE => write!(f, "it is not that device's turn"),
            SERVICE => write!(f, "the service's status {}, in the way is {:#x}", self.status, self.address),
            other => write!(f, "the hypervisor answers {other:#x}"),
        }
    }
}

impl core::error::Error for Refusal {}

/// Makes a call.
///
/// # Errors
/// The hypervisor's refusal.
pub fn call(call: Call, first: u64, second: u64) -> Result<u64, Refusal> {
    let mut arguments = [0; 17];
    [arguments[0], arguments[1]] = [first, second];
    let [reason, value, address, ..] = hvc64(call.function(), arguments);
    if reason == DONE { Ok(value) } else { Err(Refusal { reason, status: value, address }) }
}
