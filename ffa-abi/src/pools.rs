// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the hypervisor asks for about the memory in which tables stand: it lends some of its own, takes it back, and asks who has
//! used how much.
//!
//! Each request is x3, x6 and x7 of a [`HypMessage`](crate::HypMessage); its key stands between them.

use crate::{Header, HypOperation, Status};
use num_enum::{IntoPrimitive, TryFromPrimitive};

/// Whose domains take memory for tables. Each of them has a share of its own, which the others cannot use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoPrimitive, TryFromPrimitive)]
#[repr(u8)]
pub enum PoolHolder {
    /// The kernel's.
    Host = 0,
    /// The hypervisor's own.
    Hyp = 1,
    /// Those of all guests.
    Guests = 2,
}

impl PoolHolder {
    /// All of them, by their numbers.
    pub const ALL: [Self; 3] = [Self::Host, Self::Hyp, Self::Guests];

    fn from_register(value: u64) -> Result<Self, Status> {
        u8::try_from(value).ok().and_then(|value| Self::try_from(value).ok()).ok_or(Status::InvalidParameters)
    }
}

/// A request of the right shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolRequest {
    /// x6: what `FFA_MEM_LEND` gave for the memory; x7: for whose tables. [`Status::Again`] while work remains: asked again with
    /// the same it goes on. With [`Status::Denied`] and [`Status::Busy`] x4 may name the first page that is in the way.
    Lend {
        /// The manager's handle.
        memory: u64,
        /// For whose tables.
        holder: PoolHolder,
    },
    /// x6: the handle. From now on nothing of the memory is handed out. [`Status::Busy`] while tables stand there: x4 says how many
    /// pages; [`Status::Again`] while work remains.
    Reclaim {
        /// The manager's handle.
        memory: u64,
    },
    /// x6: whose share. Answer: [`PoolReport`].
    Status(PoolHolder),
}

impl PoolRequest {
    /// Reads x3, x6 and x7; `None` where the operation is another.
    pub(crate) fn decode(operation: HypOperation, [x3, x6, x7]: [u64; 3]) -> Option<Result<Self, Status>> {
        let (request, reserved) = match operation {
            HypOperation::PoolLend => {
                (PoolHolder::from_register(x7).map(|holder| Self::Lend { memory: x6, holder }), 0)
            }
            HypOperation::PoolReclaim => (Ok(Self::Reclaim { memory: x6 }), x7),
            HypOperation::PoolStatus => (PoolHolder::from_register(x6).map(Self::Status), x7),
            _ => return None,
        };
        let Header { field, handle, .. } = Header::from_register(x3);
        let unused = u64::from(field) | u64::from(handle) | reserved;
        Some(if unused == 0 { request } else { Err(Status::InvalidParameters) })
    }

    /// Packs the request into x3, x6 and x7.
    pub(crate) fn encode(self) -> [u64; 3] {
        let header = |operation: HypOperation| {
            Header { operation: operation.into(), field: 0, handle: 0 }.to_register()
        };
        match self {
            Self::Lend { memory, holder } => {
                [header(HypOperation::PoolLend), memory, u8::from(holder).into()]
            }
            Self::Reclaim { memory } => [header(HypOperation::PoolReclaim), memory, 0],
            Self::Status(holder) => [header(HypOperation::PoolStatus), u8::from(holder).into(), 0],
        }
    }
}

/// The answer to `POOL_STATUS`, x4–x6: what a holder's tables take, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// Its share of the carve-out.
    pub limit: u32,
    /// What it has used of that.
    pub used: u32,
    /// What was lent for it; of what is being taken back, that which is in use.
    pub lent: u32,
    /// What is in use of that.
    pub lent_used: u32,
    /// Times that it was refused a page because all of this was used up; stays at the largest number.
    pub refused: u32,
}

impl PoolReport {
    /// Packs a report into x4–x7: its share at bits 31:0 and what is used at 63:32 of x4; what was lent likewise in x5; refusals in
    /// x6.
    #[must_use]
    pub fn to_registers(self) -> [u64; 4] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        [pair(self.limit, self.used), pair(self.lent, self.lent_used), self.refused.into(), 0]
    }

    /// Reads a report from x4–x7, or `None` where they hold none.
    #[must_use]
    pub fn from_registers([carve_out, lent, refused, rest]: [u64; 4]) -> Option<Self> {
        let halves = |register: u64| {
            let [a, b, c, d, e, f, g, h] = register.to_le_bytes();
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        };
        let ((limit, used), (lent, lent_used)) = (halves(carve_out), halves(lent));
        let refused = u32::try_from(refused).ok().filter(|_| rest == 0)?;
        Some(Self { limit, used, lent, lent_used, refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reports_round_trip([limit, used, lent, lent_used, refused]: [u32; 5]) {
            let report = PoolReport { limit, used, lent, lent_used, refused };
            prop_assert_eq!(PoolReport::from_registers(report.to_registers()), Some(report));
        }

        #[test]
        fn what_is_read_is_what_was_written(registers: [u64; 4], small: bool) {
            let [x4, x5, x6, _] = registers;
            let registers = if small { [x4, x5, x6 & 0xffff_ffff, 0] } else { registers };
            if let Some(report) = PoolReport::from_registers(registers) {
                prop_assert_eq!(report.to_registers(), registers);
            }
        }
    }
}
