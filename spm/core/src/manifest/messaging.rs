// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which messages a service takes and sends: `messaging-method` of a partition manifest (FF-A 1.3 table 5.1, Hafnium's
//! binding). Discovery tells it by the same bits (FF-A 1.3 table 6.2).

use super::Reason;

/// A set of ways to be talked to, and to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagingMethod(u32);

impl MessagingMethod {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It takes FFA_MSG_SEND_DIRECT_REQ.
    pub const RECEIVES_DIRECT: Self = Self(1);
    /// It sends FFA_MSG_SEND_DIRECT_REQ.
    pub const SENDS_DIRECT: Self = Self(1 << 1);
    /// It takes and sends messages by FFA_MSG_SEND2.
    pub const INDIRECT: Self = Self(1 << 2);
    /// It takes FFA_MSG_SEND_DIRECT_REQ2.
    pub const RECEIVES_DIRECT2: Self = Self(1 << 9);
    /// It sends FFA_MSG_SEND_DIRECT_REQ2.
    pub const SENDS_DIRECT2: Self = Self(1 << 10);
    const ALL: Self = Self::RECEIVES_DIRECT
        .with(Self::SENDS_DIRECT)
        .with(Self::INDIRECT)
        .with(Self::RECEIVES_DIRECT2)
        .with(Self::SENDS_DIRECT2);

    /// Reads the property.
    ///
    /// # Errors
    /// [`Reason::OutOfRange`] for a bit that the binding does not define.
    pub const fn from_bits(bits: u32) -> Result<Self, Reason> {
        if bits & !Self::ALL.0 == 0 { Ok(Self(bits)) } else { Err(Reason::OutOfRange(bits as u64)) }
    }

    /// Returns the bits, which are those of a partition's properties in discovery.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the union of the two.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Tells whether all of `other` is in it.
    #[inline(always)]
    #[must_use]
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
