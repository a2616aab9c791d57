// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A endpoint IDs (FF-A 1.2 §6.1).

/// The ID of an endpoint or of the framework's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointId(pub u16);

impl EndpointId {
    /// The SPMD of TF-A, as it signs its framework messages.
    pub const SPMD: Self = Self(0xffff);
    /// Bit 15: IDs that the secure world gives out.
    const SECURE: u16 = 1 << 15;

    /// Tells whether the ID belongs to the secure world. What a normal-world ID says about its bearer is up to the
    /// normal world: neither EL3 nor spm can check it.
    #[inline(always)]
    #[must_use]
    pub const fn is_secure(self) -> bool {
        self.0 & Self::SECURE != 0
    }
}

/// Sender and receiver as w1 of a message holds them: bits 31–16 and 15–0.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "takes a register apart")]
pub const fn sender_and_receiver(w1: u64) -> (EndpointId, EndpointId) {
    (EndpointId((w1 >> 16) as u16), EndpointId(w1 as u16))
}

/// The inverse of [`sender_and_receiver`].
#[inline(always)]
#[must_use]
pub const fn w1(sender: EndpointId, receiver: EndpointId) -> u32 {
    (sender.0 as u32) << 16 | receiver.0 as u32
}
