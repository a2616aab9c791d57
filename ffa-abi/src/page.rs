// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whose a page is, as the hypervisor says it and is told.

/// Who owns a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOwner {
    /// The kernel.
    Host,
    /// The hypervisor.
    Hyp,
    /// A guest, by a number that the hypervisor chose.
    Guest(u16),
    /// The service itself: what SMMUs fetch from.
    Pool,
}

const HOST: u64 = 0;
const HYP: u64 = 1;
const GUEST: u64 = 2;
const POOL: u64 = 3;

impl PageOwner {
    /// Packs the owner into a register: kind in bits 15:0 (0 host, 1 hypervisor, 2 guest, 3 pool), a guest's number in
    /// bits 31:16.
    #[must_use]
    pub const fn to_register(self) -> u64 {
        match self {
            Self::Host => HOST,
            Self::Hyp => HYP,
            Self::Guest(number) => GUEST | (number as u64) << 16,
            Self::Pool => POOL,
        }
    }

    /// Reads an owner from a register, or `None` where it holds none.
    #[must_use]
    pub fn from_register(value: u64) -> Option<Self> {
        let number = u16::try_from(value >> 16).ok()?;
        match (value & 0xffff, number) {
            (HOST, 0) => Some(Self::Host),
            (HYP, 0) => Some(Self::Hyp),
            (GUEST, number) => Some(Self::Guest(number)),
            (POOL, 0) => Some(Self::Pool),
            _ => None,
        }
    }
}

/// The answer to `PAGE_STATE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageState {
    /// Whose it is.
    pub owner: PageOwner,
    /// Whether the kernel may map it for its devices.
    pub host_access: bool,
    /// How many mappings for devices there are of it, as page and in blocks.
    pub pins: u32,
}

impl PageState {
    /// Packs the state into x4–x5: the owner in x4, host access in bit 0 of x5, pins in bits 63:32.
    #[must_use]
    pub fn to_registers(self) -> [u64; 2] {
        [self.owner.to_register(), u64::from(self.host_access) | u64::from(self.pins) << 32]
    }

    /// Reads a state from x4–x5, or `None` where they hold none.
    #[must_use]
    pub fn from_registers([owner, state]: [u64; 2]) -> Option<Self> {
        let [access, b1, b2, b3, pins @ ..] = state.to_le_bytes();
        Some(Self {
            owner: PageOwner::from_register(owner)?,
            host_access: match (access, [b1, b2, b3]) {
                (0, [0, 0, 0]) => false,
                (1, [0, 0, 0]) => true,
                _ => return None,
            },
            pins: u32::from_le_bytes(pins),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(owner in prop_oneof![0u64..0x5_0000, any::<u64>()], state: u64) {
            if let Some(read) = PageOwner::from_register(owner) {
                prop_assert_eq!(read.to_register(), owner);
            }
            if let Some(read) = PageState::from_registers([owner, state]) {
                prop_assert_eq!(read.to_registers(), [owner, state]);
            }
        }

        #[test]
        fn states_round_trip(number: u16, host_access: bool, pins: u32) {
            for owner in [PageOwner::Host, PageOwner::Hyp, PageOwner::Guest(number), PageOwner::Pool] {
                let state = PageState { owner, host_access, pins };
                prop_assert_eq!(PageState::from_registers(state.to_registers()), Some(state));
            }
        }
    }
}
