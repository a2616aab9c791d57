// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two services of the partition, and a message to one of them by FFA_MSG_SEND_DIRECT_REQ2.

use crate::Registers;
use uuid::{Uuid, uuid};

/// Names the service as the host sees it: what `FFA_PARTITION_INFO_GET` is asked for.
pub const HOST_SERVICE: Uuid = uuid!("6f1d9d7e-3c0a-4b52-9d6e-8a3f51c2e7b4");

/// Names the service as the hypervisor sees it. It is there where the policy says that there must be one.
pub const HYP_SERVICE: Uuid = uuid!("3b9e5c14-d2a7-4c68-b0f3-5e17a94d60c2");

/// x4–x17 of FFA_MSG_SEND_DIRECT_REQ2 and of its response (FF-A 1.2, §15.4 and §15.5).
pub type ExtendedRegisters = [u64; 14];

/// A service of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceId {
    /// All operations, as by FFA_MSG_SEND_DIRECT_REQ.
    Host,
    /// Those operations alone that take the hypervisor's key.
    Hyp,
}

impl ServiceId {
    /// Reads x2–x3 of FFA_MSG_SEND_DIRECT_REQ2: a UUID, its first byte in bits 7:0 of x2. `None` for any other UUID, the
    /// nil one among them.
    #[must_use]
    pub fn from_registers(registers: [u64; 2]) -> Option<Self> {
        [Self::Host, Self::Hyp].into_iter().find(|service| service.to_registers() == registers)
    }

    /// Packs its UUID into x2–x3.
    #[must_use]
    pub fn to_registers(self) -> [u64; 2] {
        let uuid = match self {
            Self::Host => HOST_SERVICE,
            Self::Hyp => HYP_SERVICE,
        };
        let [b0, b1, b2, b3, b4, b5, b6, b7, rest @ ..] = uuid.into_bytes();
        [[b0, b1, b2, b3, b4, b5, b6, b7], rest].map(u64::from_le_bytes)
    }
}

/// Puts the registers of a message by FFA_MSG_SEND_DIRECT_REQ, or of its answer, where they stand in the longer one: x3–x7
/// in x4–x8, zeros in x9–x17.
#[must_use]
pub const fn extend([x4, x5, x6, x7, x8]: Registers) -> ExtendedRegisters {
    [x4, x5, x6, x7, x8, 0, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Returns what stands in x4–x8 of a longer message, and the bits that are set in x9–x17, where no operation has any.
#[must_use]
pub fn shorten([x4, x5, x6, x7, x8, rest @ ..]: ExtendedRegisters) -> (Registers, u64) {
    ([x4, x5, x6, x7, x8], rest.into_iter().fold(0, |any, register| any | register))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn services_are_told_apart_and_others_are_none() {
        for service in [ServiceId::Host, ServiceId::Hyp] {
            assert_eq!(ServiceId::from_registers(service.to_registers()), Some(service));
            let [x2, x3] = service.to_registers();
            assert_eq!(ServiceId::from_registers([x3, x2]), None);
            for bit in 0..64 {
                assert_eq!(ServiceId::from_registers([x2 ^ 1 << bit, x3]), None);
                assert_eq!(ServiceId::from_registers([x2, x3 ^ 1 << bit]), None);
            }
        }
        assert_eq!(ServiceId::from_registers([0, 0]), None, "nil");
        // As FF-A has it: the first byte is the lowest.
        assert_eq!(ServiceId::Host.to_registers()[0], 0x524b_0a3c_7e9d_1d6f);
    }

    proptest! {
        #[test]
        fn nothing_of_a_longer_message_is_lost(registers: [u64; 14]) {
            let (short, rest) = shorten(registers);
            prop_assert_eq!(extend(short)[..5].to_vec(), registers[..5].to_vec());
            prop_assert_eq!(rest == 0, registers[5..].iter().all(|register| *register == 0));
        }
    }
}
