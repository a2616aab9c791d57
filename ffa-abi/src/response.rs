// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers, and the records that travel in them.

use crate::{Registers, SmmuIndex, Status, StreamId};
use bitflags::bitflags;

/// An answer: a status and up to four results, x3–x7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it went.
    pub status: Status,
    /// What the operation says it returns; zero where it says nothing.
    pub values: [u64; 4],
}

impl Response {
    /// Makes an answer that carries only a status.
    #[must_use]
    pub const fn status(status: Status) -> Self {
        Self { status, values: [0; 4] }
    }

    /// Makes a successful answer with one result, in x4.
    #[must_use]
    pub const fn value(value: u64) -> Self {
        Self { status: Status::Ok, values: [value, 0, 0, 0] }
    }

    /// Packs the answer into x3–x7.
    #[must_use]
    pub fn encode(self) -> Registers {
        let [x4, x5, x6, x7] = self.values;
        [u64::from(u32::from(self.status)), x4, x5, x6, x7]
    }

    /// Reads an answer from x3–x7, or `None` where x3 holds no status that this version knows.
    #[must_use]
    pub fn decode([x3, x4, x5, x6, x7]: Registers) -> Option<Self> {
        let status = Status::try_from(u32::try_from(x3).ok()?).ok()?;
        Some(Self { status, values: [x4, x5, x6, x7] })
    }
}

/// What the policy says of one device, the answer to `DEVICE_DESCRIBE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The SMMU that it is behind.
    pub smmu: SmmuIndex,
    /// Its first stream ID.
    pub first: StreamId,
    /// How many stream IDs it has, from the first on.
    pub count: u16,
    /// Its name in the policy: ASCII, padded with zeros.
    pub name: [u8; 16],
}

bitflags! {
    /// Fields in which a device is not as the policy says, x4 of [`Status::Differs`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(transparent)]
    pub struct Difference: u64 {
        /// The SMMU that it is behind.
        const SMMU = 1 << 0;
        /// Its first stream ID.
        const FIRST = 1 << 1;
        /// How many stream IDs it has.
        const COUNT = 1 << 2;
        /// Its name.
        const NAME = 1 << 3;
    }
}

impl DeviceRecord {
    /// Returns the fields in which `found` is not as this record. A name of zeros is none, and does not differ.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Difference {
        let mut differences = Difference::empty();
        differences.set(Difference::SMMU, found.smmu != self.smmu);
        differences.set(Difference::FIRST, found.first != self.first);
        differences.set(Difference::COUNT, found.count != self.count);
        differences.set(Difference::NAME, found.has_name() && found.name != self.name);
        differences
    }

    /// Tells whether there is a name.
    #[must_use]
    pub fn has_name(&self) -> bool {
        self.name != [0; 16]
    }

    /// Packs the record into x4–x7: first stream ID in bits 31:0 of x4, SMMU in 47:32, count in 63:48; bits of x5 are
    /// zero; x6–x7 are the name, first letter in bits 7:0 of x6.
    #[must_use]
    pub fn to_registers(self) -> [u64; 4] {
        let who = u64::from(self.first.0) | u64::from(self.smmu.0) << 32 | u64::from(self.count) << 48;
        let name = u128::from_le_bytes(self.name);
        [who, 0, low_half(name), low_half(name >> 64)]
    }

    /// Reads a record from x4–x7, or `None` where reserved bits are set.
    #[must_use]
    pub fn from_registers([who, reserved, low, high]: [u64; 4]) -> Option<Self> {
        let [s0, s1, s2, s3, m0, m1, c0, c1] = who.to_le_bytes();
        (reserved == 0).then_some(Self {
            smmu: SmmuIndex(u16::from_le_bytes([m0, m1])),
            first: StreamId(u32::from_le_bytes([s0, s1, s2, s3])),
            count: u16::from_le_bytes([c0, c1]),
            name: (u128::from(low) | u128::from(high) << 64).to_le_bytes(),
        })
    }

    /// Returns the name without its padding, or `None` where it is not text.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(self.name.len());
        core::str::from_utf8(self.name.get(..end)?).ok()
    }
}

/// Returns bits 63:0.
const fn low_half(value: u128) -> u64 {
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = value.to_le_bytes();
    u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn answers_round_trip(status in 0u32..=17, values: [u64; 4]) {
            let response = Response { status: Status::try_from(status).unwrap(), values };
            prop_assert_eq!(Response::decode(response.encode()), Some(response));
        }

        #[test]
        fn device_records_round_trip(smmu: u16, first: u32, count: u16, name: [u8; 16]) {
            let record = DeviceRecord { smmu: SmmuIndex(smmu), first: StreamId(first), count, name };
            prop_assert_eq!(DeviceRecord::from_registers(record.to_registers()), Some(record));
        }

        #[test]
        fn any_registers_are_read_without_panic(registers: [u64; 5], record: [u64; 4]) {
            let _ = Response::decode(registers);
            let _ = DeviceRecord::from_registers(record);
        }
    }

    #[test]
    fn names_are_read_up_to_their_padding() {
        let mut name = [0; 16];
        name[..4].copy_from_slice(b"edu0");
        let record = DeviceRecord { smmu: SmmuIndex(0), first: StreamId(8), count: 1, name };
        assert_eq!(record.name(), Some("edu0"));
    }
}
