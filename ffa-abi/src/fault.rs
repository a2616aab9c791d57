// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fault reports: which device tried what, and why it was stopped.

use crate::{Iova, SmmuIndex, StreamId};
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Why a transaction was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum FaultKind {
    /// Nothing is mapped at the address.
    Translation = 1,
    /// The mapping does not allow this access.
    Permission = 2,
    /// The address is wider than the domain.
    AddressSize = 3,
    /// The stream is blocked, or not in the policy.
    Stream = 4,
    /// The SMMU could not read its own structures.
    Structure = 5,
    /// An event that the service does not know.
    Other = 6,
    /// The device faulted more often than the policy lets it, and was quarantined: its transactions abort unheard until its
    /// holder sets its state.
    Quarantined = 7,
}

/// One transaction that was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The SMMU that stopped it.
    pub smmu: SmmuIndex,
    /// Who tried.
    pub sid: StreamId,
    /// Where to; zero for kinds without an address.
    pub iova: Iova,
    /// Why it was stopped.
    pub kind: FaultKind,
    /// Whether the device wanted to write.
    pub write: bool,
    /// The SMMU's own event number (IHI 0070, 7.3), for people.
    pub event: u8,
}

/// The answer to `FAULT_POLL`: the oldest report, if there is one, and what was lost before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultReport {
    /// The oldest fault that was not polled yet.
    pub fault: Option<Fault>,
    /// Reports dropped since the last poll because a queue was full. An SMMU does not tell how many it dropped by itself:
    /// each time that it did counts as one.
    pub dropped: u64,
}

impl Fault {
    /// Packs a fault into x4–x6.
    ///
    /// x4: stream ID in bits 31:0, SMMU in bits 47:32, kind in bits 55:48, event in bits 63:56. x5: IOVA. x6: bit 0 set
    /// for a write.
    #[must_use]
    pub fn to_registers(self) -> [u64; 3] {
        let who = u64::from(self.sid.0)
            | u64::from(self.smmu.0) << 32
            | u64::from(u8::from(self.kind)) << 48
            | u64::from(self.event) << 56;
        [who, self.iova.0, u64::from(self.write)]
    }

    /// Reads a fault from x4–x6, or `None` where they hold none.
    #[must_use]
    pub fn from_registers([who, iova, access]: [u64; 3]) -> Option<Self> {
        let [s0, s1, s2, s3, m0, m1, kind, event] = who.to_le_bytes();
        Some(Self {
            smmu: SmmuIndex(u16::from_le_bytes([m0, m1])),
            sid: StreamId(u32::from_le_bytes([s0, s1, s2, s3])),
            iova: Iova(iova),
            kind: FaultKind::try_from(kind).ok()?,
            write: match access {
                0 => false,
                1 => true,
                _ => return None,
            },
            event,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn faults_round_trip(smmu: u16, sid: u32, iova: u64, kind in 1u8..=7, write: bool, event: u8) {
            let kind = FaultKind::try_from(kind).unwrap();
            let fault = Fault { smmu: SmmuIndex(smmu), sid: StreamId(sid), iova: Iova(iova), kind, write, event };
            prop_assert_eq!(Fault::from_registers(fault.to_registers()), Some(fault));
        }

        #[test]
        fn any_registers_are_read_without_panic(registers: [u64; 3]) {
            let _ = Fault::from_registers(registers);
        }
    }
}
