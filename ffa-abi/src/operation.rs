// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The operation numbers and the header register that carries them.

use num_enum::{IntoPrimitive, TryFromPrimitive};

/// What a message asks for. The numbers are wire format: they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u16)]
pub enum Operation {
    /// Agrees on a protocol version.
    Version = 0x01,
    /// Asks what the service and this platform offer.
    Features = 0x02,
    /// Asks for the digest of the policy in force.
    PolicyDigest = 0x03,
    /// Lists the devices that the caller may hold, one a call.
    DeviceDescribe = 0x04,
    /// Takes the hypervisor's role, once and for ever.
    Claim = 0x05,
    /// Compares what the caller found of a device with the policy. Changes nothing.
    Register = 0x06,
    /// Makes an empty domain.
    DomainAlloc = 0x10,
    /// Frees a domain and its tables.
    DomainFree = 0x11,
    /// Sets what a device's DMA may reach.
    DeviceSetState = 0x12,
    /// Has a device translated by a stage 1 of the caller's, in front of a domain.
    NestedSet = 0x1c,
    /// Has an SMMU forget something of that stage 1.
    NestedInvalidate = 0x1d,
    /// Maps pages into a domain.
    Map = 0x20,
    /// Removes mappings and waits until no device uses them.
    Unmap = 0x21,
    /// Looks a mapping up.
    IovaToPa = 0x22,
    /// Takes the oldest fault report.
    FaultPoll = 0x30,
    /// Lets the service use memory that was shared with it.
    AreaOpen = 0x40,
    /// Ends that: the memory can be reclaimed.
    AreaClose = 0x41,
    /// Has descriptors of a ring handled.
    Doorbell = 0x42,
    /// Has a request in a page of shared memory answered there.
    Call = 0x43,
    /// Asks how an SMMU is.
    SmmuStatus = 0x50,
    /// Has an SMMU's registers compared, and what is wrong with it set right.
    SmmuCheck = 0x51,
}

/// x3 of a request: operation in bits 15:0, a 16-bit field in bits 31:16, a handle in bits 63:32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The operation number, not yet known to name one.
    pub operation: u16,
    /// What the operation says it is: an SMMU's index, or zero.
    pub field: u16,
    /// A handle in wire form, or zero.
    pub handle: u32,
}

impl Header {
    /// Splits x3 into its fields.
    #[must_use]
    pub fn from_register(value: u64) -> Self {
        let [o0, o1, f0, f1, h0, h1, h2, h3] = value.to_le_bytes();
        Self {
            operation: u16::from_le_bytes([o0, o1]),
            field: u16::from_le_bytes([f0, f1]),
            handle: u32::from_le_bytes([h0, h1, h2, h3]),
        }
    }

    /// Packs the fields into x3.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        self.operation as u64 | (self.field as u64) << 16 | (self.handle as u64) << 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn headers_round_trip(value: u64) {
            prop_assert_eq!(Header::from_register(value).to_register(), value);
        }
    }
}
